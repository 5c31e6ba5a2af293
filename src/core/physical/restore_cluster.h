// A cluster from a base backup: into an empty directory or over what is left of the same cluster, ready to be started; it then recovers
// from the archive.
#pragma once

#include "base/clock.h"
#include "physical/extra_files.h"
#include "physical/leftover_standbys.h"
#include "physical/recovery_settings.h"
#include "physical/restore_directory.h"
#include "physical/restore_files.h"
#include "physical/restore_space.h"
#include "repo/manifest.h"

namespace ark {

struct ClusterRestore {
    std::filesystem::path pgdata;
    std::map<std::string, std::filesystem::path>
        tablespaces;    // where they go, by oid or by the place where they were
    RecoveryTarget target;
    std::string restore_command;
    int jobs = 2;
    bool delta = false;    // pgdata may hold the same cluster; what differs is written over
    bool owns_path =
        false;    // pgdata is of the server that owns the path in the store: WAL that it did not archive is kept
    std::string repository;    // the id of that from which it is restored
    std::string cluster;       // its path in the store
    DomainKey digest_key;      // of the backup's digests
};

struct ClusterRestorePlan {
    std::uint64_t files = 0, bytes = 0;
    std::map<std::uint32_t, std::filesystem::path> tablespaces;
    std::map<std::uint32_t, std::string> tablespaces_were;
    Occupant occupant = Occupant::kNothing;    // of pgdata
    std::vector<SpaceNeed> space;
};

struct ClusterRestored {
    FilesRestored files;
    ExtraFiles extra;
    LeftoverStandbys standbys;    // for whom commits do not wait any more
};

// What a restore of the backup would do; changes nothing. That the backup reaches the target is the caller's to know. Throws kInvalidArgument
// for a tablespace that it has not; what CheckMayRestoreInto() says of a directory that holds something; kUnavailable (53100) where
// a disk is too small.
ClusterRestorePlan PlanClusterRestore(const ClusterRestore &request, const Manifest &backup,
                                      const std::shared_ptr<FrameReader> &frames);

// What RestoreCluster() would read, write, fetch and remove, found out by reading what is there.
ClusterRestored CompareCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                               const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log);

// On return everything is on disk. A restore that fails or is killed leaves a directory that no server starts on (it has no pg_control), with
// a mark; the same request goes on then, and only writes what is missing.
ClusterRestored RestoreCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                               const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log);

}    // namespace ark
