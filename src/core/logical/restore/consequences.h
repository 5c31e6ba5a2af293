// What foreign keys say of a restore: references to rows that are neither live nor restored, rows of other tables that
// would change, and which rows need which. Each question is asked as the owner of the table
// it is asked of, with the keys in a temporary table of their own.
#pragma once

#include <vector>

#include "logical/restore/diff.h"

namespace ark {

// References to rows that are neither live nor restored: conflicts and notes of the plan.
void FindMissingParents(Connection &connection, const Target &target, const std::vector<Target> &all,
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

// Rows of `target` to be written that reference, by `key`, rows of `parent` that are not live until they are written too.
std::uint64_t CountWaiting(Connection &connection, const Target &target, const ForeignKey &key, const Target &parent);
// Rows of `from` to be deleted that reference, by a `key` that does not delete or change them, rows of `parent` to be deleted.
std::uint64_t CountDeletedTogether(Connection &connection, const Target &from, const ForeignKey &key,
                                   const Target &parent);

}    // namespace ark
