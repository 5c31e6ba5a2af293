#include "logical/restore/targets.h"

#include <fmt/format.h>

#include <algorithm>

#include "logical/filter.h"

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

// Rows of a partitioned table lie in its leaves, at any depth.
void AddLeaves(const std::vector<BackupTable> &all, const BackupTable &parent, std::vector<BackupTable> &leaves) {
    for (const BackupTable &table : all) {
        if (table.partition_of.size() != 2 || table.partition_of[0] != parent.schema ||
            table.partition_of[1] != parent.name)
            continue;
        if (table.kind == 'p')
            AddLeaves(all, table, leaves);
        else
            leaves.push_back(table);
    }
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
        "a.is_grantable "
        "FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = "
        "a.grantee WHERE c.oid = $1::oid AND a.grantee <> c.relowner",
        {oid});
    for (int r = 0; r < grants.rows(); r++)
        connection.Execute(fmt::format("GRANT {} ON {} TO {}{}", grants.Text(r, 0), to, grants.Text(r, 1),
                                       grants.Bool(r, 2) ? " WITH GRANT OPTION" : ""));
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
            if (found.empty()) {
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
            Wanted one{table, {}, Both(asked.filter, filter)};
            if (table.kind == 'p')
                AddLeaves(all, table, one.sources);
            else
                one.sources.push_back(table);
            wanted.push_back(std::move(one));
        }
    return wanted;
}

std::vector<Wanted> AllTables(BackupReader &backup) {
    std::vector<Wanted> wanted;
    backup.Tables([&](const BackupTable &table) { wanted.push_back({table, {table}, {}}); });
    return wanted;
}

LiveTable CreateBeside(Connection &connection, const Wanted &wanted, const std::string &schema,
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
        connection.Execute(
            fmt::format("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS "
                        "INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMMENTS)",
                        beside, original->Qualified()));
        Result owner = connection.Query("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1::oid",
                                        {std::to_string(original->owner)});
        connection.Execute(fmt::format("ALTER TABLE {} OWNER TO {}", beside, QuoteIdentifier(owner.Text(0, 0))));
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
