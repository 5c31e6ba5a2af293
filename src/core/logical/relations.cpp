#include "logical/relations.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr int kBatch = 400;

}    // namespace

// Left out, as pg_dump does: system schemas, temporary tables, and what belongs to an extension unless the extension
// declared it to be configuration.
std::string FromRelations(const ExportScope &scope, std::string_view kinds) {
    std::string sql = fmt::format(
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN (SELECT u.oid, u.condition FROM pg_catalog.pg_extension e,"
        " unnest(e.extconfig, e.extcondition) AS u(oid, condition)) k ON k.oid = c.oid"
        " LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam"
        " WHERE c.relkind IN ({}) AND c.relpersistence <> 't'"
        " AND (k.oid IS NOT NULL OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND "
        "d.objid = c.oid"
        " AND d.objsubid = 0 AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e')))",
        kinds);
    if (!scope.whole_database) sql += fmt::format(" AND c.oid = ANY ('{}'::oid[])", ArrayParameter(scope.tables));
    return sql;
}

std::string PercentEncodedSql(std::string_view column) {
    return fmt::format(
        "CASE WHEN {0}::text COLLATE \"C\" ~ '^[A-Za-z0-9._~-]+$' THEN {0}::text ELSE"
        " (SELECT pg_catalog.string_agg(CASE WHEN y.b IN (45, 46, 95, 126) OR y.b BETWEEN 48 AND 57 OR y.b BETWEEN 65 "
        "AND 90"
        " OR y.b BETWEEN 97 AND 122 THEN pg_catalog.chr(y.b) ELSE '%' || "
        "pg_catalog.upper(pg_catalog.lpad(pg_catalog.to_hex(y.b), 2, '0')) END,"
        " '' ORDER BY y.i) FROM (SELECT i, pg_catalog.get_byte(x.bytes, i) AS b FROM (SELECT "
        "pg_catalog.convert_to({0}::text, 'UTF8') AS bytes) x,"
        " pg_catalog.generate_series(0, pg_catalog.octet_length(x.bytes) - 1) AS i) y) END",
        column);
}

RelationCursor::RelationCursor(Connection &connection, const ExportScope &scope)
    : connection_(connection), scope_(scope) {
    connection_.Execute(fmt::format(
        "DECLARE ark_relations NO SCROLL CURSOR FOR SELECT c.oid, n.nspname, c.relname, "
        "pg_catalog.pg_get_userbyid(c.relowner), c.relkind,"
        " c.relpersistence, coalesce(a.amname = 'heap', false), k.condition{}"
        " ORDER BY (({}) || '/' || ({}) || '/') COLLATE \"C\"",
        FromRelations(scope_, "'r', 'p', 'm', 'f'"), PercentEncodedSql("n.nspname"), PercentEncodedSql("c.relname")));
}

std::vector<Relation> RelationCursor::Next() {
    Result result = connection_.Query(fmt::format("FETCH {} FROM ark_relations", kBatch));
    std::vector<Relation> relations(static_cast<std::size_t>(result.rows()));
    std::vector<std::uint64_t> oids;
    places_.clear();
    for (int row = 0; row < result.rows(); row++) {
        Relation &relation = relations[static_cast<std::size_t>(row)];
        BackupTable &table = relation.table;
        table.oid = result.Unsigned(row, 0);
        table.schema = result.String(row, 1);
        table.name = result.String(row, 2);
        table.owner = result.String(row, 3);
        table.kind = result.Text(row, 4).at(0);
        table.persistence = result.Text(row, 5).at(0);
        relation.heap = result.Bool(row, 6);
        if (std::string_view condition = result.Text(row, 7); !condition.empty()) {
            // An extension gives "WHERE …".
            table.filter = condition.substr(condition.find_first_not_of(" \t\n"));
            if (table.filter.size() > 5) table.filter.erase(0, 5);
        }
        if (auto filter = scope_.filters.find(static_cast<Oid>(table.oid)); filter != scope_.filters.end())
            table.filter =
                table.filter.empty() ? filter->second : fmt::format("({}) AND ({})", table.filter, filter->second);
        places_[table.oid] = static_cast<std::size_t>(row);
        oids.push_back(table.oid);
    }
    if (relations.empty()) return relations;
    oids_ = ArrayParameter(oids);
    AddColumns(relations);
    AddKeys(relations);
    AddParents(relations);
    AddSizes(relations);
    return relations;
}

Relation *RelationCursor::Find(std::vector<Relation> &relations, const Result &result, int row) {
    auto at = places_.find(result.Unsigned(row, 0));
    return at == places_.end() ? nullptr : &relations[at->second];
}

void RelationCursor::AddColumns(std::vector<Relation> &relations) {
    Result result = connection_.Query(
        "SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod, "
        "a.attnotnull,"
        " a.attgenerated, a.attidentity FROM pg_catalog.pg_attribute a"
        " WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum",
        {oids_});
    auto type_at = [&](int row) {
        return ColumnType{static_cast<Oid>(result.Unsigned(row, 3)), static_cast<std::int32_t>(result.Int(row, 4))};
    };
    std::set<ColumnType> types;
    for (int row = 0; row < result.rows(); row++) types.insert(type_at(row));
    types_.Learn(connection_, types);
    for (int row = 0; row < result.rows(); row++) {
        Relation *relation = Find(relations, result, row);
        if (!relation) continue;
        BackupColumn column;
        column.name = result.String(row, 1);
        column.type = result.String(row, 2);
        column.base_type = types_.BaseName(type_at(row));
        column.not_null = result.Bool(row, 5);
        column.generated = result.String(row, 6);
        column.identity = result.String(row, 7);
        column.plain = types_.IsPlain(type_at(row).oid);
        if (column.generated.empty()) relation->table.copy.push_back(column.name);
        relation->table.columns.push_back(std::move(column));
    }
}

// The primary key; else the index of the replica identity; else the oldest unique index over columns that are never null.
void RelationCursor::AddKeys(std::vector<Relation> &relations) {
    Result result = connection_.Query(
        "SELECT i.indrelid, i.indexrelid, a.attname, pg_catalog.bool_and(a.attnotnull) OVER (PARTITION BY i.indexrelid)"
        " FROM pg_catalog.pg_index i CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS "
        "u(attnum, at)"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum"
        " WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND (i.indimmediate OR i.indisprimary) AND i.indisvalid"
        " AND i.indpred IS NULL AND i.indexprs IS NULL AND u.at <= i.indnkeyatts"
        " ORDER BY i.indrelid, i.indisprimary DESC, i.indisreplident DESC, i.indexrelid, u.at",
        {oids_});
    std::map<Relation *, std::uint64_t> chosen;
    for (int row = 0; row < result.rows(); row++) {
        Relation *relation = Find(relations, result, row);
        if (!relation || !result.Bool(row, 3)) continue;
        if (chosen.emplace(relation, result.Unsigned(row, 1)).first->second == result.Unsigned(row, 1))
            relation->table.key.push_back(result.String(row, 2));
    }
}

void RelationCursor::AddParents(std::vector<Relation> &relations) {
    Result result = connection_.Query(
        "SELECT i.inhrelid, n.nspname, p.relname, c.relispartition FROM pg_catalog.pg_inherits i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_class p ON p.oid = i.inhparent"
        " JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace WHERE i.inhrelid = ANY ($1::oid[]) ORDER BY "
        "i.inhrelid, i.inhseqno",
        {oids_});
    for (int row = 0; row < result.rows(); row++) {
        Relation *relation = Find(relations, result, row);
        if (!relation) continue;
        if (result.Bool(row, 3))
            relation->table.partition_of = {result.String(row, 1), result.String(row, 2)};
        else
            relation->table.inherits.emplace_back(result.String(row, 1), result.String(row, 2));
    }
}

void RelationCursor::AddSizes(std::vector<Relation> &relations) {
    std::vector<std::uint64_t> with_rows;
    for (const Relation &relation : relations)
        if (relation.HasRows()) with_rows.push_back(relation.table.oid);
    Result result = connection_.Query(
        "SELECT c.oid, coalesce(pg_catalog.pg_relation_size(c.oid), 0),"
        " coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0) FROM pg_catalog.pg_class c"
        " WHERE c.oid = ANY ($1::oid[])",
        {ArrayParameter(with_rows)});
    for (int row = 0; row < result.rows(); row++) {
        Relation *relation = Find(relations, result, row);
        if (!relation) continue;
        relation->size.heap = result.Unsigned(row, 1);
        relation->size.toast = result.Unsigned(row, 2);
    }
}

}    // namespace ark
