// What a store has to recover a cluster from, and which of it a restore takes.
#pragma once

#include "cli/engine.h"
#include "physical/recovery_settings.h"
#include "repo/restore_points.h"
#include "wal/choose.h"

namespace ark::cli {

struct Recovery {
    std::vector<BackupSummary> backups;    // of every kind, newest first
    std::vector<BaseBackup> bases;
    WalArchive archive;
    WalFloors floors;
    std::vector<RecoveryWindow> windows;
};

// Looks again for a few seconds where a segment is missing behind which one came just now.
Recovery ReadRecovery(Engine &engine, const std::shared_ptr<Repository> &repository);

struct RecoveryChoice {
    BackupSummary backup;
    RecoveryWindow window;
    bool named = false;    // the backup was
    std::vector<std::string> warnings;
};

// The backup from which a recovery to the target begins: the one that `restore_point` names, or the newest whose window contains it. Throws
// kNotFound with every window in the detail where none does.
RecoveryChoice ChooseRecovery(Engine &engine, const std::shared_ptr<Repository> &repository,
                              const RecoveryTarget &target, const std::string &restore_point);

// Recovery reaches no moment behind the last commit, and no position behind the last record; what the store knows of such a one is that
// record, which the target becomes, with a note. Throws as PositionOf() does.
RecoveryTarget Reachable(Engine &engine, const std::shared_ptr<Repository> &repository, const RecoveryChoice &choice,
                         RecoveryTarget target);

// A window object of docs/engine-protocol.md.
Json WindowToJson(const RecoveryWindow &window);

// What the store has now, as `windows` and `points` of a result, so that the catalog can be brought up to date.
void AddRecovery(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository);
// The same after work that is done, whatever becomes of the look: a fault is one of the result's warnings.
void AddRecoveryIfReadable(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository);

}    // namespace ark::cli
