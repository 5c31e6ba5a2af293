#include "physical/backup_control.h"

#include <fmt/format.h>

namespace ark {

BackupControl::BackupControl(Connection &connection, const std::string &label, bool fast_checkpoint)
    : connection_(connection) {
    if (connection.server_version_num() < 150000)
        throw Error(Code::kUnsupported, "base backups need PostgreSQL 15 or newer",
                    fmt::format("The server's version is {}.", connection.server_version_num() / 10000));
    if (connection.Query("SELECT pg_catalog.pg_is_in_recovery()").Bool(0, 0))
        throw Error(Code::kUnsupported, "base backups of a standby are not part of this version", {},
                    "Take the backup on its primary.");
    try {
        Result started =
            connection.Query("SELECT pg_catalog.pg_backup_start($1, $2)", {label, fast_checkpoint ? "true" : "false"});
        start_ = ParseLsn(started.Text(0, 0));
        running_ = true;
    } catch (Error &error) {
        if (error.code == Code::kPermissionDenied)
            error.WithHint(fmt::format(
                "GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO \"{}\"; the engine also reads the "
                "data directory, so it runs as the server's user.",
                connection.user()));
        throw;
    }
}

BackupControl::~BackupControl() = default;

Lsn BackupControl::Flushed() {
    return ParseLsn(connection_.Query("SELECT pg_catalog.pg_current_wal_flush_lsn()").Text(0, 0));
}

StoppedBackup BackupControl::Stop() {
    Result stopped = connection_.Query(
        "SELECT s.lsn, s.labelfile, s.spcmapfile, pg_catalog.left(pg_catalog.pg_walfile_name(s.lsn), 8)"
        " FROM pg_catalog.pg_backup_stop(wait_for_archive => false) s");
    running_ = false;
    StoppedBackup out;
    out.stop = ParseLsn(stopped.Text(0, 0));
    out.label = stopped.String(0, 1);
    out.tablespace_map = stopped.String(0, 2);
    out.stop_timeline = ParseTimelineId(stopped.Text(0, 3));
    out.parsed = ParseBackupLabel(out.label);
    if (out.parsed.start != start_)
        throw Error(Code::kConflict, "the server ended another backup than the one that was begun",
                    fmt::format("Begun at {}, ended was one from {}.", start_.Text(), out.parsed.start.Text()));
    return out;
}

}    // namespace ark
