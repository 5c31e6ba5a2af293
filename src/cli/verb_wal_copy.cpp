#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/file.h"
#include "cli/engine.h"
#include "cli/stores.h"
#include "cli/verb.h"
#include "cli/wal_command.h"
#include "wal/copy.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

// While WAL comes the next look is soon, later by and by.
constexpr Duration kSoonest = std::chrono::seconds(1), kLatest = std::chrono::seconds(8);
constexpr Duration kLookEvery = std::chrono::minutes(10);
constexpr auto kWorthNoting = std::chrono::minutes(1);
constexpr Duration kStep = std::chrono::milliseconds(100);

// Since when a store is behind or cannot be written, kept over restarts: what it lacks is not known while it is away.
class BehindSince {
public:
    BehindSince(const DataDirectory &directory, const std::string &store)
        : file_(directory.WalDirectory() / ("ark_behind." + HexEncode(Sha256(AsBytes(store))).substr(0, 16))) {
        try {
            since_ = ParseTime(ReadWholeFile(file_));
        } catch (const Error &) {    // it is not
        }
    }

    std::optional<TimePoint> Get() const { return since_; }
    void Set(std::optional<TimePoint> since, TimePoint now) {
        if (since && now - *since < kWorthNoting) since.reset();
        if (since.has_value() == since_.has_value()) return;    // how long it is may be a little wrong
        since_ = since;
        std::error_code ignored;
        if (since)
            WriteFileAtomically(file_, AsBytes(FormatTime(*since)));
        else
            std::filesystem::remove(file_, ignored);
    }

private:
    std::filesystem::path file_;
    std::optional<TimePoint> since_;
};

// What is told of one store: by an event to the server, by lines to a person.
class Account : public Log {
public:
    Account(Engine &outer, const DataDirectory &directory, std::string store)
        : outer_(outer), store_(std::move(store)), log_(store_, outer.log()), behind_(directory, store_) {}

    void Note(std::string_view message) override { log_.Note(message); }
    void Warn(std::string_view message) override { log_.Warn(message); }
    void Report(const Progress &) override {}
    // A store is out of reach; the call that waits goes on trying.
    void Wait(std::string_view why) override {
        if (why.empty())
            Well();
        else
            Failed(Error(Code::kUnavailable, "the store is out of reach", std::string(why)), false);
    }

    void Failed(const Error &error, bool tell = true) {
        std::scoped_lock lock(mutex_);
        if (!failing_since_) failing_since_ = behind_.Get().value_or(outer_.clock().Now());
        std::string words = error.detail.empty() ? error.message : error.message + "; " + error.detail;
        if (tell && error.message != told_)
            log_.Warn(error.message + (error.detail.empty() ? "" : ": " + error.detail));
        if (tell) told_ = error.message;
        error_ = std::move(words);
        hint_ = error.hint;
        Send();
    }
    void Well() {
        std::scoped_lock lock(mutex_);
        if (failing_since_ && !told_.empty()) log_.Note("WAL is copied there again");
        failing_since_.reset();
        told_.clear();
        error_.clear();
        hint_.clear();
        Send();
    }
    void Copied(const CopyQueue &queue) {
        std::scoped_lock lock(mutex_);
        queue_ = queue;
        looked_at_ = outer_.clock().Now();
        Send();
    }

private:
    void Send() {
        std::optional<TimePoint> behind = failing_since_;
        if (queue_.waiting_since && (!behind || *queue_.waiting_since < *behind)) behind = queue_.waiting_since;
        try {
            behind_.Set(behind, outer_.clock().Now());
        } catch (const Error &error) {
            log_.Warn(error.message);
        }
        if (!outer_.answer) return;
        auto time = [](const std::optional<TimePoint> &at) { return at ? Json(FormatTime(*at, true)) : Json(); };
        outer_.answer({{"event", "queue"},
                       {"store", store_},
                       {"last_copied", queue_.last ? Json(queue_.last->Text()) : Json()},
                       {"copied_until", time(queue_.last_came)},
                       {"waiting_files", queue_.files},
                       {"waiting_bytes", queue_.bytes},
                       {"waiting_since", time(queue_.waiting_since)},
                       {"looked_at", time(looked_at_)},
                       {"failing_since", time(failing_since_)},
                       {"error", error_},
                       {"hint", hint_}});
    }

    Engine &outer_;
    const std::string store_;
    StoreLog log_;
    std::mutex mutex_;
    BehindSince behind_;
    CopyQueue queue_;
    std::optional<TimePoint> looked_at_, failing_since_;
    std::string told_, error_, hint_;
};

struct OpenStore {
    std::unique_ptr<Log> log;
    std::unique_ptr<Engine> engine;
    std::shared_ptr<Repository> repository;
    std::shared_ptr<KeyRing> keys;
};

// The WAL of one store with ack=async, from the first of the others that can be read.
class Queue {
public:
    Queue(Engine &outer, const WalCommand &command, const std::vector<OneStore> &sources, OneStore store)
        : outer_(outer),
          command_(command),
          sources_(sources),
          store_(std::move(store)),
          account_(outer, command.directory(), store_.name) {}

    // Until it is told to end.
    void Run() noexcept {
        Duration pause = kSoonest;
        while (!outer_.ticker().Cancelled()) {
            pause = std::min(pause * 2, kLatest);
            try {
                if (Turn()) pause = kSoonest;
                account_.Well();
            } catch (const Error &error) {
                if (outer_.ticker().Cancelled()) return;
                copier_.reset();
                account_.Failed(error);
            } catch (const std::exception &error) {
                copier_.reset();
                account_.Failed(Error(Code::kInternal, error.what()));
            }
            for (SteadyPoint end = Now() + pause; Now() < end && !outer_.ticker().Cancelled();)
                outer_.clock().Sleep(kStep);
        }
    }

private:
    SteadyPoint Now() { return outer_.clock().Steady(); }

    // Whether something was copied.
    bool Turn() {
        DataDirectory directory(command_.directory().path());
        if (directory.InRecovery()) return false;    // its primary does it
        bool look = !copier_ || Now() - looked_at_ >= kLookEvery;
        if (!copier_) Open(directory);
        if (!look) look = copier_->LookForNext();
        if (look) Look();
        auto threads = static_cast<std::size_t>(outer_.config().Int("archive_parallel"));
        account_.Copied(copier_->queue());
        bool copied = false;
        while (copier_->CopySome(threads, outer_.ticker())) {
            copied = true;
            account_.Copied(copier_->queue());
        }
        if (copier_->queue().files > 0) looked_at_ = {};    // something is no longer there
        account_.Copied(copier_->queue());
        return copied;
    }

    void Look() {
        std::optional<Writer> owner = NewestWriter(*to_.repository);
        if (owner && owner->epoch != to_.repository->epoch())
            throw Error(Code::kConflict, fmt::format("\"{}\" has a new owner", to_.repository->cluster().Path()),
                        fmt::format("Its epoch is {}.", owner->epoch), "pg_ark lease tells who owns the path.");
        copier_->Look(outer_.ticker());
        looked_at_ = Now();
    }

    void Open(const DataDirectory &directory) {
        WalFileName place = WalFileName::OfSegment(
            SegmentName::Containing(directory.control().timeline, directory.control().redo, directory.segment_size()));
        std::optional<Error> why_not;
        from_ = {};
        for (const OneStore &source : sources_) try {
                from_ = Opened(source, directory, place);
                from_.repository = from_.engine->OpenForReading();
                break;
            } catch (const Error &error) {
                outer_.ticker().Check();
                if (!why_not) why_not = Error(error).InContext(StoreWords(source.name));
            }
        if (!from_.repository) throw *why_not;
        from_.keys = from_.engine->Keys(from_.repository);
        to_ = Opened(store_, directory, place);
        std::optional<TimelineHistory> history = directory.History(directory.control().timeline);
        to_.repository = to_.engine->OpenForArchiving([&](const Repository &repository, const Writer &owner) {
            return history && Succeeds(repository, owner, *history, directory.segment_size());
        });
        to_.keys = to_.engine->Keys(to_.repository);
        copier_ = std::make_unique<WalCopier>(
            *from_.repository, *from_.keys, *to_.repository, *to_.keys,
            to_.keys->Newest("cluster", true, outer_.random()), directory.segment_size(),
            ParseCompression(outer_.config().Text("wal_compression")), outer_.clock(), outer_.random(), account_);
    }

    OpenStore Opened(const OneStore &store, const DataDirectory &directory, const WalFileName &place) {
        OpenStore opened;
        if (store.name != store_.name) opened.log = std::make_unique<StoreLog>(store.name, account_);
        opened.engine = std::make_unique<Engine>(store.config, outer_.caller(), opened.log ? *opened.log : account_,
                                                 outer_.ticker());
        SpeakFor(*opened.engine, directory, place);
        return opened;
    }

    Engine &outer_;
    const WalCommand &command_;
    const std::vector<OneStore> &sources_;
    const OneStore store_;
    Account account_;
    OpenStore from_, to_;
    std::unique_ptr<WalCopier> copier_;
    SteadyPoint looked_at_{};
};

Json Run(Engine &engine, const Arguments &arguments) {
    WalCommand command(engine, arguments);
    std::vector<OneStore> sources, targets;
    for (OneStore &store : EachStore(engine.config())) (store.async ? targets : sources).push_back(std::move(store));
    if (targets.empty() || sources.empty())
        throw Error(Code::kInvalidArgument, "there is nothing to copy WAL between", {},
                    "Give the list of stores as the server has it: the first without ack=async, and another one with "
                    "it.");
    std::optional<Fd> lock = command.spool().LockCopying();
    if (!lock)
        throw Error(Code::kConflict, "another process copies this server's WAL already", {},
                    "The server starts one by itself where ark.store names a store with ack=async.");
    std::vector<std::unique_ptr<Queue>> queues;
    for (OneStore &store : targets)
        queues.push_back(std::make_unique<Queue>(engine, command, sources, std::move(store)));
    {
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < queues.size(); i++) others.emplace_back([&, i] { queues[i]->Run(); });
        queues[0]->Run();
    }
    return {{"state", "done"}, {"message", "WAL is copied no more"}};
}

}    // namespace

Verb WalCopyVerb() {
    return {"wal-copy",
            "copy archived WAL to the stores with ack=async, again and again",
            "Runs until it is told to end, in the server's data directory and as its user. What a store with ack=async "
            "lacks is read from the first of the other stores and sealed anew with its own keys, in the order of the "
            "WAL. What it has stays as it is, so nothing is lost by a restart.\n"
            "The server starts one by itself where ark.store names such a store; this is for servers without the "
            "extension.\n"
            "Example: pg_ark wal-copy --store='s3://acme-backups/prod,s3://acme-far/prod?ack=async' "
            "--pgdata=/srv/pg/15/main",
            {PgdataFlag()},
            Run,
            nullptr};
}

}    // namespace ark::cli
