// The order in which tables are written and deleted from, so that each reference finds its row. Foreign keys are checked
// at the end of each statement (also deferrable ones: the server allows nothing to be deferred in a security-restricted
// context), and one statement runs as one role: rows that reference each other in a circle need tables of one owner.
#pragma once

#include "logical/restore/diff.h"

namespace ark {

struct MergeStep {
    const Target *target;
    DiffCounts counts;
};

struct MergeOrder {
    std::vector<MergeStep> deletes, writes;
    bool at_once = false;    // all in one statement
};

// Rows of tables of several owners that reference each other in a circle: they cannot be merged.
struct Circle {
    std::uint64_t table = 0;    // oid
    std::uint64_t rows = 0;
    std::string note;
};

// Tables without differences are left out.
MergeOrder OrderMerge(Connection &connection, const std::vector<MergeStep> &steps, std::vector<Circle> &circles);

}    // namespace ark
