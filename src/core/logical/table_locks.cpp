#include "logical/table_locks.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ark {
namespace {

constexpr int kBatch = 400;
constexpr std::string_view kLockPatience = "1s";
constexpr std::string_view kStatementWords = "pg_catalog.substring(a.query, '^\\s*([A-Za-z]+(\\s+[A-Za-z]+)?)')";

std::string ListSql(const ExportScope &scope) {
    return "SELECT c.oid, n.nspname, c.relname" + FromRelations(scope, "'r', 'p'") + " ORDER BY c.oid";
}

// Who holds or waits for a lock that ACCESS SHARE on one of these tables has to wait for.
std::string DescribeHolders(Connection &latest, const std::string &oids) {
    Result result = latest.Query(
        fmt::format(
            "SELECT DISTINCT l.relation::pg_catalog.regclass::text, l.pid, {} FROM pg_catalog.pg_locks l"
            " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.mode = "
            "'AccessExclusiveLock'"
            " AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())"
            " AND l.relation = ANY ($1::oid[]) LIMIT 3",
            kStatementWords),
        {oids});
    std::string text;
    for (int row = 0; row < result.rows(); row++)
        text += fmt::format("{}{} by pid {} ({})", row > 0 ? ", " : "", result.Text(row, 0), result.Text(row, 1),
                            result.Text(row, 2));
    return text.empty() ? "" : "locked: " + text;
}

[[noreturn]] void GiveUp(const Error &error, Connection &latest, const std::string &oids) {
    if (error.sqlstate == "55P03")
        throw RepeatExport{
            RepeatExport::kLocks,
            Error(Code::kConflict, "could not lock all tables for reading in time", DescribeHolders(latest, oids),
                  "another session holds or wants an exclusive lock; try again when it is through")
                .WithSqlstate("55P03")};
    if (error.sqlstate == "42P01" || error.sqlstate == "3F000")
        throw RepeatExport{RepeatExport::kTables,
                           Error(Code::kConflict, "tables kept changing while they were being locked", error.message)};
    if (error.sqlstate == "53200")
        throw Error(Code::kUnavailable, "could not lock all tables for reading", error.message,
                    "raise max_locks_per_transaction: all tables of the database must be locked at once")
            .WithSqlstate("53200");
    throw Error(error).InContext("could not lock the tables");
}

}    // namespace

TableLocks::TableLocks(Connection &coordinator, Connection &latest, const ExportScope &scope) {
    coordinator.Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    coordinator.Execute(fmt::format("SET LOCAL lock_timeout = '{}'", kLockPatience));
    Result list = latest.Query(ListSql(scope));
    tables_ = Remember(list);
    for (int from = 0; from < list.rows(); from += kBatch) {
        std::string sql, oids;
        for (int row = from; row < std::min(list.rows(), from + kBatch); row++) {
            sql += (sql.empty() ? "LOCK TABLE ONLY " : ", ONLY ") + QualifiedName(list.Text(row, 1), list.Text(row, 2));
            oids += (oids.empty() ? "{" : ",") + list.String(row, 0);
        }
        try {
            coordinator.Execute(sql + " IN ACCESS SHARE MODE");
        } catch (const Error &error) {
            GiveUp(error, latest, oids + "}");
        }
    }
    coordinator.Execute("SET LOCAL lock_timeout = 0");
}

TableLocks::Names TableLocks::Remember(const Result &list) {
    Names names;
    for (int row = 0; row < list.rows(); row++) {
        std::string name = QualifiedName(list.Text(row, 1), list.Text(row, 2));
        names.emplace_back(static_cast<Oid>(list.Unsigned(row, 0)), XXH3_64bits(name.data(), name.size()));
    }
    return names;
}

void TableLocks::CompareWithSnapshot(Connection &coordinator, const ExportScope &scope) const {
    if (Remember(coordinator.Query(ListSql(scope))) != tables_)
        throw RepeatExport{
            RepeatExport::kTables,
            Error(Code::kConflict, "tables kept being created, dropped or renamed while they were being locked", "",
                  "try again when the schema is at rest")};
}

std::vector<Waiter> WaitersBehind(Connection &observer, const std::vector<int> &pids) {
    Result result = observer.Query(
        fmt::format(
            "SELECT DISTINCT l.pid, {} FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
            " WHERE NOT l.granted AND l.pid <> ALL ($1::int4[]) AND pg_catalog.pg_blocking_pids(l.pid) && $1::int4[]",
            kStatementWords),
        {ArrayParameter(pids)});
    std::vector<Waiter> waiters;
    for (int row = 0; row < result.rows(); row++)
        waiters.push_back({static_cast<int>(result.Int(row, 0)), result.String(row, 1)});
    return waiters;
}

}    // namespace ark
