#include "physical/backup_control.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr std::string_view kNotNow = "55000";    // object_not_in_prerequisite_state

// WAL without full-page images, a promotion: the server says it best.
void AsConflict(Error &error) {
    if (error.Sqlstate() == kNotNow) error.code = Code::kConflict;
}

}    // namespace

BackupControl::BackupControl(Connection &connection, const std::string &label, bool fast_checkpoint, BackedUp kind)
    : connection_(connection), kind_(kind) {
    if (connection.server_version_num() < 150000)
        throw Error(Code::kUnsupported, "base backups need PostgreSQL 15 or newer",
                    fmt::format("The server's version is {}.", connection.server_version_num() / 10000));
    bool in_recovery = connection.Query("SELECT pg_catalog.pg_is_in_recovery()").Bool(0, 0);
    if (in_recovery && kind == BackedUp::kPrimary)
        throw Error(Code::kUnsupported, "the server is a standby", "It is in recovery.",
                    "Take the backup on its primary, or copy this standby: --standby=prefer (docs/backup.md).");
    if (!in_recovery && kind == BackedUp::kStandby)
        throw Error(Code::kUnsupported, "the server is no standby", "It is not in recovery.");
    try {
        Result started =
            connection.Query("SELECT pg_catalog.pg_backup_start($1, $2)", {label, fast_checkpoint ? "true" : "false"});
        start_ = ParseLsn(started.Text(0, 0));
        running_ = true;
    } catch (Error &error) {
        AsConflict(error);
        if (error.code == Code::kPermissionDenied)
            error.WithHint(fmt::format(
                "GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO \"{}\"; the engine also reads the "
                "data directory, so it runs as the server's user.",
                connection.user()));
        throw;
    }
}

BackupControl::~BackupControl() = default;

Lsn BackupControl::Reached() {
    const char *ask = kind_ == BackedUp::kPrimary ? "SELECT pg_catalog.pg_current_wal_flush_lsn()"
                                                  : "SELECT pg_catalog.pg_last_wal_replay_lsn()";
    return ParseLsn(connection_.Query(ask).Text(0, 0));
}

StoppedBackup BackupControl::Stop() {
    StoppedBackup out;
    try {
        Result stopped = connection_.Query(
            "SELECT s.lsn, s.labelfile, s.spcmapfile, CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
            " THEN pg_catalog.left(pg_catalog.pg_walfile_name(s.lsn), 8) END"
            " FROM pg_catalog.pg_backup_stop(wait_for_archive => false) s");
        running_ = false;
        out.stop = ParseLsn(stopped.Text(0, 0));
        out.label = stopped.String(0, 1);
        out.tablespace_map = stopped.String(0, 2);
        if (!stopped.IsNull(0, 3)) out.stop_timeline = ParseTimelineId(stopped.Text(0, 3));
        if (kind_ == BackedUp::kPrimary)
            out.snapshot = connection_.Query("SELECT pg_catalog.pg_current_snapshot()").String(0, 0);
    } catch (Error &error) {
        AsConflict(error);
        throw;
    }
    out.parsed = ParseBackupLabel(out.label);
    if (out.parsed.start != start_)
        throw Error(Code::kConflict, "the server ended another backup than the one that was begun",
                    fmt::format("Begun at {}, ended was one from {}.", start_.Text(), out.parsed.start.Text()));
    return out;
}

}    // namespace ark
