#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "cli/engine.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "wal/push.h"
#include "wal/spool.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

constexpr std::size_t kMostAhead = 32;

// The file that was asked for, and the segments that wait behind it: each is stored once, and the later calls are answered by a mark.
class Push {
public:
    Push(Engine &engine, const DataDirectory &directory, WalSpool &spool, WalFileName name, std::filesystem::path file)
        : engine_(engine), directory_(directory), spool_(spool), name_(std::move(name)) {
        work_.push_back({name_, std::move(file)});
    }

    Json Run() {
        if (name_.kind == WalFileName::Kind::kSegment && !directory_.InRecovery())
            for (const SegmentName &next : directory_.Ready(name_.segment, kMostAhead)) {
                WalFileName ahead = WalFileName::OfSegment(next);
                work_.push_back({ahead, directory_.WalFile(ahead)});
            }
        std::shared_ptr<Repository> repository = Open();
        std::shared_ptr<KeyRing> keys = engine_.Keys(repository);
        WalPusher pusher(*repository, *keys, keys->Newest("cluster", true, engine_.random()), directory_,
                         ParseCompression(engine_.config().Text("wal_compression")), engine_.random(), engine_.log());
        SegmentResult result = PushAll(pusher);
        return {{"state", "done"},
                {"file", name_.Text()},
                {"stored", result.outcome == SegmentOutcome::kStored},
                {"stored_bytes", result.stored_bytes},
                {"ahead", ahead_.load()},
                {"message", result.outcome == SegmentOutcome::kStored
                                ? fmt::format("WAL file {} is in the store", name_.Text())
                                : fmt::format("WAL file {} was in the store already", name_.Text())}};
    }

private:
    struct One {
        WalFileName name;
        std::filesystem::path file;
    };

    std::shared_ptr<Repository> Open() {
        if (directory_.InRecovery()) return engine_.OpenForReading();
        TimelineId timeline = std::max(name_.timeline, directory_.control().timeline);
        std::optional<TimelineHistory> history = directory_.History(timeline);
        return engine_.OpenForArchiving([&](const Repository &repository, const Writer &owner) {
            return history && Succeeds(repository, owner, *history, directory_.segment_size());
        });
    }

    // Throws what the first file met; a file ahead that fails is asked for again.
    SegmentResult PushAll(WalPusher &pusher) {
        SegmentResult result;
        std::exception_ptr failure;
        std::atomic<std::size_t> next{0};
        auto run = [&] {
            for (std::size_t i = next++; i < work_.size(); i = next++) {
                try {
                    SegmentResult one = pusher.Push(work_[i].name, work_[i].file);
                    if (i == 0) {
                        result = one;
                    } else {
                        spool_.MarkPushed(work_[i].name, work_[i].file);
                        ahead_++;
                    }
                } catch (const Error &error) {
                    if (i == 0)
                        failure = std::current_exception();
                    else if (error.code != Code::kCancelled)
                        engine_.log().Warn(fmt::format("{} (it will be tried again)", error.message));
                    next = work_.size();
                } catch (...) {    // carried to the caller's thread
                    failure = std::current_exception();
                    next = work_.size();
                }
            }
        };
        std::size_t threads =
            std::min<std::size_t>(work_.size(), static_cast<std::size_t>(engine_.config().Int("archive_parallel")));
        {
            std::vector<std::jthread> others;
            for (std::size_t i = 1; i < threads; i++) others.emplace_back(run);
            run();
        }
        if (failure) std::rethrow_exception(failure);
        return result;
    }

    Engine &engine_;
    const DataDirectory &directory_;
    WalSpool &spool_;
    WalFileName name_;    // that was asked for: the first of the work
    std::vector<One> work_;
    std::atomic<std::size_t> ahead_{0};
};

Json Run(Engine &engine, const Arguments &arguments) {
    WalCommand command(engine, arguments);
    std::filesystem::path file = command.Path(arguments.Text("path"));
    WalFileName name = ParseWalFileName(file.filename().string());
    if (command.spool().TakePushed(name, file))
        return {
            {"state", "done"},
            {"file", name.Text()},
            {"stored", false},
            {"message", fmt::format("WAL file {} is in the store: an earlier call has sent it ahead", name.Text())}};
    command.TellEngine(name);
    if (!command.directory().InRecovery()) command.spool().ForgetFetched();    // recovery is over
    return Push(engine, command.directory(), command.spool(), name, file).Run();
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
        "In postgresql.conf: archive_command = 'pg_ark wal-push --quiet --store=s3://acme-backups/prod %p'",
        {{"path", FlagKind::kText, "PATH", "the file: %p", true}, PgdataFlag()},
        Run,
        nullptr};
}

}    // namespace ark::cli
