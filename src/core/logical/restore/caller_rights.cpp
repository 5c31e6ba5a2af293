#include "logical/restore/caller_rights.h"

#include <fmt/format.h>

namespace ark {
namespace {

bool IsMember(Connection &connection, const Caller &caller, std::uint64_t owner) {
    return connection
        .Query("SELECT pg_catalog.pg_has_role($1::oid, $2::oid, 'USAGE')",
               {std::to_string(caller.oid), std::to_string(owner)})
        .Bool(0, 0);
}

[[noreturn]] void Refuse(const Caller &caller, const std::string &what, const std::string &lacking,
                         const std::string &owner) {
    throw Error(
        Code::kPermissionDenied, fmt::format("role \"{}\" may not restore \"{}\"", caller.name, what), lacking,
        fmt::format("Ask a member of \"{}\" to restore it, or for the rights that the same change by hand needs.",
                    owner))
        .WithSqlstate("42501");
}

}    // namespace

std::vector<std::string> NeededPrivileges(const Target &target, RestoreMode mode, bool undo) {
    std::vector<std::string> needed{"INSERT"};
    if (!target.referenced_only && (undo || mode == RestoreMode::kUpsert || mode == RestoreMode::kReplace))
        needed.push_back("UPDATE");
    if (!target.referenced_only && (undo || mode == RestoreMode::kReplace)) needed.push_back("DELETE");
    if (!target.filter.empty()) needed.push_back("SELECT");
    return needed;
}

Caller FindCaller(Connection &connection, const std::string &name) {
    Result role = name.empty()
                      ? connection.Query("SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = current_user")
                      : connection.Query("SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = $1", {name});
    if (role.rows() == 0) throw Error(Code::kNotFound, fmt::format("there is no role \"{}\"", name));
    return {role.Unsigned(0, 0), role.String(0, 1)};
}

void CheckCallerRights(Connection &connection, const Caller &caller, const LiveTable &table,
                       const std::vector<std::string> &privileges) {
    if (IsMember(connection, caller, table.owner)) return;
    std::string role = std::to_string(caller.oid), lacking;
    for (const std::string &privilege : privileges)
        if (!connection
                 .Query("SELECT pg_catalog.has_schema_privilege($1::oid, (SELECT relnamespace FROM pg_catalog.pg_class "
                        "WHERE oid = $2::oid), 'USAGE') AND pg_catalog.has_table_privilege($1::oid, $2::oid, $3)",
                        {role, std::to_string(table.oid), privilege})
                 .Bool(0, 0))
            lacking += (lacking.empty() ? "It lacks " : ", ") + privilege;
    if (lacking.empty() && table.row_security &&
        !connection.Query("SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE oid = $1::oid", {role}).Bool(0, 0))
        lacking = "Row security shows it a part of the table only, and a restore looks at all of it";
    if (!lacking.empty()) Refuse(caller, table.schema + "." + table.name, lacking + ".", table.owner_name);
}

void CheckMayMakeFor(Connection &connection, const Caller &caller, std::uint64_t owner, const std::string &what) {
    if (IsMember(connection, caller, owner)) return;
    std::string name =
        connection.Query("SELECT pg_catalog.pg_get_userbyid($1::oid)", {std::to_string(owner)}).String(0, 0);
    Refuse(caller, what,
           fmt::format("It would be made again for its owner, \"{}\", of whom the role is no member.", name), name);
}

}    // namespace ark
