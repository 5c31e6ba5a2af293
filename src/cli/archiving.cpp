#include "cli/archiving.h"

#include <fmt/format.h>

#include "cli/wal_command.h"
#include "pgdata/wal_gap.h"
#include "repo/wal_gaps.h"
#include "wal/missing.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

// How long another server may have owned the path before this one stops writing.
constexpr auto kOwnerIsKnownFor = std::chrono::seconds(10);

}    // namespace

Archiving::Archiving(Engine &outer, DataDirectory directory, const WalFileName &asked)
    : directory_(std::move(directory)),
      timeline_(TimelineOf(directory_, asked)),
      engine_(outer.config(), outer.caller(), outer.log(), outer.ticker()),
      checked_(engine_.clock().Steady()) {
    SpeakFor(engine_, directory_, asked);
    if (directory_.InRecovery()) {
        repository_ = engine_.OpenForReading();
    } else {
        std::optional<TimelineHistory> history = directory_.History(timeline_);
        repository_ = engine_.OpenForArchiving([&](const Repository &repository, const Writer &owner) {
            return history && Succeeds(repository, owner, *history, directory_.segment_size());
        });
        promoted_ = ark::CameByPromotion(*engine_.Claimed());
    }
    keys_ = engine_.Keys(repository_);
    key_ = keys_->Newest("cluster", true, engine_.random());
    pusher_ = std::make_unique<WalPusher>(*repository_, *keys_, key_, directory_,
                                          ParseCompression(engine_.config().Text("wal_compression")), engine_.random(),
                                          engine_.log());
}

SegmentResult Archiving::Push(const WalFileName &name, const std::filesystem::path &file) {
    if (directory_.InRecovery()) return pusher_->Push(name, file);
    CheckOwner();
    try {
        LookBack();
        return pusher_->Push(name, file);
    } catch (...) {
        look_back_ = true;
        throw;
    }
}

// What the server gave up while the store was away is put on record there, and the histories that it has kept are stored after all.
void Archiving::LookBack() {
    std::scoped_lock lock(look_back_mutex_);
    std::error_code none;
    std::filesystem::file_time_type written = std::filesystem::last_write_time(directory_.path() / kWalGapsFile, none);
    if (none) written = {};
    if (!look_back_ && written == gaps_seen_) return;
    if (!none)
        RecordWalGaps(*repository_, *keys_, key_,
                      StillMissing(*repository_, ReadLocalWalGaps(directory_.path()), directory_.segment_size()),
                      "pg_ark wal-push", engine_.clock(), engine_.random());
    if (std::optional<TimelineHistory> history = directory_.History(timeline_))
        for (TimelineId timeline : history->Chain()) {
            WalFileName name = WalFileName::OfHistory(timeline);
            if (std::filesystem::exists(directory_.WalFile(name)) && !repository_->Stat(layout::Wal(name)))
                pusher_->Push(name, directory_.WalFile(name));
        }
    gaps_seen_ = written;
    look_back_ = false;
}

void Archiving::CheckOwner() {
    {
        std::scoped_lock lock(mutex_);
        SteadyPoint now = engine_.clock().Steady();
        if (!lost_ && now - checked_ < kOwnerIsKnownFor) return;
        checked_ = now;
    }
    std::optional<Writer> owner;
    try {
        owner = NewestWriter(*repository_);
    } catch (const Error &) {
        std::scoped_lock lock(mutex_);
        checked_ = {};
        throw;
    }
    if (owner && owner->epoch == repository_->epoch()) return;
    lost_ = true;
    throw Error(Code::kConflict,
                fmt::format("this server's right to write to \"{}\" has ended", repository_->cluster().Path()),
                fmt::format("It was epoch {}; the store has {}.", repository_->epoch(),
                            owner ? fmt::format("epoch {} now", owner->epoch) : "no writer at all"),
                "pg_ark lease tells who owns the path.");
}

}    // namespace ark::cli
