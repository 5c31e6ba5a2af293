// What separates a live table from the rows staged for it: one row per difference in a temporary table. Computed inside
// the database, as the table's owner: no other role's session even plans a query on a live table, since planning runs
// constant parts of its index expressions.
//
// op: i(nsert), u(pdate), d(elete), f for a row that a foreign key will set to null or its default, and x for an update
// done by deleting and inserting the row, since it takes a unique value from another row that is updated; ark_row of the
// stage; tableoid and ctid of the live row; and the turn of an update, where values must move one after the other.
#pragma once

#include "logical/restore.h"
#include "logical/restore/stage.h"

namespace ark {

struct DiffCounts {
    std::uint64_t to_insert = 0, to_update = 0, to_delete = 0, unchanged = 0;
    std::uint64_t exchanged = 0;         // of to_update, those with op x
    std::uint64_t turns = 1;             // that updates are done in
    std::uint64_t by_foreign_key = 0;    // set to null or their default
    bool any() const { return to_insert + to_update + to_delete + by_foreign_key > 0; }
};

inline constexpr const char *kDiffColumns = "op text, ark_row bigint, live_table oid, live_row tid";

// Columns that an update of this target sets (no keys, no generated or identity-always columns; only `wanted` if that is not empty).
std::vector<std::string> UpdatedColumns(const Target &target, const std::vector<std::string> &wanted);

// "l.key = s.key AND …", with the key's own operators.
std::string KeyMatch(const Target &target);
// Selects `what` and, as i and n, the text of the row and the number of this copy of it: the n-th copies of equal rows match.
std::string NumberedCopies(std::string_view what, const std::vector<std::string> &columns, std::string_view from);

// An empty diff.
void CreateDiff(Connection &connection, const Target &target);
// Adds what `query`, with the columns of kDiffColumns, gives as the table's owner; returns the number of rows.
std::uint64_t AddToDiff(Connection &connection, const Target &target, const std::string &query);
// Fills the diff. For kReplace with a filter only live rows that match it are to be deleted.
void ComputeDiff(Connection &connection, const Target &target, RestoreMode mode, const std::vector<std::string> &wanted,
                 std::uint64_t caller);
DiffCounts CountDiff(Connection &connection, const Target &target);

// Keys of the first differences: "+17" to insert, "~18" to update, "-19" to delete.
std::vector<std::string> SampleKeys(Connection &connection, const Target &target);

}    // namespace ark
