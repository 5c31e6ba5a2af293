#include "cli/archiving.h"

#include <fmt/format.h>

#include "cli/wal_command.h"
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
    }
    keys_ = engine_.Keys(repository_);
    pusher_ = std::make_unique<WalPusher>(*repository_, *keys_, keys_->Newest("cluster", true, engine_.random()),
                                          directory_, ParseCompression(engine_.config().Text("wal_compression")),
                                          engine_.random(), engine_.log());
}

SegmentResult Archiving::Push(const WalFileName &name, const std::filesystem::path &file) {
    if (!directory_.InRecovery()) CheckOwner();
    return pusher_->Push(name, file);
}

bool Archiving::Fits(const DataDirectory &now, const WalFileName &asked) const {
    return now.InRecovery() == directory_.InRecovery() && TimelineOf(now, asked) <= timeline_;
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
