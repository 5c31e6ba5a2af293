#include <fmt/format.h>

#include <optional>

#include "physical/backup_source.h"
#include "physical/wal_arrival.h"

namespace ark {
namespace {

class PrimarySource : public BackupSource {
public:
    explicit PrimarySource(const SourceContext &context) : context_(context) {}

    void Check() override { CheckArchives(context_.connection); }
    void Start(const std::string &label, bool fast_checkpoint) override {
        control_.emplace(context_.connection, label, fast_checkpoint, BackedUp::kPrimary);
        CheckIsItsDirectory();
    }
    Lsn start() const override { return control_->start(); }
    Lsn Reached() override { return control_->Reached(); }
    void Watch() override {}
    StoppedBackup Stop(const ControlFile &) override { return control_->Stop(); }
    void AwaitWal(const StoppedBackup &stopped) override {
        ServerArchiver archiver(context_.connection, &context_.directory);
        ark::AwaitWal(context_.repository, WalOf(control_->start(), stopped, context_.directory.segment_size()),
                      context_.wal_patience, archiver, context_.clock, context_.ticker, context_.log);
    }

private:
    // The server has just written there where the backup begins. A copy of the cluster that lies under the same name on this machine (of an
    // engine in a container, say) says something else.
    void CheckIsItsDirectory() {
        ControlFile control = ReadControl(context_.directory.path());
        if (control.redo >= control_->start() && control.state == ClusterState::kInProduction) return;
        throw Error(Code::kConflict,
                    fmt::format("\"{}\" on this machine is not the data directory of the server",
                                context_.directory.path().string()),
                    fmt::format("The server made a checkpoint at {}; the newest there is at {}, and it says \"{}\".",
                                control_->start().Text(), control.redo.Text(), ClusterStateName(control.state)),
                    "Run the engine on the server's machine, where it sees the server's files.");
    }

    SourceContext context_;
    std::optional<BackupControl> control_;
};

}    // namespace

std::unique_ptr<BackupSource> MakePrimarySource(const SourceContext &context) {
    return std::make_unique<PrimarySource>(context);
}

void CheckArchives(Connection &connection) {
    if (connection.Query("SELECT pg_catalog.current_setting('archive_mode')").Text(0, 0) != "off") return;
    throw Error(Code::kInvalidArgument,
                "a base backup needs the WAL that is written meanwhile, and the server archives none",
                "archive_mode is off.",
                "Set archive_mode = on and archive_command = 'pg_ark wal-push … %p' (docs/wal.md), and restart "
                "the server.");
}

}    // namespace ark
