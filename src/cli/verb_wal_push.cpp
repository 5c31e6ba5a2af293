#include <fmt/format.h>

#include "cli/archiving.h"
#include "cli/engine.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "cli/wal_server.h"
#include "wal/push_ahead.h"

namespace ark::cli {
namespace {

Json Result(const WalFileName &name, bool stored, std::string message) {
    return {{"state", "done"}, {"file", name.Text()}, {"stored", stored}, {"message", std::move(message)}};
}

// The file that was asked for, and the segments that wait behind it: each is stored once, and the later calls are answered by a mark.
Json PushOne(Engine &engine, WalCommand &command, const WalFileName &name, const std::filesystem::path &file) {
    if (command.spool().TakePushed(name, file))
        return Result(name, false,
                      fmt::format("WAL file {} is in the store: an earlier call has sent it ahead", name.Text()));
    if (!command.directory().InRecovery()) command.spool().ForgetFetched();    // recovery is over
    Archiving archiving(engine, command.directory(), name);
    PushAhead pushes(
        [&](const WalFileName &one, const std::filesystem::path &path) { return archiving.Push(one, path); },
        archiving.directory(), command.spool(), PushLimits(engine.config()), engine.log());
    SegmentResult stored = pushes.Ask(name, file, !archiving.directory().InRecovery()).result;
    bool by_this_call = stored.outcome == SegmentOutcome::kStored;
    Json result = Result(name, by_this_call,
                         by_this_call ? fmt::format("WAL file {} is in the store", name.Text())
                                      : fmt::format("WAL file {} was in the store already", name.Text()));
    result["stored_bytes"] = stored.stored_bytes;
    result["ahead"] = pushes.Finish();
    return result;
}

Json Run(Engine &engine, const Arguments &arguments) {
    WalCommand command(engine, arguments);
    if (arguments.Bool("serve")) return ServeArchiver(engine, command);
    std::filesystem::path file = command.Path(arguments.Text("path"));
    return PushOne(engine, command, ParseWalFileName(file.filename().string()), file);
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
