#include "logical/readable_check.h"

#include <fmt/format.h>

#include "logical/rights.h"

namespace ark {
namespace {

constexpr int kNamed = 20;

// "table a.b, table c.d and 7 more"
std::string List(Connection &connection, std::string_view what, const std::string &names_sql) {
    Result result = connection.Query(names_sql);
    std::string text;
    for (int row = 0; row < std::min(result.rows(), kNamed); row++)
        text += (row > 0 ? ", " : "") + result.String(row, 0);
    if (result.rows() == 0) return {};
    if (result.rows() > kNamed) text += fmt::format(" and {} more", result.rows() - kNamed);
    return fmt::format("{}: {}", what, text);
}

}    // namespace

void CheckReadable(Connection &connection, const ExportScope &scope) {
    if (connection.Query("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Bool(0, 0)) return;
    const std::string name = "SELECT c.oid::pg_catalog.regclass::text";
    const std::string schema_closed = "NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')";
    std::vector<std::string> lacking;
    auto add = [&](std::string found) {
        if (!found.empty()) lacking.push_back(std::move(found));
    };
    add(List(connection, "tables that the role may not read",
             name + FromRelations(scope, "'r', 'p'") + " AND (" + schema_closed +
                 " OR NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')) ORDER BY 1"));
    add(List(connection, "tables whose row security would hide rows from it",
             name + FromRelations(scope, "'r', 'p'") +
                 " AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid) ORDER BY 1"));
    if (scope.whole_database) {
        add(List(connection, "sequences that it may not read",
                 name + FromRelations(scope, "'S'") + " AND (" + schema_closed +
                     " OR NOT pg_catalog.has_sequence_privilege(c.oid, 'SELECT')) ORDER BY 1"));
        add(List(connection, "large objects that it may not read",
                 "SELECT m.oid::text FROM pg_catalog.pg_largeobject_metadata m WHERE NOT "
                 "pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')"
                 " AND NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS (SELECT FROM "
                 "pg_catalog.aclexplode(m.lomacl) a"
                 " WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, "
                 "'USAGE'))) ORDER BY m.oid"));
    }
    if (lacking.empty()) return;
    std::string detail, hint;
    for (const std::string &line : lacking) detail += (detail.empty() ? "" : "; ") + line;
    for (const std::string &statement : MissingRights(connection))
        if (statement.find("pg_read_all_settings") == std::string::npos) hint += (hint.empty() ? "" : "; ") + statement;
    throw Error(Code::kPermissionDenied,
                fmt::format("role \"{}\" cannot read everything that is to be backed up", connection.user()), detail,
                hint);
}

}    // namespace ark
