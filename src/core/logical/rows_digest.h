// A digest of a table's rows that does not depend on their order, so that chunks add up and a restored table compares
// equal. docs/repository-format.md, section 3. It detects damage and difference; it is not cryptographic.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ark {

class RowsDigest {
public:
    void AddRow(ByteView row);               // with its newline
    std::uint64_t AddRows(ByteView rows);    // whole rows of COPY text; returns how many
    void Add(const RowsDigest &other);
    std::string Hex() const;    // high, then low, 32 digits
    bool operator==(const RowsDigest &) const = default;

private:
    std::uint64_t low_ = 0;
    std::uint64_t high_ = 0;
};

}    // namespace ark
