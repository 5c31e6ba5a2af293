// global/pg_control (catalog/pg_control.h, ControlFileData): what a cluster is and where it stands.
//
// Read byte by byte as a 64-bit little-endian server lays it out. A file of another byte order is refused by its version
// number, as PostgreSQL does, and one of another alignment by the number that the file keeps for that purpose.
#pragma once

#include "base/bytes.h"
#include "pgdata/wal_name.h"

namespace ark {

enum class ClusterState {    // DBState
    kStartingUp,
    kShutDown,
    kShutDownInRecovery,
    kShuttingDown,
    kInCrashRecovery,
    kInArchiveRecovery,
    kInProduction,
};
std::string_view ClusterStateName(ClusterState state);    // as pg_controldata says it: "in production"

struct ControlFile {
    std::uint64_t system_identifier = 0;
    std::uint32_t version = 0;            // of the file's format: 1300, 1700, 1800
    std::uint32_t catalog_version = 0;    // of the server: 202209061
    int server_major = 0;                 // as the two say; 0 for a catalog version that no release has
    ClusterState state = ClusterState::kStartingUp;
    std::int64_t modified = 0;    // seconds since 1970, by the server's clock

    Lsn checkpoint;    // where the latest checkpoint's record lies
    Lsn redo;          // where recovery from it begins
    TimelineId timeline;
    TimelineId previous_timeline;

    Lsn minimum_recovery;    // 0/0: none
    TimelineId minimum_recovery_timeline;
    Lsn backup_start;    // 0/0: no base backup is being recovered
    Lsn backup_end;
    bool backup_end_required = false;

    std::uint32_t block_size = 0;
    std::uint32_t blocks_per_file = 0;    // of a relation's segment
    std::uint32_t wal_block_size = 0;
    std::uint32_t wal_segment_size = 0;
    std::uint32_t data_checksum_version = 0;    // 0: pages have no checksums
};

// Throws kCorrupt if the file is too short, its CRC does not fit or a number in it is impossible (it may be read while the
// server writes it: read again before believing that), kUnsupported for the format of another version or machine.
ControlFile ParseControlFile(ByteView file);

}    // namespace ark
