// Where in a chunk the row lies that cannot be read: damage is told with its place.
#pragma once

#include "logical/plan.h"

namespace ark {

// Errors that one row or page can be the cause of: damage, an I/O error, a value or a filter that fails.
bool IsFaultOfARow(const Error &error);

// "row (12,3): ", "block 12: ", or empty if everything could be read now. The connection is in a transaction.
// Reads the chunk about once more.
std::string FindUnreadableRow(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                              std::uint32_t block_size);

}    // namespace ark
