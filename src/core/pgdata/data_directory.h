// A data directory as archiving sees it: what cluster it is, and its pg_wal. Read beside a running server or without one; nothing is
// kept open, and nothing asked twice may be assumed to be the same.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "pgdata/control_file.h"
#include "pgdata/timeline_history.h"

namespace ark {

class DataDirectory {
public:
    // Throws kInvalidArgument if `path` is no data directory; the rest as ReadControl() does.
    explicit DataDirectory(std::filesystem::path path);

    const std::filesystem::path &path() const { return path_; }
    const ControlFile &control() const { return control_; }    // as it was when this object was made
    WalSegmentSize segment_size() const { return WalSegmentSize(control_.wal_segment_size); }
    // The server replays WAL, or stopped while it did: it has not made this WAL itself.
    bool InRecovery() const;
    // It recovers from an archive to become a server of its own (recovery.signal), not as a standby of another.
    bool IsBeingRestored() const;
    bool IsStandby() const;    // standby.signal

    std::filesystem::path WalDirectory() const { return path_ / "pg_wal"; }
    std::filesystem::path WalFile(const WalFileName &name) const { return WalDirectory() / name.Text(); }
    // Of a timeline whose history file lies in pg_wal (timeline 1: one without parents); nullopt where it does not.
    std::optional<TimelineHistory> History(TimelineId timeline) const;
    // Whole segments that the server wants archived (archive_status/….ready) behind `after` on its timeline, ascending, at most `most`.
    // Such files do not change any more, and stay until they were archived.
    std::vector<SegmentName> Ready(const SegmentName &after, std::size_t most) const;
    bool IsReady(const SegmentName &segment) const;    // it waits to be archived
    std::uint64_t ReadyBytes() const;                  // of all whole segments that wait
    // Segments of a timeline that lie in pg_wal, ascending. Some may be files that the server keeps to write them anew.
    std::vector<SegmentName> Segments(TimelineId timeline) const;

private:
    std::filesystem::path path_;
    ControlFile control_;
};

// As History() of that directory.
std::optional<TimelineHistory> ReadHistory(const std::filesystem::path &data_directory, TimelineId timeline);

// global/pg_control, read again while it is being written. Throws what ParseControlFile and OpenFile throw.
ControlFile ReadControl(const std::filesystem::path &data_directory);
Bytes ReadControlBytes(const std::filesystem::path &data_directory);    // the file itself, proven to be whole

}    // namespace ark
