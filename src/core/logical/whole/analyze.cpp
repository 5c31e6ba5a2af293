#include "logical/whole/analyze.h"

#include <algorithm>
#include <mutex>

#include "logical/whole/workers.h"

namespace ark {
namespace {

constexpr std::uint64_t kTogetherBytes = 8 << 20;
constexpr std::size_t kTogether = 100;

// Naming the root of a partition tree analyzes all of it. The server answers a table of somebody else's with a warning.
constexpr const char *kTables =
    "SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid), c.relkind"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()"
    " JOIN pg_catalog.pg_roles r ON r.rolname = current_user"
    " WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema'"
    " AND (r.rolsuper OR pg_catalog.pg_has_role(d.datdba, 'USAGE') OR pg_catalog.pg_has_role(c.relowner, 'USAGE'))"
    " ORDER BY c.relkind = 'p' DESC, 3 DESC, c.oid";

// Statements that analyze some tables each.
std::vector<std::string> Statements(Connection &target) {
    std::vector<std::string> statements;
    Result tables = target.Query(kTables);
    std::string some;
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    auto close = [&] {
        if (count > 0) statements.push_back("ANALYZE " + some);
        some.clear();
        count = bytes = 0;
    };
    for (int row = 0; row < tables.rows(); row++) {
        some += (count++ == 0 ? "" : ", ") + QualifiedName(tables.Text(row, 0), tables.Text(row, 1));
        bytes += tables.Unsigned(row, 2);
        if (count == kTogether || bytes >= kTogetherBytes || tables.Text(row, 3) == "p") close();
    }
    close();
    return statements;
}

}    // namespace

void AnalyzeDatabase(const DatabaseRestoreRequest &request, Ticker &ticker, Log &log) {
    std::vector<std::string> statements;
    RunWorkers(request, 1, ticker, log, [&](Connection &connection, Ticker &) {
        connection.Execute("SET client_encoding = 'UTF8'");
        statements = Statements(connection);
    });
    if (statements.empty()) return;
    Progress progress;
    progress.phase = "analyze";
    progress.total_items = statements.size();
    std::mutex mutex;
    std::size_t next = 0;
    auto take = [&]() -> const std::string * {
        std::scoped_lock lock(mutex);
        progress.done_items = next;
        log.Report(progress);
        return next == statements.size() ? nullptr : &statements[next++];
    };
    int jobs = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(request.jobs), statements.size()));
    RunWorkers(request, jobs, ticker, log, [&](Connection &connection, Ticker &) {
        connection.Execute("SET client_encoding = 'UTF8'");    // in which the names came
        while (const std::string *statement = take()) connection.Execute(*statement);
    });
}

}    // namespace ark
