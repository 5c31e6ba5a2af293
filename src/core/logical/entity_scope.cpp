#include <fmt/format.h>

#include <algorithm>

#include "logical/filter.h"
#include "logical/relations.h"

namespace ark {
namespace {

constexpr std::size_t kNearNames = 5;

std::size_t EditDistance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); j++) {
            std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string NearTables(Connection &connection, const std::string &name) {
    Result result = connection.Query("SELECT n.nspname, c.relname" +
                                     FromRelations(ExportScope{}, "'r', 'p', 'm', 'f'") + " LIMIT 100000");
    std::vector<std::pair<std::size_t, std::string>> near;
    for (int row = 0; row < result.rows(); row++) {
        std::string candidate = result.String(row, 1);
        bool contains =
            name.size() > 2 && (candidate.find(name) != std::string::npos || name.find(candidate) != std::string::npos);
        std::size_t distance = contains ? 1 : EditDistance(candidate, name);
        if (distance <= 1 + name.size() / 4) near.emplace_back(distance, result.String(row, 0) + "." + candidate);
    }
    std::ranges::sort(near);
    std::string text;
    for (std::size_t i = 0; i < std::min(near.size(), kNearNames); i++)
        text += (text.empty() ? "" : ", ") + near[i].second;
    return text.empty() ? "" : "near are: " + text;
}

Oid FindTable(Connection &connection, const EntityTable &wanted) {
    std::string spelled = wanted.schema.empty() ? wanted.table : wanted.schema + "." + wanted.table;
    Parameters parameters = {wanted.table};
    std::string sql =
        "SELECT c.oid, n.nspname, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace"
        " WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'm', 'f', 'v') AND c.relpersistence <> 't'";
    if (wanted.schema.empty()) {
        sql +=
            " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY n.nspname <> 'public', n.nspname";
    } else {
        sql += " AND n.nspname = $2";
        parameters.push_back(wanted.schema);
    }
    Result found = connection.Query(sql, parameters);
    if (found.rows() == 0)
        throw Error(Code::kNotFound, fmt::format("there is no table \"{}\" in this database", spelled),
                    NearTables(connection, wanted.table),
                    "names are folded to lower case unless they are written in double quotes");
    if (found.rows() > 1 && found.Text(0, 1) != "public") {
        std::string schemas;
        for (int row = 0; row < found.rows(); row++) schemas += (row > 0 ? ", " : "") + found.String(row, 1);
        throw Error(Code::kInvalidArgument, fmt::format("there is more than one table \"{}\"", spelled),
                    "in the schemas " + schemas, "name the schema too");
    }
    if (found.Text(0, 2) == "v")
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is a view and has no rows of its own", spelled), "",
                    "name the tables that the view reads");
    return static_cast<Oid>(found.Unsigned(0, 0));
}

}    // namespace

// A filter covers a table's partitions and children too; two entities that name one table with different filters
// would be two backups of it, and the rows of either.
ExportScope ResolveEntities(Connection &connection, const std::vector<Entity> &entities) {
    ExportScope scope;
    if (entities.empty()) return scope;
    scope.whole_database = false;
    std::set<Oid> unfiltered;
    for (const Entity &entity : entities) {
        if (entity.tables.empty())
            throw Error(Code::kInvalidArgument, fmt::format("the entity \"{}\" names no table", entity.name));
        for (const EntityTable &wanted : entity.tables) {
            if (!wanted.filter.empty()) CheckFilter(wanted.filter);
            Result family = connection.Query(
                "WITH RECURSIVE family(oid) AS (SELECT $1::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i"
                " JOIN family f ON i.inhparent = f.oid) SELECT oid FROM family",
                {std::to_string(FindTable(connection, wanted))});
            for (int row = 0; row < family.rows(); row++) {
                Oid oid = static_cast<Oid>(family.Unsigned(row, 0));
                scope.tables.insert(oid);
                if (wanted.filter.empty())
                    unfiltered.insert(oid);
                else if (std::string &filter = scope.filters[oid]; filter.empty())
                    filter = wanted.filter;
                else if (filter != wanted.filter)
                    filter = fmt::format("({}) OR ({})", filter, wanted.filter);
            }
        }
    }
    for (Oid oid : unfiltered) scope.filters.erase(oid);
    return scope;
}

}    // namespace ark
