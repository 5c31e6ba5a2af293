// Unique values, and what exclusion constraints keep apart, that restored rows take: from live rows that keep them (a
// conflict), or from rows that are changed too. Asked as the table's owner, of each rule but the key that rows are found by.
#pragma once

#include <string>
#include <vector>

#include "logical/restore/diff.h"

namespace ark {

struct Collision {
    std::string rule, what;    // the constraint or index; what it keeps from being restored
    std::uint64_t rows = 0;
    std::vector<std::string> keys;    // of the first of them: sample keys, not for everybody's eyes
};

// Marks the rules that the backup's schema has too: its rows keep them among themselves.
void FindKnownRules(BackupReader &backup, std::vector<Target> &targets);

// Settles in the diff how values move between updated rows: rows that take a value from another updated row are deleted and inserted in one
// statement (op x), so that values may move in circles. Where a delete is no part of an update's meaning (`fire_triggers`, or foreign keys that
// act on it), they are updated turn by turn instead, and circles are collisions. Returns what cannot be done.
std::vector<Collision> SettleUniqueValues(Connection &connection, const Target &target,
                                          const std::vector<std::string> &updated, bool fire_triggers);

}    // namespace ark
