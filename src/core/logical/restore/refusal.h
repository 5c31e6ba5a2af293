// What a plan says against being carried out, thrown before anything is written.
#pragma once

#include "logical/restore.h"

namespace ark {

// Throws kConflict for conflicts, for rows of tables that were not named, and for more than an earlier plan showed.
void RefuseConflicts(const std::vector<TablePlan> &tables, const RestoreRequest &request);

}    // namespace ark
