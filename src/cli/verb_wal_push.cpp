#include <fmt/format.h>

#include "cli/archives.h"
#include "cli/engine.h"
#include "cli/give_up.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "cli/wal_server.h"
#include "wal/push_ahead.h"

namespace ark::cli {
namespace {

constexpr auto kTriedEvery = std::chrono::minutes(1);

Json Result(const WalFileName &name, bool stored, std::string message) {
    return {{"state", "done"}, {"file", name.Text()}, {"stored", stored}, {"message", std::move(message)}};
}

// The file that was asked for, and the segments that wait behind it: each is stored once, and the later calls are answered by a mark.
Json PushOne(Engine &engine, WalCommand &command, const WalFileName &name, const std::filesystem::path &file) {
    if (command.spool().TakePushed(name, file))
        return Result(name, false,
                      fmt::format("WAL file {} is in the store: an earlier call has sent it ahead", name.Text()));
    if (!command.directory().InRecovery()) command.spool().ForgetFetched();    // recovery is over
    Archives archives(engine, command.directory(), name);
    archives.Open();
    PushAhead pushes(
        [&](const WalFileName &one, const std::filesystem::path &path) { return archives.Push(one, path); },
        archives.directory(), command.spool(), PushLimits(engine.config()), engine.log());
    SegmentResult stored = pushes.Ask(name, file, !archives.directory().InRecovery()).result;
    bool by_this_call = stored.outcome == SegmentOutcome::kStored;
    Json result = Result(name, by_this_call,
                         by_this_call ? fmt::format("WAL file {} is in the store", name.Text())
                                      : fmt::format("WAL file {} was in the store already", name.Text()));
    result["stored_bytes"] = stored.stored_bytes;
    result["ahead"] = pushes.Finish();
    return result;
}

Json GivenUp(Engine &engine, const WalCommand &command, const WalFileName &name) {
    GiveUp(engine, command.directory(), name);
    Json result = Result(name, false, fmt::format("WAL file {} was given up", name.Text()));
    result["given_up"] = true;
    return result;
}

Json Run(Engine &engine, const Arguments &arguments) {
    WalCommand command(engine, arguments);
    if (arguments.Bool("serve")) return ServeArchiver(engine, command);
    std::filesystem::path file = command.Path(arguments.Text("path"));
    WalFileName name = ParseWalFileName(file.filename().string());
    const DataDirectory &directory = command.directory();
    TimePoint now = engine.clock().Now();
    std::optional<WalSpool::Failing> failing = command.spool().Failed();
    bool for_long = failing && now - failing->since >= engine.config().Time("archive_backlog_patience");
    // Where many are to be given up, the store is not tried for each.
    if (for_long && now - failing->tried < kTriedEvery && IsOverBacklogLimit(engine, directory))
        return GivenUp(engine, command, name);
    try {
        Json result = PushOne(engine, command, name, file);
        if (failing) command.spool().ForgetFailed();
        return result;
    } catch (const Error &error) {
        if (engine.config().Size("archive_backlog_limit") > 0) command.spool().NoteFailed(engine.clock().Now());
        if (!for_long || !IsOfTheStore(error) || !IsOverBacklogLimit(engine, directory)) throw;
        engine.log().Warn(error.message + (error.detail.empty() ? "" : ": " + error.detail));
        return GivenUp(engine, command, name);
    }
}

}    // namespace

Verb WalPushVerb() {
    return {
        "wal-push",
        "archive a WAL file (for archive_command)",
        "Returns 0 when the store has the file, and not before. Segments that wait behind it are sent at the same time "
        "(archive_parallel), and answered at once when the server asks for them.\n"
        "A file whose name is taken by another content, or that another server may only write, is refused: the server "
        "keeps it.\n"
        "In postgresql.conf: archive_command = 'pg_ark wal-push --quiet --store=s3://acme-backups/prod %p'\n"
        "A server that has the extension needs no command: archive_library = 'pg_ark'.",
        {{"path", FlagKind::kText, "PATH", "the file: %p", true},
         PgdataFlag(),
         {"serve", FlagKind::kBool, "",
          "answer one request after the other (how archive_library = 'pg_ark' runs it: docs/engine-protocol.md)"}},
        Run,
        nullptr};
}

}    // namespace ark::cli
