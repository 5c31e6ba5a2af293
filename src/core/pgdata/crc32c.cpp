#include "pgdata/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace ark {
namespace {

// Polynomials over GF(2), as the CRC's register has them: the highest bit is the coefficient of x^0.
constexpr std::uint32_t kPolynomial = 0x82F63B78, kOne = 0x80000000, kX = 0x40000000;

constexpr std::uint32_t TimesX(std::uint32_t value) { return value >> 1 ^ (value & 1 ? kPolynomial : 0); }

constexpr std::uint32_t Product(std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; a != 0; a <<= 1, b = TimesX(b))
        if (a & kOne) product ^= b;
    return product;
}

// x^(2^k)
constexpr std::array<std::uint32_t, 64> MakePowers() {
    std::array<std::uint32_t, 64> powers{kX};
    for (std::size_t k = 1; k < powers.size(); k++) powers[k] = Product(powers[k - 1], powers[k - 1]);
    return powers;
}
constexpr std::array<std::uint32_t, 64> kPowers = MakePowers();

// What so many bytes behind it make of a register.
constexpr std::uint32_t ShiftBy(std::uint64_t bytes) {
    std::uint32_t shift = kOne;
    for (std::size_t k = 3; bytes != 0; bytes >>= 1, k++)
        if (bytes & 1) shift = Product(kPowers[k], shift);
    return shift;
}

// [i][b]: of byte b with i bytes behind it.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr Tables MakeTables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; byte++) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = TimesX(value);
        tables[0][byte] = value;
    }
    for (std::size_t i = 1; i < tables.size(); i++)
        for (std::size_t byte = 0; byte < 256; byte++)
            tables[i][byte] = tables[i - 1][byte] >> 8 ^ tables[0][tables[i - 1][byte] & 0xFF];
    return tables;
}
constexpr Tables kTables = MakeTables();

std::uint32_t ByTables(std::uint32_t value, ByteView bytes) {
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
        std::uint64_t eight = GetLittleEndian<std::uint64_t>(bytes.data()) ^ value;
        value = 0;
        for (std::size_t i = 0; i < 8; i++) value ^= kTables[7 - i][eight >> 8 * i & 0xFF];
    }
    for (std::byte byte : bytes) value = value >> 8 ^ kTables[0][(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
    return value;
}

#if defined(__x86_64__)
constexpr std::size_t kLane = 4 << 10;    // the instruction has three times the throughput that one chain of it can use
constexpr std::uint32_t kLaneShift = ShiftBy(kLane);

__attribute__((target("sse4.2"))) std::uint32_t ByInstruction(std::uint32_t value, ByteView bytes) {
    auto at = [](const std::byte *from) {
        std::uint64_t eight;
        std::memcpy(&eight, from, sizeof eight);
        return eight;
    };
    std::uint64_t first = value;
    for (; bytes.size() >= 3 * kLane; bytes = bytes.subspan(3 * kLane)) {
        std::uint64_t second = 0, third = 0;
        for (const std::byte *p = bytes.data(), *end = p + kLane; p != end; p += 8) {
            first = _mm_crc32_u64(first, at(p));
            second = _mm_crc32_u64(second, at(p + kLane));
            third = _mm_crc32_u64(third, at(p + 2 * kLane));
        }
        first = Product(kLaneShift, static_cast<std::uint32_t>(first)) ^ second;
        first = Product(kLaneShift, static_cast<std::uint32_t>(first)) ^ third;
    }
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) first = _mm_crc32_u64(first, at(bytes.data()));
    auto narrow = static_cast<std::uint32_t>(first);
    for (std::byte byte : bytes) narrow = _mm_crc32_u8(narrow, std::to_integer<unsigned char>(byte));
    return narrow;
}

bool HasInstruction() {
    static const bool has = __builtin_cpu_supports("sse4.2");
    return has;
}
#endif

}    // namespace

std::uint32_t Crc32c(ByteView bytes) {
#if defined(__x86_64__)
    if (HasInstruction()) return ~ByInstruction(~0U, bytes);
#endif
    return ~ByTables(~0U, bytes);
}

std::uint32_t Crc32cOfBoth(std::uint32_t first, std::uint32_t second, std::uint64_t second_length) {
    return Product(ShiftBy(second_length), first) ^ second;
}

}    // namespace ark
