#include <fmt/format.h>

#include <optional>

#include "physical/standby_side.h"
#include "physical/wal_arrival.h"

namespace ark {
namespace {

constexpr const char *kSwitch =
    "Switch WAL on the primary (SELECT pg_switch_wal()), which nobody asks in a backup of a standby only; "
    "archive_timeout "
    "does it in time, standby_deadline says how long to wait.";

// Nobody knows how it gets on but the store.
class UnaskedArchiver : public WalArchiver {
public:
    UnaskedArchiver(StandbySide &standby, Lsn stop) : standby_(standby), stop_(stop) {}
    std::uint64_t Archived() override { return 0; }
    std::string Says() override {
        return fmt::format("The backup ends at {}; the primary is not asked.", stop_.Text());
    }
    std::string NextStep() const override { return kSwitch; }
    void Check() override { standby_.Replayed(); }

private:
    StandbySide &standby_;
    Lsn stop_;
};

class StandbyOnlySource : public BackupSource {
public:
    StandbyOnlySource(const SourceContext &context, const StandbyCopy &request)
        : context_(context), request_(request), standby_(context, request_) {}

    void Check() override { standby_.CheckBelongsHere(); }

    void Start(const std::string &label, bool fast_checkpoint) override {
        control_.emplace(context_.connection, label, fast_checkpoint, BackedUp::kStandby);
        timeline_ = ReadControl(context_.directory.path()).timeline;
        standby_.CheckOwner(timeline_);
    }

    Lsn start() const override { return control_->start(); }
    Lsn Reached() override { return control_->Reached(); }
    void Watch() override { standby_.Replayed(); }

    void Settle() override { standby_.Settle(); }

    // The server ends recovery of such a backup where the control file's minimum recovery point is.
    StoppedBackup Stop(const ControlFile &copied) override {
        standby_.CheckCopied(copied, timeline_);
        StoppedBackup stopped = control_->Stop();
        if (stopped.parsed.timeline != timeline_ || !stopped.parsed.from_standby)
            throw Error(Code::kConflict, "the standby began the base backup elsewhere than it says now",
                        fmt::format("It began on timeline {}.", stopped.parsed.timeline.value), "Take another one.");
        stopped.stop = copied.minimum_recovery;
        stopped.stop_timeline = copied.minimum_recovery_timeline;
        return stopped;
    }

    void AwaitWal(const StoppedBackup &stopped) override {
        OwnSegment own = standby_.AwaitOwnSegment(timeline_, stopped.stop, request_.deadline, kSwitch);
        WalOfBackup wal = WalOf(control_->start(), stopped, context_.directory.segment_size());
        wal.last = std::max(wal.last, own.name);
        UnaskedArchiver archiver(standby_, stopped.stop);
        ark::AwaitWal(context_.repository, wal, request_.deadline, archiver, context_.clock, context_.ticker,
                      context_.log);
        standby_.CheckStored(own);
        standby_.CheckOwner(timeline_);
    }

private:
    SourceContext context_;
    StandbyCopy request_;
    StandbySide standby_;
    std::optional<BackupControl> control_;
    TimelineId timeline_;
};

}    // namespace

std::unique_ptr<BackupSource> MakeStandbyOnlySource(const SourceContext &context, const StandbyCopy &request) {
    return std::make_unique<StandbyOnlySource>(context, request);
}

}    // namespace ark
