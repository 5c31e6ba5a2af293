// What speaks against a restore: unique values that other live rows have, references to rows that are neither live nor
// restored, and rows of other tables that foreign keys would change. Each question is asked as the owner of the table
// it is asked of, with the keys in a temporary table of their own.
#pragma once

#include <vector>

#include "logical/restore/diff.h"

namespace ark {

// Fills conflicts and notes of the plan.
void FindConflicts(Connection &connection, const Target &target, const std::vector<Target> &all,
                   const DiffCounts &counts, TablePlan &plan);

// Rows that would be deleted or changed because they reference rows that are to be deleted.
struct Reach {
    ForeignKey key;
    std::uint64_t rows;
};
// Rows of a target's own diff that take care of it do not count.
std::vector<Reach> FindReach(Connection &connection, const Target &target, const std::vector<Target> &all);
// Adds them to the diff of the table they are in; returns how many.
std::uint64_t AddReach(Connection &connection, const Target &deleted_from, const ForeignKey &key, const Target &to);

}    // namespace ark
