#include "logical/restore/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "logical/filter.h"
#include "logical/partitions.h"

namespace ark {
namespace {

std::string Both(const std::string &a, const std::string &b) {
    for (const std::string *filter : {&a, &b})
        if (!filter->empty()) CheckFilter(*filter);
    if (a.empty() || b.empty()) return a + b;
    return fmt::format("({}) AND ({})", a, b);
}

bool Similar(std::string_view a, std::string_view b) {
    return a.find(b) != std::string_view::npos || b.find(a) != std::string_view::npos;
}

std::string ColumnDefinitions(const BackupTable &table) {
    std::string out;
    for (const BackupColumn &column : table.columns)
        out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", QuoteIdentifier(column.name), column.type,
                           column.not_null ? " NOT NULL" : "");
    return out;
}

void CopyGrantsAndPolicies(Connection &connection, const LiveTable &from, const std::string &to) {
    std::string oid = std::to_string(from.oid);
    Result grants = connection.Query(
        "SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END, "
        "a.is_grantable, g.columns "
        "FROM pg_catalog.pg_class c CROSS JOIN LATERAL (SELECT c.relacl, '' UNION ALL SELECT t.attacl, ' (' || "
        "pg_catalog.quote_ident(t.attname) || ')' FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attacl "
        "IS NOT NULL AND NOT t.attisdropped) AS g(acl, columns) CROSS JOIN LATERAL pg_catalog.aclexplode(g.acl) a "
        "LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE c.oid = $1::oid AND a.grantee <> c.relowner",
        {oid});
    for (int r = 0; r < grants.rows(); r++)
        connection.Execute(fmt::format("GRANT {}{} ON {} TO {}{}", grants.Text(r, 0), grants.Text(r, 3), to,
                                       grants.Text(r, 1), grants.Bool(r, 2) ? " WITH GRANT OPTION" : ""));
    Result policies = connection.Query(
        "SELECT pg_catalog.format('CREATE POLICY %I ON ', p.polname), "
        "CASE WHEN p.polpermissive THEN ' AS PERMISSIVE' ELSE ' AS RESTRICTIVE' END || ' FOR ' || CASE p.polcmd WHEN "
        "'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' "
        "ELSE 'ALL' END || ' TO ' || (SELECT pg_catalog.string_agg(CASE WHEN o = 0 THEN 'PUBLIC' ELSE "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) END, ', ') FROM pg_catalog.unnest(p.polroles) o), "
        "' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || "
        "pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')' "
        "FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::oid",
        {oid});
    for (int r = 0; r < policies.rows(); r++)
        connection.Execute(policies.String(r, 0) + to + policies.String(r, 1) + policies.String(r, 2) +
                           policies.String(r, 3));
    Result security = connection.Query(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = $1::oid", {oid});
    if (security.Bool(0, 0)) connection.Execute(fmt::format("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", to));
    if (security.Bool(0, 1)) connection.Execute(fmt::format("ALTER TABLE {} FORCE ROW LEVEL SECURITY", to));
}

// Copying CHECK constraints and indexes evaluates what is constant in their expressions, so only the owner may do it.
void CreateLike(Connection &connection, RunAs &run_as, const LiveTable &original, const std::string &schema,
                const std::string &beside, std::vector<std::string> &notes) {
    std::string like = fmt::format(
        "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMMENTS", beside,
        original.Qualified());
    Result facts = connection.Query(
        "SELECT pg_catalog.has_schema_privilege($1::oid, $2, 'CREATE'), EXISTS (SELECT FROM pg_catalog.pg_index WHERE "
        "indrelid = $3::oid AND (indexprs IS NOT NULL OR indpred IS NOT NULL)), EXISTS (SELECT FROM "
        "pg_catalog.pg_constraint WHERE conrelid = $3::oid AND contype = 'c')",
        {std::to_string(original.owner), schema, std::to_string(original.oid)});
    if (facts.Bool(0, 0)) {
        run_as.Execute(original.owner, like + " INCLUDING CONSTRAINTS INCLUDING INDEXES)");
        return;
    }
    bool indexes = !facts.Bool(0, 1);
    connection.Execute(like + (indexes ? " INCLUDING INDEXES)" : ")"));
    connection.Execute(fmt::format("ALTER TABLE {} OWNER TO {}", beside, QuoteIdentifier(original.owner_name)));
    if (!indexes || facts.Bool(0, 2))
        notes.push_back(fmt::format("its owner may not create tables in schema {}: the copy has no CHECK constraints{}",
                                    schema, indexes ? "" : ", keys or indexes"));
}

}    // namespace

std::vector<Wanted> FindWanted(BackupReader &backup, const std::vector<Entity> &entities, const std::string &filter) {
    std::vector<BackupTable> all;
    backup.Tables([&](const BackupTable &table) { all.push_back(table); });
    std::vector<Wanted> wanted;
    for (const Entity &entity : entities)
        for (const EntityTable &asked : entity.tables) {
            std::vector<const BackupTable *> found;
            for (const BackupTable &table : all)
                if (table.name == asked.table && (asked.schema.empty() || table.schema == asked.schema))
                    found.push_back(&table);
            if (found.size() > 1 && asked.schema.empty()) {
                auto in_public =
                    std::ranges::find_if(found, [](const BackupTable *table) { return table->schema == "public"; });
                if (in_public == found.end())
                    throw Error(Code::kInvalidArgument,
                                fmt::format("\"{}\" is the name of {} tables in the backup", asked.table, found.size()),
                                {}, "Name the schema too: schema.table.");
                found = {*in_public};
            }
            if (found.empty() || found.front()->kind == 'm') {
                RelationName relation{asked.schema.empty() ? "public" : asked.schema, asked.table};
                if (!found.empty()) relation.first = found.front()->schema;
                if (std::string kind = DescribedAs(backup, relation); kind.ends_with("VIEW")) {
                    Wanted view;
                    view.table.schema = relation.first;
                    view.table.name = relation.second;
                    view.view = kind;
                    wanted.push_back(std::move(view));
                    continue;
                }
                std::string near;
                for (const BackupTable &table : all)
                    if (Similar(table.name, asked.table) && near.size() < 200)
                        near += (near.empty() ? "" : ", ") + table.schema + "." + table.name;
                throw Error(Code::kNotFound,
                            fmt::format("the backup has no table or entity \"{}\"",
                                        asked.schema.empty() ? asked.table : asked.schema + "." + asked.table),
                            near.empty() ? "" : fmt::format("It has {}.", near),
                            "SELECT * FROM ark.backup_contents or pg_ark list --contents BACKUP shows its tables.")
                    .WithSqlstate("42P01");
            }
            const BackupTable &table = *found.front();
            if (std::ranges::any_of(wanted, [&](const Wanted &other) {
                    return other.table.schema == table.schema && other.table.name == table.name;
                }))
                continue;
            Wanted one{table, {}, {}, Both(asked.filter, filter), {}};
            Partitions partitions = FindPartitions(all, table);
            one.sources = std::move(partitions.leaves);
            one.partitions = std::move(partitions.members);
            wanted.push_back(std::move(one));
        }
    std::set<RelationName> within;
    for (const Wanted &one : wanted) within.insert(one.partitions.begin(), one.partitions.end());
    std::erase_if(wanted, [&](const Wanted &one) { return within.contains({one.table.schema, one.table.name}); });
    return wanted;
}

std::vector<Wanted> AllTables(BackupReader &backup) {
    std::vector<Wanted> wanted;
    backup.Tables([&](const BackupTable &table) { wanted.push_back({table, {table}, {}, {}, {}}); });
    return wanted;
}

LiveTable CreateBeside(Connection &connection, RunAs &run_as, const Wanted &wanted, const std::string &schema,
                       std::vector<std::string> &notes) {
    std::string name = wanted.table.name + "_restored";
    std::string in_schema = schema.empty() ? wanted.table.schema : schema;
    std::string beside = QualifiedName(in_schema, name);
    std::optional<LiveTable> original = LoadLiveTable(connection, wanted.table.schema, wanted.table.name);
    if (LoadLiveTable(connection, in_schema, name))
        throw Error(Code::kAlreadyExists, fmt::format("table \"{}.{}\" exists already", in_schema, name),
                    "It may be from an earlier restore.", fmt::format("Look at it, then DROP TABLE {}.", beside))
            .WithSqlstate("42P07");
    if (original) {
        CreateLike(connection, run_as, *original, in_schema, beside, notes);
        CopyGrantsAndPolicies(connection, *original, beside);
    } else {
        connection.Execute(fmt::format("CREATE TABLE {} ({})", beside, ColumnDefinitions(wanted.table)));
        Result owner =
            connection.Query("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = $1", {wanted.table.owner});
        if (owner.rows() > 0)
            connection.Execute(fmt::format("ALTER TABLE {} OWNER TO {}", beside, QuoteIdentifier(wanted.table.owner)));
        notes.push_back("the live table is gone: this copy has the columns only, no keys or indexes");
    }
    notes.push_back(fmt::format("drop it when it has served: DROP TABLE {}", beside));
    return *LoadLiveTable(connection, in_schema, name);
}

}    // namespace ark
