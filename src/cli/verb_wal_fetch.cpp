#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/stores.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "repo/wal_gaps.h"
#include "wal/fetch_ahead.h"
#include "wal/store_rounds.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

constexpr std::size_t kFewestAhead = 8;
constexpr auto kLook = std::chrono::milliseconds(1);
constexpr auto kHolePatience = std::chrono::seconds(20), kHoleLook = std::chrono::seconds(1);

// One of the stores that may have the file.
class Place {
public:
    Place(Engine &outer, OneStore store, bool alone, const DataDirectory &directory, const WalFileName &asked)
        : store_(std::move(store)),
          alone_(alone),
          log_(store_.name, outer.log()),
          engine_(store_.config, outer.caller(), alone ? outer.log() : log_, outer.ticker()) {
        if (!alone) engine_.Hurry();
        SpeakFor(engine_, directory, asked);
    }

    const std::string &name() const { return store_.name; }
    bool required() const { return !store_.async; }
    const Repository &repository() {
        if (!repository_) {
            repository_ = engine_.OpenForReading();
            keys_ = engine_.Keys(repository_);
        }
        return *repository_;
    }
    KeyRing &keys() {
        repository();
        return *keys_;
    }
    Error Named(Error error) const {
        if (!alone_ && error.code != Code::kCancelled) error.InContext(StoreWords(store_.name));
        return error;
    }

private:
    const OneStore store_;
    const bool alone_;
    StoreLog log_;
    Engine engine_;
    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
};

using Places = std::vector<std::unique_ptr<Place>>;

Places PlacesOf(Engine &engine, const DataDirectory &directory, const WalFileName &asked) {
    std::vector<OneStore> stores = EachStore(engine.config());
    bool alone = stores.size() == 1;
    Places places;
    for (OneStore &store : stores)
        places.push_back(std::make_unique<Place>(engine, std::move(store), alone, directory, asked));
    return places;
}

std::vector<AskedStore> AskedOf(const Places &places) {
    std::vector<AskedStore> asked;
    for (const std::unique_ptr<Place> &place : places) asked.push_back({place->name(), place->required()});
    return asked;
}

class Fetch {
public:
    Fetch(Engine &engine, WalCommand &command, WalFileName name, std::filesystem::path to)
        : engine_(engine),
          command_(command),
          name_(std::move(name)),
          to_(std::move(to)),
          places_(PlacesOf(engine, command.directory(), name_)),
          rounds_(AskedOf(places_), command.spool(), engine.clock(), engine.ticker(), engine.log()) {}

    FetchOutcome Run() {
        bool segment = name_.kind == WalFileName::Kind::kSegment;
        if (segment && TakeFetchedAhead()) return FetchOutcome::kFetched;
        FetchOutcome outcome = FetchWhole();
        if (outcome == FetchOutcome::kAbsent && rounds_.doubt()) throw *rounds_.doubt();
        if (segment && outcome == FetchOutcome::kAbsent) outcome = LookAgain();
        if (segment && outcome == FetchOutcome::kFetched) GoOn();
        return outcome;
    }

private:
    // From the first store that has it. A store that cannot tell leaves a doubt: it may have what the others lack, if WAL is not
    // forgotten before it is there.
    FetchOutcome FetchWhole() {
        rounds_.ForgetDoubt();
        FetchOutcome outcome = FetchOutcome::kAbsent;
        OnEach([&](Place &place) {
            outcome = FetchWalFile(place.repository(), place.keys(), name_, to_);
            if (outcome != FetchOutcome::kFetched) return false;
            NameWhatIsRestored(command_.directory(), place.repository());
            return true;
        });
        return outcome;
    }

    // Until `look` returns true.
    void OnEach(const std::function<bool(Place &)> &look) {
        rounds_.Ask([&](std::size_t store) {
            Place &place = *places_[store];
            try {
                return look(place);
            } catch (const Error &error) {
                throw place.Named(error);
            }
        });
    }

    // The end of the WAL lies in pieces. Archiving is parallel, so that a segment may come a little later than the next; a server that
    // was told "absent" would end its recovery there. (A standby asks again by itself, for a part too, and is stopped by an error.)
    FetchOutcome LookAgain() {
        SteadyPoint deadline = engine_.clock().Steady() + kHolePatience;
        const WalSegmentSize size = command_.directory().segment_size();
        const bool standby = command_.directory().IsStandby();
        std::optional<std::string> why;
        for (;;) {
            bool hole = false;
            OnEach([&](Place &place) { return hole = IsHole(place.repository(), place.keys(), name_.segment, size); });
            FetchOutcome outcome = FetchOutcome::kAbsent;
            OnEach([&](Place &place) {
                outcome = FetchPart(place.repository(), place.keys(), name_.segment, size,
                                    hole && !standby ? PartWanted::kWhole : PartWanted::kAny, to_,
                                    command_.directory().WalFile(name_));
                return outcome == FetchOutcome::kFetched;
            });
            // Pieces go when their segment has come: it is asked for after them.
            std::optional<Error> doubt = rounds_.doubt();
            if (FetchWhole() == FetchOutcome::kFetched) return FetchOutcome::kFetched;
            if (doubt || rounds_.doubt()) throw doubt ? *doubt : *rounds_.doubt();
            if (outcome == FetchOutcome::kFetched) return outcome;
            if (!hole || standby) return FetchOutcome::kAbsent;
            if (!why) why = WhyMissing();
            if (!why->empty() || engine_.clock().Steady() > deadline)    // what was given up does not come
                throw Error(
                    Code::kUnavailable, fmt::format("WAL segment \"{}\" is missing in the store", name_.Text()),
                    "Later ones are there." + *why,
                    "While the server that archives is at work it may still be on its way. If it is lost, recovery "
                    "can only go as far as the segment before: give a target there.");
            engine_.ticker().Check();
            engine_.clock().Sleep(kHoleLook);
        }
    }

    std::string WhyMissing() {
        std::string why;
        OnEach([&](Place &place) {
            for (const WalGap &gap : ReadWalGaps(place.repository(), &place.keys()))
                if (gap.Contains(name_.segment)) why = fmt::format(" {} ({}).", gap.reason, gap.Names());
            return !why.empty();
        });
        return why;
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
    Places places_;
    StoreRounds rounds_;
};

// From the first store that can be opened and was not out of reach a moment ago; what it lacks is asked for, and looked for in the others.
void FetchAheadFrom(Place &place, Engine &engine, WalCommand &command, const WalFileName &name) {
    auto threads = static_cast<std::size_t>(engine.config().Int("archive_parallel"));
    WalSegmentSize size = command.directory().segment_size();
    FetchSegmentsAhead(place.repository(), place.keys(), command.spool(),
                       {.first = name.segment.Next(size),
                        .size = size,
                        .most = std::max(kFewestAhead, 2 * threads),
                        .threads = threads},
                       engine.clock(), engine.ticker());
}

// Whatever it meets, the one who asks for the segment will meet and tell. It ends well in any case: it may have become a child of the
// postmaster (as process 1 of a container), which would take another ending for a crash of a backend.
Json GoAhead(Engine &engine, const Arguments &arguments) try {
    WalFileName name = ParseWalFileName(arguments.Text("file"));
    WalCommand command(engine, arguments);
    std::optional<Fd> lock = command.spool().LockFetching();
    if (lock) {
        Places places = PlacesOf(engine, command.directory(), name);
        for (const std::unique_ptr<Place> &place : places) try {
                if (places.size() > 1 && command.spool().IsAway(place->name(), engine.clock().Now())) continue;
                place->repository();
                FetchAheadFrom(*place, engine, command, name);
                break;
            } catch (const Error &error) {    // the next one may do
                if (error.code == Code::kCancelled) throw;
                if (places.size() > 1 && error.code == Code::kUnavailable)
                    command.spool().NoteAway(place->name(), engine.clock().Now());
            }
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
            nullptr,
            WalFetchExitCodeOf};
}

}    // namespace ark::cli
