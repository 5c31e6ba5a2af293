// with_referenced: rows of other tables that come along because restored rows reference them.
#pragma once

#include <vector>

#include "logical/restore/stage.h"

namespace ark {

// Leaves in the stages of tables that were only brought in the rows that staged rows of others reference, at any depth.
void KeepReferenced(Connection &connection, const std::vector<Target> &targets);

}    // namespace ark
