// Rows whose text would not fit into the one message of at most 1 GB in which the server sends a row: read value by value, in slices.
#pragma once

#include "logical/plan.h"
#include "logical/row_framer.h"

namespace ark {

// What the server says when a row, or the text of a value, becomes too large to be sent.
bool IsRowTooLong(const Error &error);

// Reads a chunk like COPY would, but long rows in slices. The connection is in a transaction with the right snapshot.
// Memory: the row itself and one slice. A value whose text is beyond 1 GB in the server's own memory cannot be read at all:
// an error that names table and ctid.
void ReadWithLongRows(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                      const std::string &encoding, RowFramer &framer);

}    // namespace ark
