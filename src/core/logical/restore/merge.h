// The one place that writes live tables: differences applied as each table's owner, in the restoring transaction.
#pragma once

#include "logical/restore/diff.h"

namespace ark {

struct MergeStep {
    const Target *target;
    DiffCounts counts;
};

// Applies all differences. Children come first for what is deleted, parents first for what is inserted and updated; where that breaks a
// reference (tables that refer to each other in a circle) all is done in one statement, at whose end the server checks references,
// if one role owns all tables. Throws kConflict if other rows than planned were changed.
void Merge(Connection &connection, RunAs &run_as, const std::vector<MergeStep> &steps, const RestoreRequest &request);

// Steps ordered so that a referenced table comes before those that reference it; `circle` says that some refer to each other.
std::vector<MergeStep> ParentsFirst(std::vector<MergeStep> steps, bool &circle);

// Moves the sequences that feed the restored columns on, never back. Returns notes for people.
std::vector<std::string> AdvanceSequences(Connection &connection, const LiveTable &live);

}    // namespace ark
