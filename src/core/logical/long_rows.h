// Rows that are not read whole, but value by value, and long values in slices: because server and reader would each hold such a row several
// times, or because its text would not fit into the one message of at most 1 GB in which the server sends a row.
#pragma once

#include "logical/plan.h"
#include "logical/row_framer.h"

namespace ark {

// What the server says when a row, or the text of a value, becomes too large to be sent.
bool IsRowTooLong(const Error &error);

// A table whose TOAST relation has less has no row that is worth looking for (pglz and lz4 seldom reach 4 : 1).
constexpr std::uint64_t kToastOfLongRows = 16 << 20;

// How much is known: kUsual looks for rows whose text is beyond 64 MiB as far as that can be told without reading values;
// kAfterFailure, when the server could not send a row, takes whatever might be too long.
enum class LongRowSearch { kUsual, kAfterFailure };

// Reads a chunk like COPY would, but long rows value by value. The connection is in a transaction with the right snapshot.
// Memory: the row itself, and a value or a slice of it. A value whose text is beyond 1 GB in the server's own memory cannot be read at all:
// an error that names table and ctid.
void ReadWithLongRows(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                      const std::string &encoding, LongRowSearch search, RowFramer &framer);

}    // namespace ark
