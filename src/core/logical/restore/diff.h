// What separates a live table from the rows staged for it: one row per difference in a temporary table
// (op, ark_row of the stage, tableoid and ctid of the live row). Computed inside the database, as the table's owner.
#pragma once

#include "logical/restore.h"
#include "logical/restore/stage.h"

namespace ark {

struct DiffCounts {
    std::uint64_t to_insert = 0, to_update = 0, to_delete = 0, unchanged = 0;
};

// Columns that an update of this target sets (no keys, no generated or identity-always columns; only `wanted` if that is not empty).
std::vector<std::string> UpdatedColumns(const Target &target, const std::vector<std::string> &wanted);

// Fills target.diff. For kReplace with a filter only live rows that match it, as the caller sees them, are to be deleted.
DiffCounts ComputeDiff(Connection &connection, const Target &target, RestoreMode mode,
                       const std::vector<std::string> &wanted, std::uint64_t caller);

// Keys of the first differences: "+17" to insert, "~18" to update, "-19" to delete.
std::vector<std::string> SampleKeys(Connection &connection, const Target &target);

}    // namespace ark
