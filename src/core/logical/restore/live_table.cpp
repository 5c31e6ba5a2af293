#include "logical/restore/live_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ark {
namespace {

// Types whose input may run code that a user wrote: domains and composites, and what is made of them. Base types, enums and range
// types can only be given such code by a superuser.
constexpr const char *kColumns = R"(
WITH RECURSIVE made_of(attnum, oid) AS (
    SELECT a.attnum, a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT m.attnum, part.oid
      FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.oid
      CROSS JOIN LATERAL (SELECT t.typelem WHERE t.typelem <> 0 AND t.typcategory = 'A'
                          UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid) AS part(oid))
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '',
       a.attgenerated <> '', a.attidentity = 'a',
       NOT EXISTS (SELECT FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.oid WHERE m.attnum = a.attnum AND t.typtype NOT IN ('b', 'e', 'r', 'm'))
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

// Unique keys by whole columns, the primary key first, then those without nulls. The operator is the index's own equality; that of a
// key without overlaps (18), whose index knows overlaps only, is the type's.
constexpr const char *kKeys = R"(
SELECT i.indexrelid, i.indisprimary, bool_and(a.attnotnull) OVER (PARTITION BY i.indexrelid), a.attname,
       pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
  FROM pg_catalog.pg_index i
  CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[])) WITH ORDINALITY AS k(attnum, opclass, place)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  JOIN pg_catalog.pg_opclass own ON own.oid = k.opclass
  JOIN pg_catalog.pg_opclass c ON CASE WHEN i.indisexclusion THEN c.opcmethod = 403 AND c.opcdefault AND c.opcintype = own.opcintype ELSE c.oid = own.oid END
  JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3
  JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
 ORDER BY i.indisprimary DESC, 3 DESC, i.indexrelid, k.place)";

// What a whole-row expression or a unique index whose nulls are equal excludes is left to the server.
constexpr const char *kRules = R"(
SELECT i.indexrelid, x.relname, pg_catalog.pg_get_indexdef(i.indexrelid, k.place::integer, true), pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname),
       pg_catalog.pg_get_expr(i.indpred, i.indrelid), e.oid IS NOT NULL, NOT i.indimmediate, opc.opcdefault
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint e ON e.conindid = i.indexrelid AND e.conrelid = i.indrelid AND e.conexclop IS NOT NULL
  CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indclass::oid[]), pg_catalog.unnest(e.conexclop)) WITH ORDINALITY AS k(opclass, exclop, place)
  JOIN pg_catalog.pg_opclass opc ON opc.oid = k.opclass
  LEFT JOIN pg_catalog.pg_amop m ON m.amopfamily = opc.opcfamily AND m.amoplefttype = opc.opcintype AND m.amoprighttype = opc.opcintype AND m.amopstrategy = 3
   AND i.indisunique
  JOIN pg_catalog.pg_operator o ON o.oid = coalesce(k.exclop, m.amopopr) JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE i.indrelid = $1::oid AND i.indisvalid AND (i.indisunique OR e.oid IS NOT NULL) AND (i.indexrelid <> $2::oid OR i.indisexclusion) AND k.place <= i.indnkeyatts
   AND NOT i.indnullsnotdistinct AND coalesce(i.indexprs::text, '') !~ ':varattno 0 ' AND coalesce(i.indpred::text, '') !~ ':varattno 0 '
 ORDER BY x.relname, i.indexrelid, k.place)";

constexpr const char *kRuleColumns = R"(
SELECT i.indexrelid, a.attname
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0
   AND (a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
        OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
 WHERE i.indrelid = $1::oid ORDER BY 1, a.attnum)";

// A partition has the keys of its partitioned table too; that table itself, when referenced, is not repeated by its partitions.
constexpr const char *kForeignKeys = R"(
SELECT c.oid, c.conname, c.conrelid, c.confrelid,
       pg_catalog.format('%I.%I', fn.nspname, f.relname), pg_catalog.format('%I.%I', tn.nspname, t.relname), c.confdeltype,
       c.confupdtype,
       fa.attname, ta.attname, pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname),
       CASE WHEN f.relkind = 'p' THEN '' ELSE 'ONLY ' END, CASE WHEN t.relkind = 'p' THEN '' ELSE 'ONLY ' END
  FROM pg_catalog.pg_constraint c
  LEFT JOIN pg_catalog.pg_constraint parent ON parent.oid = c.conparentid
  JOIN pg_catalog.pg_class f ON f.oid = c.conrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid = c.confrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
  CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey), pg_catalog.unnest(c.conpfeqop)) WITH ORDINALITY AS k(from_num, to_num, op, place)
  JOIN pg_catalog.pg_attribute fa ON fa.attrelid = c.conrelid AND fa.attnum = k.from_num
  JOIN pg_catalog.pg_attribute ta ON ta.attrelid = c.confrelid AND ta.attnum = k.to_num
  JOIN pg_catalog.pg_operator o ON o.oid = k.op JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE c.contype = 'f' AND (c.conrelid = $1::oid AND (parent.oid IS NULL OR parent.confrelid = c.confrelid)
                            OR c.confrelid = $1::oid AND (parent.oid IS NULL OR parent.conrelid = c.conrelid))
 ORDER BY c.conname, c.oid, k.place)";

constexpr const char *kSequences = R"(
WITH used(sequence, attnum) AS (
    SELECT d.objid, d.refobjsubid FROM pg_catalog.pg_depend d
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjid = $1::oid AND d.deptype IN ('a', 'i')
  UNION
    SELECT d.refobjid, f.adnum FROM pg_catalog.pg_attrdef f
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
     WHERE f.adrelid = $1::oid AND a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype))
SELECT s.oid, pg_catalog.format('%I.%I', n.nspname, s.relname), a.attname, q.seqincrement > 0
  FROM used u
  JOIN pg_catalog.pg_class s ON s.oid = u.sequence AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::oid AND a.attnum = u.attnum ORDER BY 2, 3)";

constexpr const char *kTriggers = R"(
SELECT t.tgname, t.tgenabled, pg_catalog.format('%I.%I', n.nspname, c.relname), t.tgparentid <> 0
  FROM (SELECT $1::oid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)) AS tree(relid)
  JOIN pg_catalog.pg_trigger t ON t.tgrelid = tree.relid JOIN pg_catalog.pg_class c ON c.oid = tree.relid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal ORDER BY tree.relid <> $1::oid, 3, 1)";

// The index of the key, or 0.
std::string LoadKey(Connection &connection, LiveTable &table, const std::string &oid) {
    Result rows = connection.Query(kKeys, {oid});
    std::string index = "0";
    for (int r = 0; r < rows.rows(); r++) {
        if (!rows.Bool(r, 2)) continue;
        if (index == "0") index = rows.String(r, 0);
        if (index == rows.Text(r, 0)) table.key.push_back({rows.String(r, 3), rows.String(r, 4)});
    }
    return index;
}

void LoadRules(Connection &connection, LiveTable &table, const std::string &oid, const std::string &key_index) {
    Result rows = connection.Query(kRules, {oid, key_index});
    if (rows.rows() == 0) return;
    std::multimap<std::string, std::string> columns;
    Result read = connection.Query(kRuleColumns, {oid});
    for (int r = 0; r < read.rows(); r++) columns.emplace(read.String(r, 0), read.String(r, 1));
    for (int r = 0; r < rows.rows(); r++) {
        if (r == 0 || rows.Text(r, 0) != rows.Text(r - 1, 0)) {
            UniqueRule &rule = table.rules.emplace_back();
            rule.name = rows.String(r, 1);
            auto [from, to] = columns.equal_range(rows.String(r, 0));
            for (; from != to; ++from) rule.columns.push_back(from->second);
            rule.predicate = rows.String(r, 4);
            rule.exclusion = rows.Bool(r, 5);
            rule.deferrable = rows.Bool(r, 6);
        }
        table.rules.back().values.push_back(rows.String(r, 2));
        table.rules.back().equals.push_back(rows.String(r, 3));
        table.rules.back().groups = table.rules.back().groups && rows.Bool(r, 7) && !table.rules.back().exclusion;
    }
}

void LoadForeignKeys(Connection &connection, LiveTable &table, const std::string &oid) {
    Result rows = connection.Query(kForeignKeys, {oid});
    std::map<std::string, ForeignKey> keys;
    for (int r = 0; r < rows.rows(); r++) {
        ForeignKey &key = keys[rows.String(r, 1) + "/" + rows.String(r, 0)];
        key.name = rows.String(r, 1);
        key.from = rows.Unsigned(r, 2);
        key.to = rows.Unsigned(r, 3);
        key.from_name = rows.String(r, 4);
        key.to_name = rows.String(r, 5);
        key.from_only = rows.String(r, 11) + key.from_name;
        key.to_only = rows.String(r, 12) + key.to_name;
        key.on_delete = rows.Text(r, 6).front();
        key.on_update = rows.Text(r, 7).front();
        key.from_columns.push_back(rows.String(r, 8));
        key.to_columns.push_back(rows.String(r, 9));
        key.equals.push_back(rows.String(r, 10));
    }
    for (const auto &[id, key] : keys) {
        if (key.from == table.oid) table.references.push_back(key);
        if (key.to == table.oid) table.referenced_by.push_back(key);
    }
}

}    // namespace

const LiveColumn *LiveTable::Column(std::string_view column) const {
    auto at = std::ranges::find(columns, column, &LiveColumn::name);
    return at == columns.end() ? nullptr : &*at;
}

std::optional<LiveTable> LoadLiveTable(Connection &connection, std::string_view schema, std::string_view name) {
    Result rows = connection.Query(
        "SELECT c.oid, c.relowner, c.relkind, c.relrowsecurity, pg_catalog.pg_get_userbyid(c.relowner) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
        "c.relname = $2",
        {std::string(schema), std::string(name)});
    if (rows.rows() == 0) return std::nullopt;
    LiveTable table;
    table.schema = schema;
    table.name = name;
    table.oid = rows.Unsigned(0, 0);
    table.owner = rows.Unsigned(0, 1);
    table.kind = rows.Text(0, 2).front();
    table.row_security = rows.Bool(0, 3);
    table.owner_name = rows.String(0, 4);
    if (table.kind != 'r' && table.kind != 'p')
        throw Error(Code::kConflict,
                    "\"" + table.schema + "." + table.name + "\" is not a table in the target database", {},
                    "Rename it, or restore side_by_side into another schema.");
    std::string oid = rows.String(0, 0);
    Result columns = connection.Query(kColumns, {oid});
    for (int r = 0; r < columns.rows(); r++)
        table.columns.push_back({columns.String(r, 0), columns.String(r, 1), columns.Bool(r, 6), columns.Bool(r, 2),
                                 columns.Bool(r, 3), columns.Bool(r, 4), columns.Bool(r, 5)});
    LoadRules(connection, table, oid, LoadKey(connection, table, oid));
    LoadForeignKeys(connection, table, oid);
    Result triggers = connection.Query(kTriggers, {oid});
    for (int r = 0; r < triggers.rows(); r++)
        table.triggers.push_back(
            {triggers.String(r, 0), triggers.Text(r, 1).front(), triggers.String(r, 2), triggers.Bool(r, 3)});
    Result sequences = connection.Query(kSequences, {oid});
    for (int r = 0; r < sequences.rows(); r++)
        table.sequences.push_back(
            {sequences.Unsigned(r, 0), sequences.String(r, 1), sequences.String(r, 2), sequences.Bool(r, 3)});
    return table;
}

LiveTable LoadLiveTable(Connection &connection, std::uint64_t oid) {
    Result name = connection.Query(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace "
        "WHERE c.oid = $1::oid",
        {std::to_string(oid)});
    std::optional<LiveTable> table;
    if (name.rows() > 0) table = LoadLiveTable(connection, name.String(0, 0), name.String(0, 1));
    if (!table || table->oid != oid) throw Error(Code::kNotFound, fmt::format("the table with OID {} is gone", oid));
    return *table;
}

}    // namespace ark
