// The one place that writes live tables: differences applied as each table's owner, in the restoring transaction.
#pragma once

#include "logical/restore/merge_order.h"

namespace ark {

// Applies all differences, in the order given: where rows need one another in a circle all is done in one statement, at whose end
// the server checks references. Throws kConflict if other rows than planned were changed.
void Merge(Connection &connection, RunAs &run_as, const MergeOrder &order, const RestoreRequest &request);

// Moves the sequences that feed the restored columns on, never back. Returns notes for people.
std::vector<std::string> AdvanceSequences(Connection &connection, const LiveTable &live);

}    // namespace ark
