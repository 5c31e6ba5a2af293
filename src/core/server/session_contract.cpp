#include <fmt/format.h>

#include "server/connection.h"

namespace ark {
namespace {

// Not written into manifests: what keeps a session alive and its rows in heap order, without a word in the text it reads.
std::vector<std::pair<std::string, std::string>> SessionComfort(const Connection &connection) {
    std::vector<std::pair<std::string, std::string>> settings = {
        {"max_parallel_workers_per_gather", "0"},    // a parallel scan gives rows in any order
        {"enable_tidscan", "on"},
        {"standard_conforming_strings", "on"},
        {"jit", "off"},
    };
    if (connection.server_version_num() >= 140000) settings.emplace_back("idle_session_timeout", "0");
    if (connection.server_version_num() >= 170000) settings.emplace_back("transaction_timeout", "0");
    return settings;
}

}    // namespace

std::vector<std::pair<std::string, std::string>> SessionContract(const Connection &connection, bool reader) {
    std::vector<std::pair<std::string, std::string>> contract = {
        {"search_path", ""},
        {"DateStyle", "ISO"},
        {"IntervalStyle", "postgres"},
        {"TimeZone", "UTC"},
        {"extra_float_digits", "3"},
        {"bytea_output", "hex"},
        {"lc_monetary", "C"},
        {"client_encoding", connection.Parameter("server_encoding")},
        {"row_security", "off"},
        {"statement_timeout", "0"},
        {"lock_timeout", "0"},
        {"idle_in_transaction_session_timeout", "0"},
        {"synchronize_seqscans", "off"},
        {"synchronous_commit", "local"},
        {"quote_all_identifiers", "off"},
        {"xmlbinary", "base64"},
        {"xmloption", "content"},
    };
    if (reader) contract.emplace_back("default_transaction_read_only", "on");
    return contract;
}

void ApplySessionContract(Connection &connection, bool reader) {
    // Before anything is set, which would stay behind in a connection that a pooler lends to others.
    Result session = connection.Query("SELECT pg_catalog.current_database(), pg_catalog.pg_backend_pid()");
    if (session.Int(0, 1) != connection.backend_pid())
        throw Error(Code::kUnsupported,
                    fmt::format("database \"{}\" is reached through a connection pooler", session.Text(0, 0)),
                    fmt::format("Process {} of the server answers; at the beginning of the session it was to be {}.",
                                session.Int(0, 1), connection.backend_pid()),
                    "Connect to the server itself (ark.conninfo, PGHOST and PGPORT): settings, locks and snapshot of a "
                    "backup belong to one session.");
    std::string sql = "SELECT ";
    auto set = [&](const auto &settings) {
        for (const auto &[name, value] : settings) {
            if (sql.back() == ')') sql += ", ";
            sql += "pg_catalog.set_config(" + QuoteLiteral(name) + ", " + QuoteLiteral(value) + ", false)";
        }
    };
    set(SessionContract(connection, reader));
    set(SessionComfort(connection));
    // A server that did not look would finish the statement of an engine that was killed, with its locks held. Not every
    // platform can look.
    if (connection.server_version_num() >= 140000)
        sql +=
            ", CASE WHEN pg_catalog.version() ~ 'linux' THEN"
            " pg_catalog.set_config('client_connection_check_interval', '500ms', false) END";
    connection.Execute(sql);
}

}    // namespace ark
