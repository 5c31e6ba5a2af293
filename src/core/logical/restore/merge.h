// The one place that writes live tables: differences applied as each table's owner, in the restoring transaction.
#pragma once

#include "logical/restore/diff.h"

namespace ark {

struct MergeStep {
    const Target *target;
    DiffCounts counts;
};

// Applies all differences. Parents come before children for what is inserted and updated, children first for what is deleted; if deleting
// first breaks a reference, the other order is tried. Throws kConflict if other rows than planned were changed.
void Merge(Connection &connection, RunAs &run_as, const std::vector<MergeStep> &steps, const RestoreRequest &request);

// Targets ordered so that a referenced table comes before those that reference it; cycles keep their order.
std::vector<MergeStep> ParentsFirst(std::vector<MergeStep> steps);

// Moves the sequences that belong to the restored columns forward, never back. Returns notes for people.
std::vector<std::string> AdvanceSequences(Connection &connection, const Target &target);

}    // namespace ark
