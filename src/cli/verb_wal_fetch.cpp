#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "wal/fetch_ahead.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

constexpr std::size_t kFewestAhead = 8;
constexpr auto kLook = std::chrono::milliseconds(5);
constexpr auto kHolePatience = std::chrono::seconds(20), kHoleLook = std::chrono::seconds(1);

class Fetch {
public:
    Fetch(Engine &engine, WalCommand &command, WalFileName name, std::filesystem::path to)
        : engine_(engine), command_(command), name_(std::move(name)), to_(std::move(to)) {}

    FetchOutcome Run() {
        bool segment = name_.kind == WalFileName::Kind::kSegment;
        if (segment && TakeFetchedAhead()) return FetchOutcome::kFetched;
        command_.TellEngine(name_);
        std::shared_ptr<Repository> repository = engine_.OpenForReading();
        std::shared_ptr<KeyRing> keys = engine_.Keys(repository);
        FetchOutcome outcome = FetchWalFile(*repository, *keys, name_, to_);
        if (segment && outcome == FetchOutcome::kAbsent) outcome = LookAgain(*repository, *keys);
        if (segment && outcome == FetchOutcome::kFetched) GoOn();
        return outcome;
    }

private:
    // The end of the WAL lies in pieces. Archiving is parallel, so that a segment may come a little later than the next; a server that
    // was told "absent" would end its recovery there. (A standby asks again by itself, for a part too, and is stopped by an error.)
    FetchOutcome LookAgain(const Repository &repository, KeyRing &keys) {
        SteadyPoint deadline = engine_.clock().Steady() + kHolePatience;
        const WalSegmentSize size = command_.directory().segment_size();
        const bool standby = command_.directory().IsStandby();
        for (;;) {
            bool hole = IsHole(repository, keys, name_.segment, size);
            FetchOutcome outcome = FetchPart(repository, keys, name_.segment, size,
                                             hole && !standby ? PartWanted::kWhole : PartWanted::kAny, to_);
            // Pieces go when their segment has come: it is asked for after them.
            if (FetchWalFile(repository, keys, name_, to_) == FetchOutcome::kFetched ||
                outcome == FetchOutcome::kFetched)
                return FetchOutcome::kFetched;
            if (!hole || standby) return FetchOutcome::kAbsent;
            if (engine_.clock().Steady() > deadline)
                throw Error(
                    Code::kUnavailable, fmt::format("WAL segment \"{}\" is missing in the store", name_.Text()),
                    "Later ones are there.",
                    "While the server that archives is at work it may still be on its way. If it is lost, recovery "
                    "can only go as far as the segment before: give a target there.");
            engine_.ticker().Check();
            engine_.clock().Sleep(kHoleLook);
        }
    }

    // Waits for one that is being fetched just now.
    bool TakeFetchedAhead() {
        WalSpool &spool = command_.spool();
        for (;;) {
            if (spool.TakeFetched(name_, to_)) {
                GoOn();
                return true;
            }
            if (!spool.IsBeingFetched(name_) || spool.LockFetching()) return false;
            engine_.ticker().Check();
            std::this_thread::sleep_for(kLook);
        }
    }

    void GoOn() {
        WalSpool &spool = command_.spool();
        spool.NoteAsked(name_.segment);
        spool.ForgetFetchedBefore(name_.segment);
        if (spool.LockFetching()) StartFetchingAhead();    // nobody does; the lock goes with this expression
    }

    // The same command, which goes on by itself when this one has ended.
    static void StartFetchingAhead() {
        std::string line = ReadWholeFile("/proc/self/cmdline");
        std::vector<std::string> arguments;
        for (std::size_t at = 0; at < line.size(); at = line.find('\0', at) + 1) arguments.emplace_back(&line[at]);
        arguments.emplace_back("--ahead");
        std::vector<char *> argv;
        for (std::string &argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attributes);
        for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
        posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);    // the server's files
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        pid_t child = 0;
        posix_spawn(&child, "/proc/self/exe", &files, &attributes, argv.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&files);
    }

    Engine &engine_;
    WalCommand &command_;
    WalFileName name_;
    std::filesystem::path to_;
};

// Whatever it meets, the one who asks for the segment will meet and tell. It ends well in any case: it may have become a child of the
// postmaster (as process 1 of a container), which would take another ending for a crash of a backend.
Json GoAhead(Engine &engine, const Arguments &arguments) try {
    WalFileName name = ParseWalFileName(arguments.Text("file"));
    WalCommand command(engine, arguments);
    std::optional<Fd> lock = command.spool().LockFetching();
    if (lock) {
        command.TellEngine(name);
        std::shared_ptr<Repository> repository = engine.OpenForReading();
        auto threads = static_cast<std::size_t>(engine.config().Int("archive_parallel"));
        WalSegmentSize size = command.directory().segment_size();
        FetchSegmentsAhead(*repository, *engine.Keys(repository), command.spool(),
                           {.first = name.segment.Next(size),
                            .size = size,
                            .most = std::max(kFewestAhead, 2 * threads),
                            .threads = threads},
                           engine.clock(), engine.ticker());
    }
    return {{"state", "done"}, {"message", "nothing more is fetched ahead"}};
} catch (const std::exception &error) {
    return {{"state", "done"}, {"message", error.what()}};
}

Json Run(Engine &engine, const Arguments &arguments) {
    if (arguments.Bool("ahead")) return GoAhead(engine, arguments);
    WalFileName name = ParseWalFileName(arguments.Text("file"));
    WalCommand command(engine, arguments);
    MarkIfBeingRestored(command.directory());
    FetchOutcome outcome = Fetch(engine, command, name, command.Path(arguments.Text("path"))).Run();
    bool absent = outcome == FetchOutcome::kAbsent;
    return {{"state", "done"},
            {"file", name.Text()},
            {"absent", absent},
            {"exit_code", absent ? kWalFileIsAbsent : 0},
            {"message", absent ? fmt::format("the store has no WAL file {}", name.Text())
                               : fmt::format("WAL file {} is here", name.Text())}};
}

}    // namespace

Verb WalFetchVerb() {
    return {"wal-fetch",
            "bring a WAL file from the store (for restore_command)",
            "Returns 0 with the file in its place, whole and proven; 3 where the store says that it has no such file; "
            "and above "
            "125 for every fault, which stops the server's recovery instead of letting it end too early. The segments "
            "behind it "
            "are fetched meanwhile (archive_parallel), into pg_wal/ark_spool.\n"
            "In postgresql.conf: restore_command = 'pg_ark wal-fetch --quiet --store=s3://acme-backups/prod %f %p'",
            {{"file", FlagKind::kText, "NAME", "the file's name: %f", true},
             {"path", FlagKind::kText, "PATH", "where to put it: %p", true},
             PgdataFlag(),
             {"ahead", FlagKind::kBool, "",
              "fetch the segments behind NAME until recovery asks for none (a call starts this by itself)"}},
            Run,
            nullptr,
            WalFetchExitCodeOf};
}

}    // namespace ark::cli
