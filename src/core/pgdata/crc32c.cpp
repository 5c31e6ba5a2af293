#include "pgdata/crc32c.h"

#include <array>

namespace ark {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> MakeTable() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; byte++) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? kReflectedPolynomial : 0);
        table[byte] = value;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> kTable = MakeTable();

}    // namespace

std::uint32_t Crc32c(ByteView bytes) {
    std::uint32_t value = 0xFFFFFFFF;
    for (std::byte byte : bytes) value = value >> 8 ^ kTable[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
    return value ^ 0xFFFFFFFF;
}

}    // namespace ark
