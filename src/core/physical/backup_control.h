// The server's part of a base backup: from pg_backup_start to pg_backup_stop, over one connection that stays open between.
// (PostgreSQL 14 and older spell them pg_start_backup and pg_stop_backup, and are not served.)
#pragma once

#include "pgdata/backup_label.h"
#include "server/connection.h"

namespace ark {

struct StoppedBackup {
    std::string label, tablespace_map;    // files for the restored directory; the map may be empty
    BackupLabel parsed;
    Lsn stop;
    TimelineId stop_timeline;
};

class BackupControl {
public:
    // Waits for a checkpoint: a fast one, or the next that comes by itself spread out. Throws kUnsupported for a server before 15, or in
    // recovery; kPermissionDenied naming the GRANT.
    BackupControl(Connection &connection, const std::string &label, bool fast_checkpoint);
    ~BackupControl();    // without Stop(): the server forgets the backup

    Lsn start() const { return start_; }
    // Does not wait for the archiver. Throws kConflict if the server was promoted meanwhile.
    StoppedBackup Stop();

    Lsn Flushed();    // what the server has on disk now

private:
    Connection &connection_;
    Lsn start_;
    bool running_ = false;
};

}    // namespace ark
