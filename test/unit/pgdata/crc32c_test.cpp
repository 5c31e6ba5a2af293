#include "pgdata/crc32c.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ark {
namespace {

// As the polynomial says, bit by bit.
std::uint32_t Slow(ByteView bytes) {
    std::uint32_t value = ~0U;
    for (std::byte byte : bytes) {
        value ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0x82F63B78 : 0);
    }
    return ~value;
}

Bytes Noise(std::size_t size) {
    SeededRandom random(size);
    Bytes bytes(size);
    random.Fill(bytes);
    return bytes;
}

TEST(Crc32c, IsTheSameForEveryLengthAndPlace) {
    Bytes noise = Noise(100'000);
    for (std::size_t length : {0, 1, 7, 8, 9, 63, 4095, 4096, 12'287, 12'288, 12'289, 24'576, 24'577, 99'990})
        for (std::size_t at : {0, 1, 5, 8})
            EXPECT_EQ(Crc32c(ByteView(noise).subspan(at, length)), Slow(ByteView(noise).subspan(at, length)))
                << length << " bytes at " << at;
}

TEST(Crc32c, OfTwoHalvesIsThatOfTheWhole) {
    Bytes noise = Noise(70'000);
    ByteView all(noise);
    for (std::size_t cut : {0, 1, 8, 8192, 65'536, 69'999, 70'000})
        EXPECT_EQ(Crc32cOfBoth(Crc32c(all.first(cut)), Crc32c(all.subspan(cut)), all.size() - cut), Crc32c(all)) << cut;
}

TEST(Crc32c, OfALargeFileOfZerosComesFromItsPieces) {
    auto zeros = [](std::uint64_t length) {    // by doubling
        std::uint32_t crc = Crc32c(Bytes(8192));
        for (std::uint64_t at = 8192; at < length; at *= 2) crc = Crc32cOfBoth(crc, crc, at);
        return crc;
    };
    constexpr std::uint64_t kHalf = std::uint64_t{16} << 30;    // its bits need more than 32 bits
    std::uint32_t one = Crc32c(AsBytes("x"));
    EXPECT_EQ(Crc32cOfBoth(one, zeros(2 * kHalf), 2 * kHalf),
              Crc32cOfBoth(Crc32cOfBoth(one, zeros(kHalf), kHalf), zeros(kHalf), kHalf));
    EXPECT_EQ(zeros(65'536), Slow(Bytes(65'536)));
}

}    // namespace
}    // namespace ark
