// The server's part of a base backup: from pg_backup_start to pg_backup_stop, over one connection that stays open between.
// (PostgreSQL 14 and older spell them pg_start_backup and pg_stop_backup, and are not served.)
#pragma once

#include <optional>

#include "pgdata/backup_label.h"
#include "server/connection.h"

namespace ark {

struct StoppedBackup {
    std::string label, tablespace_map;    // files for the restored directory; the map may be empty
    BackupLabel parsed;
    Lsn stop;
    TimelineId stop_timeline;            // 0: a standby does not tell
    std::string snapshot = {};           // which transactions had ended by then; empty: a standby does not tell
    std::optional<TimePoint> at = {};    // by the clock of the server whose WAL it is, where that is another machine's
};

enum class BackedUp { kPrimary, kStandby };    // which kind of server is asked

class BackupControl {
public:
    // Waits for a checkpoint: a fast one, or the next that comes by itself spread out. Throws kUnsupported for a server before 15, or of the
    // other kind; kPermissionDenied naming the GRANT; kConflict where the server says that a backup cannot be taken now.
    BackupControl(Connection &connection, const std::string &label, bool fast_checkpoint, BackedUp kind);
    ~BackupControl();    // without Stop(): the server forgets the backup

    Lsn start() const { return start_; }
    // Does not wait for the archiver. Throws kConflict if the server was promoted meanwhile.
    StoppedBackup Stop();

    Lsn Reached();    // what the server has on disk, or has replayed, by now

private:
    Connection &connection_;
    BackedUp kind_;
    Lsn start_;
    bool running_ = false;
};

}    // namespace ark
