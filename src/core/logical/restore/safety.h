// The copy of what a restore is about to change: a small held backup, "before restore N", and how it is given back.
#pragma once

#include "logical/restore/merge.h"
#include "repo/backup_session.h"

namespace ark {

struct SafetyContext {
    std::shared_ptr<Repository> repository;
    std::shared_ptr<KeyRing> keys;
    Clock &clock;
    Random &random;
};

// Stores old rows of what will be updated or deleted, by the restore or by foreign keys, and the keys (whole rows without a
// key) of what will be inserted.
// Must run in the restoring transaction, after its locks were taken.
BackupId WriteSafetyCopy(Connection &connection, const std::vector<MergeStep> &steps, const RestoreRequest &request,
                         const SafetyContext &context);

// Ends the copy of a restore whose transaction was rolled back, and tells on_write so; if it cannot, `why` says that it is left.
void GiveUpSafetyCopy(const BackupId &copy, const std::string &transaction, const RestoreRequest &request,
                      const SafetyContext &context, Error &why);

// The stage of an undo: the old rows that the copy holds, and in `target.stage`_gone the keys of rows that were inserted.
void LoadUndo(Connection &connection, const Target &target, BackupReader &backup);
// Fills the diff of an undo: old rows come back, and the rows that the restore had inserted go. Copies of a row that has no
// key are told apart by their number only.
void ComputeUndo(Connection &connection, const Target &target, std::uint64_t caller);

}    // namespace ark
