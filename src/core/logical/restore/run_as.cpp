#include "logical/restore/run_as.h"

#include <fmt/format.h>

namespace ark {

RunAs::RunAs(Connection &connection) : connection_(connection) {
    if (!connection.Query("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Bool(0, 0))
        throw Error(Code::kPermissionDenied,
                    fmt::format("role \"{}\" may not restore into live tables", connection.user()),
                    "Restored rows are written as each table's owner, which only a superuser's session can become.",
                    "Let ark.conninfo name a superuser for restores (the default, the local socket, does).");
    try {
        connection.Execute(
            "CREATE OR REPLACE FUNCTION pg_temp.ark_run_as(oid, text, boolean) RETURNS bigint LANGUAGE c STRICT AS "
            "'$libdir/pg_ark', 'ark_run_as'");
        connection.Execute(
            "CREATE OR REPLACE FUNCTION pg_temp.ark_select_as(oid, text, boolean) RETURNS SETOF record LANGUAGE c "
            "STRICT AS "
            "'$libdir/pg_ark', 'ark_select_as'");
    } catch (Error &error) {
        if (error.code == Code::kCancelled) throw;
        throw Error(Code::kUnsupported, "the server has no pg_ark library, so nothing can be restored into live tables",
                    error.message, "Install pg_ark on the server, or use pg_ark export and pg_restore.");
    }
}

std::uint64_t RunAs::Execute(std::uint64_t role, std::string_view sql) {
    Result result =
        connection_.Query("SELECT pg_temp.ark_run_as($1::oid, $2, false)", {std::to_string(role), std::string(sql)});
    return result.Unsigned(0, 0);
}

std::string RunAs::SelectAsOwner(std::uint64_t owner, std::string_view sql, std::string_view columns) {
    return fmt::format("pg_temp.ark_select_as({}::oid, {}, true) AS t({})", owner, QuoteLiteral(sql), columns);
}

std::string RunAs::SelectAsCaller(std::uint64_t caller, std::string_view sql, std::string_view columns) {
    return fmt::format("pg_temp.ark_select_as({}::oid, {}, false) AS t({})", caller, QuoteLiteral(sql), columns);
}

}    // namespace ark
