#include "cli/archives.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>

#include "cli/wal_command.h"

namespace ark::cli {
namespace {

std::string Words(const Error &error) {
    return error.detail.empty() ? error.message : fmt::format("{} ({})", error.message, error.detail);
}

// A store that refuses the file or the server: that outweighs one that is away (archive_backlog_limit gives up nothing then).
bool IsRefusal(const Error &error) { return error.code == Code::kConflict || error.code == Code::kCorrupt; }

bool IsConflict(const std::optional<Error> &failure) { return failure && failure->code == Code::kConflict; }

// One of them, if there are any, which tells of the others too.
void ThrowAll(const std::vector<std::optional<Error>> &failures) {
    std::vector<Error> all;
    for (const std::optional<Error> &failure : failures)
        if (failure) all.push_back(*failure);
    if (all.empty()) return;
    std::stable_partition(all.begin(), all.end(), IsRefusal);
    Error first = all.front();
    for (std::size_t i = 1; i < all.size(); i++) first.detail += (first.detail.empty() ? "" : " ") + Words(all[i]);
    throw first;
}

}    // namespace

// One of the stores.
class Archives::Place {
public:
    Place(Engine &outer, OneStore store, bool alone, const DataDirectory &directory, WalFileName asked)
        : store_(std::move(store)),
          alone_(alone),
          directory_(directory),
          asked_(std::move(asked)),
          log_(store_.name, outer.log()),
          engine_(store_.config, outer.caller(), alone ? outer.log() : log_, outer.ticker()) {}

    // These never throw: an error says what stood in the way.
    std::optional<Error> Open() {
        return Try([&] { Opened(); });
    }
    std::optional<Error> Push(const WalFileName &name, const std::filesystem::path &file, SegmentResult &result) {
        return Try([&] {
            std::shared_ptr<Archiving> archiving = Opened();
            try {
                result = archiving->Push(name, file);
            } catch (const Error &error) {
                if (error.code != Code::kConflict || !archiving->Lost()) throw;
                // The path has a new owner. It may be this server itself, under a new epoch.
                result = Opened()->Push(name, file);
            }
        });
    }
    bool CameByPromotion() {
        std::scoped_lock lock(mutex_);
        return archiving_ && archiving_->CameByPromotion();
    }

private:
    template <class Work>
    std::optional<Error> Try(Work work) try {
        work();
        return std::nullopt;
    } catch (const Error &error) {
        Error named = error;
        if (alone_ || error.code == Code::kCancelled) return named;
        if (error.code == Code::kNotFound)
            named.hint =
                "If this store is a new one, make its repository: pg_ark init with the same list of stores. "
                "Else it is not in its place.";
        return named.InContext(StoreWords(store_.name));
    } catch (const std::exception &error) {
        return Error(Code::kInternal, error.what());
    }

    // One caller opens it, and the others that wait meanwhile share what comes of it.
    std::shared_ptr<Archiving> Opened() {
        std::unique_lock lock(mutex_);
        bool waited = opening_;
        news_.wait(lock, [&] { return !opening_; });
        if (archiving_ && !archiving_->Lost()) return archiving_;
        if (waited && failure_) std::rethrow_exception(failure_);
        opening_ = true;
        lock.unlock();
        std::shared_ptr<Archiving> opened;
        std::exception_ptr failure;
        try {
            opened = std::make_shared<Archiving>(engine_, directory_, asked_);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        archiving_ = opened;
        failure_ = failure;
        opening_ = false;
        news_.notify_all();
        if (failure) std::rethrow_exception(failure);
        return opened;
    }

    const OneStore store_;
    const bool alone_;
    const DataDirectory &directory_;
    const WalFileName asked_;
    StoreLog log_;
    Engine engine_;
    std::mutex mutex_;
    std::condition_variable news_;
    bool opening_ = false;
    std::shared_ptr<Archiving> archiving_;
    std::exception_ptr failure_;    // of the last that opened it
};

Archives::Archives(Engine &outer, DataDirectory directory, const WalFileName &asked)
    : directory_(std::move(directory)), timeline_(TimelineOf(directory_, asked)) {
    std::vector<OneStore> stores = EachStore(outer.config());
    if (stores.front().async)
        throw Error(Code::kInvalidArgument,
                    fmt::format("WAL is not archived: {}, the first, is ack=async", StoreWords(stores.front().name)),
                    "The server forgets its WAL when every store with ack=required has it.",
                    "Leave ack=async out of the first URL of ark.store: it is the one that is read first.");
    std::erase_if(stores, [](const OneStore &store) { return store.async; });
    bool alone = stores.size() == 1;
    for (OneStore &store : stores)
        places_.push_back(std::make_unique<Place>(outer, std::move(store), alone, directory_, asked));
}

Archives::~Archives() = default;

void Archives::Open() {
    std::vector<std::optional<Error>> failures = OnEach([](Place &place, std::size_t) { return place.Open(); });
    if (std::ranges::all_of(failures, [](const auto &failure) { return failure.has_value(); })) ThrowAll(failures);
    if (std::ranges::none_of(failures, [](const auto &failure) { return IsConflict(failure); })) NoteOwner();
}

SegmentResult Archives::Push(const WalFileName &name, const std::filesystem::path &file) {
    std::vector<SegmentResult> results(places_.size());
    ThrowAll(OnEach([&](Place &place, std::size_t i) { return place.Push(name, file, results[i]); }));
    NoteOwner();
    return results[0];
}

template <class Work>
std::vector<std::optional<Error>> Archives::OnEach(Work work) {
    std::vector<std::optional<Error>> failures(places_.size());
    std::vector<std::thread> others;
    auto on = [&](std::size_t i) {
        failures[i] = work(*places_[i], i);
        if (IsConflict(failures[i])) Note(Ownership::kRefused);    // the others may still be tried for long
    };
    for (std::size_t i = 1; i < places_.size(); i++) others.emplace_back([&, i] { on(i); });
    on(0);
    for (std::thread &other : others) other.join();
    return failures;
}

void Archives::NoteOwner() noexcept {
    bool promoted = std::ranges::any_of(places_, [](const auto &place) { return place->CameByPromotion(); });
    Note(promoted ? Ownership::kPromoted : Ownership::kOwner);
}

// Best effort: the disk may be full, because WAL waits. A standby writes on nobody's behalf.
void Archives::Note(Ownership ownership) noexcept try {
    if (directory_.InRecovery()) return;
    std::scoped_lock lock(mutex_);
    if (noted_ == ownership) return;
    WriteOwnerMark(directory_.path(), ownership, timeline_);
    noted_ = ownership;
} catch (const std::exception &) {    // the next one who opens the stores tries again
}

bool Archives::Fits(const DataDirectory &now, const WalFileName &asked) const {
    return now.InRecovery() == directory_.InRecovery() && TimelineOf(now, asked) <= timeline_;
}

}    // namespace ark::cli
