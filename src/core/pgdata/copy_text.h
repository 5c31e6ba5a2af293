// COPY's text format, as COPY … TO stdout writes it and pg_dump stores it: rows end with a newline, fields are
// separated by tabs, \N is NULL, and backslash escapes hide every newline, tab and backslash inside a value.
// So a newline is always the end of a row. This holds for every server encoding, since each is a superset of ASCII
// that never uses ASCII bytes inside other characters; bytes beyond ASCII pass unchanged.
//
// Errors: kCorrupt for what COPY TO does not write.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ark {

// Cuts a stream of blocks into rows. Memory: the longest row that lies across blocks.
class CopyRowScanner {
public:
    // Calls `row` for every row that the block completes, without its newline. The views are good during the call.
    void Feed(ByteView block, const std::function<void(std::string_view)> &row);
    void Finish() const;    // throws when the last row has no end

private:
    std::string pending_;
};

std::uint64_t CountRows(ByteView block);    // rows that end in the block
std::size_t LastRowEnd(ByteView block);     // bytes up to and with the last newline, 0 without one

// The line with which pg_dump ends a table's data; no row looks like it, since a value's backslash is doubled.
inline bool IsCopyEnd(std::string_view row) { return row == "\\."; }

// The fields of a row as they stand, still escaped. Throws when there are not `columns` of them.
void SplitCopyRow(std::string_view row, std::size_t columns, std::vector<std::string_view> &fields);

// The value, or nothing for \N. Points into the field where nothing was escaped, else into `scratch`.
// Octal and hexadecimal escapes are understood although COPY TO does not write them.
std::optional<std::string_view> UnescapeCopyField(std::string_view field, std::string &scratch);

void AppendCopyField(std::optional<std::string_view> value, std::string &to);    // escaped, nothing as \N

}    // namespace ark
