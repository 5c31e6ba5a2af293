#include <fmt/format.h>

#include <map>
#include <optional>

#include "physical/standby_side.h"
#include "physical/wal_arrival.h"

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark base backup";
constexpr auto kLook = std::chrono::milliseconds(100);
constexpr Duration kPatience = std::chrono::minutes(1);    // for a restartpoint, where a standby may lag for ever

std::string OwnConninfo(Connection &standby) {
    Result setting = standby.Query("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'primary_conninfo'");
    std::string conninfo = setting.rows() ? setting.String(0, 0) : std::string();
    if (conninfo.empty())
        throw Error(Code::kInvalidArgument, "it is not known how to reach the primary of this standby",
                    setting.rows() ? "Its primary_conninfo is empty."
                                   : fmt::format("Role \"{}\" may not see primary_conninfo.", standby.user()),
                    "Give --primary-conninfo (or ARK_PRIMARY_CONNINFO); --standby=only asks no primary.");
    return conninfo;
}

class StandbySource : public BackupSource {
public:
    StandbySource(const SourceContext &context, const StandbyCopy &request)
        : context_(context), request_(request), standby_(context, request_) {}

    void Check() override {
        standby_.CheckBelongsHere();
        ConnectToPrimary();
        CheckPrimary();
        standby_.CheckOwner(timeline_);
        Lsn written = ParseLsn(primary_->Query("SELECT pg_catalog.pg_current_wal_flush_lsn()").Text(0, 0));
        FinishSegment();
        standby_.AwaitReplay(written);
    }

    void Start(const std::string &label, bool fast_checkpoint) override {
        OnPrimary([&] { control_.emplace(*primary_, label, fast_checkpoint, BackedUp::kPrimary); });
        NoteCheckpoint();
        OnPrimary([&] { FinishSegment(); });
        standby_.AwaitReplay({newest_.value + 1});
        AwaitRestartpoint();
    }

    Lsn start() const override { return control_->start(); }
    Lsn Reached() override { return standby_.Replayed(); }

    void Watch() override {
        standby_.Replayed();
        OnPrimary([&] { primary_->Execute("SELECT 1"); });
    }

    void Settle() override { standby_.Settle(); }

    StoppedBackup Stop(const ControlFile &copied) override {
        standby_.CheckCopied(copied, timeline_);
        StoppedBackup stopped;
        OnPrimary([&] {
            stopped = control_->Stop();
            stopped.at =
                FromSeconds(primary_->Query("SELECT extract(epoch FROM pg_catalog.clock_timestamp())").String(0, 0));
        });
        if (copied.minimum_recovery > stopped.stop)
            throw Error(Code::kConflict, "the standby has WAL that its primary has not",
                        fmt::format("It needs WAL up to {}, and the primary ended the backup at {}.",
                                    copied.minimum_recovery.Text(), stopped.stop.Text()));
        return stopped;
    }

    void AwaitWal(const StoppedBackup &stopped) override {
        OwnSegment own = standby_.AwaitOwnSegment(timeline_, stopped.stop, context_.wal_patience,
                                                  "See pg_stat_wal_receiver on the standby, or what its "
                                                  "restore_command says in its log.");
        ServerArchiver archiver(*primary_, nullptr);
        WalOfBackup wal = WalOf(control_->start(), stopped, context_.directory.segment_size());
        wal.last = std::max(wal.last, own.name);
        OnPrimary([&] {
            ark::AwaitWal(context_.repository, wal, context_.wal_patience, archiver, context_.clock, context_.ticker,
                          context_.log);
        });
        standby_.CheckStored(own);
        standby_.CheckOwner(timeline_);
    }

private:
    static TimePoint FromSeconds(const std::string &seconds) {
        return TimePoint(
            std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>(std::stod(seconds))));
    }

    void ConnectToPrimary() {
        std::string conninfo =
            request_.primary_conninfo.empty() ? OwnConninfo(context_.connection) : request_.primary_conninfo;
        try {
            primary_ = std::make_unique<Connection>(conninfo, context_.database, kApplicationName, context_.ticker,
                                                    context_.log);
            ApplySessionContract(*primary_, false);
        } catch (Error &error) {
            if (error.code == Code::kCancelled) throw;
            error.InContext("the primary of this standby cannot be asked");
            error.WithHint(fmt::format(
                "A base backup of a standby is begun and ended on its primary. Check {}; --standby=only asks no "
                "primary.",
                request_.primary_conninfo.empty() ? "primary_conninfo of the standby, or give --primary-conninfo"
                                                  : "--primary-conninfo"));
            throw;
        }
    }

    void CheckPrimary() {
        ServerIdentity primary = IdentifyServer(*primary_);
        std::string where = fmt::format("The server at {}:{}", primary_->host(), primary_->port());
        if (primary.system_identifier != context_.server.system_identifier)
            throw Error(Code::kConflict, "the server that was given as primary is another cluster's",
                        fmt::format("{} has the system identifier {}, this standby {}.", where,
                                    primary.system_identifier, context_.server.system_identifier),
                        "Correct --primary-conninfo.");
        if (primary.in_recovery)
            throw Error(
                Code::kConflict, "the server that was given as primary is a standby itself",
                fmt::format("{} is in recovery.", where),
                "A base backup is begun and ended on the primary: give its connection string as --primary-conninfo.");
        CheckArchives(*primary_);
        timeline_ = {primary.timeline};
    }

    // When the primary is gone, the standby may be the primary by now.
    template <class Ask>
    void OnPrimary(Ask ask) {
        try {
            ask();
        } catch (const Error &error) {
            if (!ConnectionIsLost(error)) throw;
            standby_.Replayed();
            throw Error(Code::kUnavailable, "the primary was lost during the base backup",
                        fmt::format("{} {}", error.message, error.detail),
                        "Its end of the backup is gone with it, so nothing of this backup counts. Take another one.");
        }
    }
    bool ConnectionIsLost(const Error &error) const {
        if (error.code != Code::kUnavailable) return false;
        try {
            primary_->Execute("SELECT 1");
            return false;
        } catch (const Error &again) {
            return again.code == Code::kUnavailable;
        }
    }

    // A standby that is fed by an archive gets to what the primary has written when its segment is finished, and a quiet primary finishes
    // none by itself. (Ending the backup does.)
    void FinishSegment() {
        if (standby_.Streams()) return;
        try {
            primary_->Execute("SELECT pg_catalog.pg_switch_wal()");
        } catch (const Error &error) {
            if (error.code != Code::kPermissionDenied) throw;
            context_.log.Note(
                fmt::format("the standby receives no WAL by streaming, and waits until its primary has finished a "
                            "segment: role \"{}\" may not do that (GRANT EXECUTE ON FUNCTION pg_switch_wal TO \"{}\")",
                            primary_->user(), primary_->user()));
        }
    }

    void NoteCheckpoint() {
        std::string checkpoint = StandbySide::CheckpointOf(*primary_);
        std::string position = checkpoint.substr(0, checkpoint.find(' '));
        seen_[position] = checkpoint;
        newest_ = ParseLsn(position);
    }

    // Until a restartpoint at the start or later has put on disk all that was before. Its checkpoint must be one of the primary's: so the
    // standby follows this primary, and not one that has parted from it.
    void AwaitRestartpoint() {
        SteadyPoint deadline = context_.clock.Steady() + (request_.max_lag.count() > 0 ? request_.max_lag : kPatience);
        for (;;) {
            context_.ticker.Check();
            standby_.MakeRestartpoint();
            std::string made = standby_.Checkpoint();
            OnPrimary([&] { NoteCheckpoint(); });
            Lsn redo = standby_.RedoOnDisk();
            auto same = seen_.find(made.substr(0, made.find(' ')));
            if (redo >= control_->start() && same != seen_.end()) {
                if (same->second == made) return;
                throw Error(Code::kConflict,
                            "the standby follows another server than the one that was given as primary",
                            fmt::format("Its checkpoint is \"{}\", the primary's \"{}\".", made, same->second),
                            "Correct --primary-conninfo.");
            }
            if (context_.clock.Steady() >= deadline)
                throw Error(
                    Code::kUnavailable, "the standby did not make a restartpoint that belongs to the base backup",
                    fmt::format(
                        "The backup begins at {}; the standby's last restartpoint is of the checkpoint \"{}\", the "
                        "primary's last one is \"{}\".",
                        control_->start().Text(), made, seen_.rbegin()->second),
                    "See the log of the standby, and whether it follows this primary.");
            Lsn replayed = standby_.Replayed();
            context_.log.Wait(
                fmt::format("the standby has to make a restartpoint at {} or later, and has one at {} (replayed: {})",
                            control_->start().Text(), redo.Text(), replayed.Text()));
            context_.clock.Sleep(kLook);
        }
    }

    SourceContext context_;
    StandbyCopy request_;
    StandbySide standby_;
    std::unique_ptr<Connection> primary_;
    TimelineId timeline_;
    std::optional<BackupControl> control_;
    std::map<std::string, std::string> seen_;    // the primary's checkpoints since the start, by position
    Lsn newest_;
};

}    // namespace

std::unique_ptr<BackupSource> MakeStandbySource(const SourceContext &context, const StandbyCopy &request) {
    return std::make_unique<StandbySource>(context, request);
}

}    // namespace ark
