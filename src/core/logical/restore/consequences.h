// What a restore would run into, found before it writes: rows whose unique values are taken, rows that reference what
// is not there, rows of other tables that a deletion would reach.
#pragma once

#include "logical/restore/diff.h"

namespace ark {

// Adds conflicts, cascades and notes to the plan of `target`. `all` are the targets of the restore.
void FindConsequences(Connection &connection, const Target &target, const std::vector<Target> &all,
                      const DiffCounts &counts, TablePlan &plan);

// Whether ON DELETE CASCADE, SET NULL or SET DEFAULT would change rows of tables that were not named.
bool ReachesOthers(const TablePlan &plan);

}    // namespace ark
