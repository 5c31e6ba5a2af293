// A cluster from a base backup: into an empty directory, ready to be started, which then recovers from the archive.
#pragma once

#include "base/clock.h"
#include "physical/recovery_settings.h"
#include "physical/restore_files.h"
#include "repo/catalog.h"

namespace ark {

struct ClusterRestore {
    std::filesystem::path pgdata;
    std::map<std::string, std::filesystem::path>
        tablespaces;    // where they go, by oid or by the place where they were
    RecoveryTarget target;
    std::string restore_command;
    int jobs = 2;
};

struct ClusterRestorePlan {
    std::uint64_t files = 0, bytes = 0, free_bytes = 0;    // free where pgdata lies
    std::map<std::uint32_t, std::filesystem::path> tablespaces;
    std::map<std::uint32_t, std::string> tablespaces_were;
};

// What a restore of the backup would do; changes nothing. Throws kInvalidArgument for a target that the backup does not reach back to (one
// before its stop) and for a tablespace that it has not; kAlreadyExists for a directory that holds something; kUnavailable (53100) where
// the disk is too small.
ClusterRestorePlan PlanClusterRestore(const ClusterRestore &request, const Manifest &backup,
                                      const std::shared_ptr<FrameReader> &frames);

// On return everything is on disk. A restore that fails leaves a directory that no server starts on (it has no pg_control).
FilesRestored RestoreCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                             const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log);

// The newest of the base backups (as ListBackups gives them) that reaches the target: it ended before. Null if none does.
const BackupSummary *ChooseBackup(const std::vector<BackupSummary> &backups, const RecoveryTarget &target);

}    // namespace ark
