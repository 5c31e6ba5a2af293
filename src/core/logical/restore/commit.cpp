#include "logical/restore/commit.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace ark {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(200);

// "committed" or "aborted", as soon as the session that is gone has ended on the server's side too.
std::string OutcomeOf(const std::string &transaction, const std::string &conninfo, const std::string &database,
                      Ticker &ticker) {
    Clock &clock = SystemClock();
    SteadyPoint deadline = clock.Steady() + kPatience;
    for (;;) {
        try {
            Connection again(conninfo, database, "pg_ark restore", ticker, SilentLog());
            std::string outcome = again.Query("SELECT pg_catalog.pg_xact_status($1::xid8)", {transaction}).String(0, 0);
            if (outcome != "in progress" || clock.Steady() > deadline) return outcome;
        } catch (const Error &error) {
            if (error.code != Code::kUnavailable || clock.Steady() > deadline) throw;    // the server may be restarting
        }
        clock.Sleep(kPause);
    }
}

}    // namespace

bool CommitForCertain(Connection &connection, const std::string &transaction, const std::string &conninfo,
                      const std::string &database, Ticker &ticker) {
    try {
        connection.Execute("COMMIT");
        return true;
    } catch (const Error &lost) {
        if (lost.code != Code::kUnavailable) throw;
        std::string outcome, why;
        try {
            outcome = OutcomeOf(transaction, conninfo, database, ticker);
        } catch (const Error &error) {
            why = error.message;
        }
        if (outcome == "committed") return false;
        if (outcome == "aborted") {
            Error error = lost;
            error.message = "the connection was lost before the restore was committed; nothing was changed";
            error.detail = lost.message;
            throw error;
        }
        throw CommitUnknown(Code::kUnavailable, "the connection was lost while the restore was being committed",
                            why.empty() ? lost.message : fmt::format("{}; {}", lost.message, why),
                            fmt::format("Whether it was committed is not known: ask the server with SELECT "
                                        "pg_xact_status('{}'), or compare before you run it again.",
                                        transaction));
    }
}

}    // namespace ark
