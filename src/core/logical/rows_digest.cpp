#include "logical/rows_digest.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

namespace ark {

void RowsDigest::AddRow(ByteView row) {
    XXH128_hash_t hash = XXH3_128bits(row.data(), row.size());
    low_ += hash.low64;
    high_ += hash.high64;
}

std::uint64_t RowsDigest::AddRows(ByteView rows) {
    std::uint64_t count = 0;
    while (!rows.empty()) {
        const void *newline = std::memchr(rows.data(), '\n', rows.size());
        if (!newline) throw Error(Code::kCorrupt, "a row of COPY text has no end");
        auto length = static_cast<std::size_t>(static_cast<const std::byte *>(newline) - rows.data()) + 1;
        AddRow(rows.first(length));
        rows = rows.subspan(length);
        count++;
    }
    return count;
}

void RowsDigest::Add(const RowsDigest &other) {
    low_ += other.low_;
    high_ += other.high_;
}

std::string RowsDigest::Hex() const { return fmt::format("{:016x}{:016x}", high_, low_); }

}    // namespace ark
