#include "pgdata/page.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "base/error.h"

namespace ark {
namespace {

static_assert(std::endian::native == std::endian::little, "sums are taken of words as they lie in memory");

// Offsets of members of PageHeaderData.
namespace at {
constexpr std::size_t kLsn = 0, kChecksum = 8, kUpper = 14;
}    // namespace at

constexpr std::size_t kSums = 32;                // N_SUMS
constexpr std::uint32_t kFnvPrime = 16777619;    // FNV_PRIME
constexpr std::size_t kRowSize = kSums * sizeof(std::uint32_t);

using Sums = std::array<std::uint32_t, kSums>;
constexpr Sums kBaseOffsets{// checksumBaseOffsets
                            0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2,
                            0x83E13D2C, 0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C,
                            0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979,
                            0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E,
                            0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};

// Compilers turn this loop into vector instructions: its length is fixed, and no sum depends on another.
inline void AddRow(Sums &sums, const std::byte *row) {
    for (std::size_t i = 0; i < kSums; i++) {
        std::uint32_t word;
        std::memcpy(&word, row + i * sizeof word, sizeof word);
        word ^= sums[i];
        sums[i] = word * kFnvPrime ^ word >> 17;
    }
}

void RequireWhole(ByteView page) {
    if (!std::has_single_bit(page.size()) || page.size() < 1024 || page.size() > 32768)
        throw Error(Code::kInvalidArgument, fmt::format("{} bytes are no page", page.size()));
}

bool IsZero(ByteView page) {
    return page[0] == std::byte{0} && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

}    // namespace

std::uint16_t PageChecksum(ByteView page, std::uint32_t block) {
    RequireWhole(page);
    std::array<std::byte, kRowSize> row{};
    std::memcpy(row.data(), page.data(), kRowSize);
    PutLittleEndian<std::uint16_t>(row.data() + at::kChecksum, 0);

    Sums sums = kBaseOffsets;
    AddRow(sums, row.data());
    for (std::size_t offset = kRowSize; offset < page.size(); offset += kRowSize) AddRow(sums, page.data() + offset);
    row.fill(std::byte{0});
    AddRow(sums, row.data());    // two rounds of zeros end it
    AddRow(sums, row.data());

    std::uint32_t all = block;
    for (std::uint32_t sum : sums) all ^= sum;
    return static_cast<std::uint16_t>(all % 65535 + 1);
}

PageState CheckPage(ByteView page, std::uint32_t block) {
    RequireWhole(page);
    // A page without pd_upper was never initialised and has no checksum, so that any other byte in it is damage, were it
    // even one that fits a checksum (PageIsVerifiedExtended; the base backup of PostgreSQL lets such pages pass).
    if (GetLittleEndian<std::uint16_t>(page.data() + at::kUpper) == 0)
        return IsZero(page) ? PageState::kNew : PageState::kBad;
    std::uint16_t said = GetLittleEndian<std::uint16_t>(page.data() + at::kChecksum);
    return said == PageChecksum(page, block) ? PageState::kGood : PageState::kBad;
}

Lsn PageLsn(ByteView page) {
    RequireWhole(page);
    std::uint64_t high = GetLittleEndian<std::uint32_t>(page.data() + at::kLsn);
    return {high << 32 | GetLittleEndian<std::uint32_t>(page.data() + at::kLsn + 4)};
}

}    // namespace ark
