#include "codec/compress.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"

namespace ark {
namespace {

Bytes Repeating(std::size_t size) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; i++) out[i] = static_cast<std::byte>(i % 251 * (i / 4096 % 7));
    return out;
}

class EveryKind : public testing::TestWithParam<const char *> {};

TEST_P(EveryKind, GivesBackWhatItWasGivenFrameAfterFrame) {
    Compression compression = ParseCompression(GetParam());
    Compressor compressor(compression);
    Decompressor decompressor(compression.kind);
    SeededRandom random(1);
    for (std::size_t size : {0, 1, 17, 4096, 300'000, 70, 5'000'000, 12'000'000, 12'000'001, 99}) {
        Bytes plain = Repeating(size), stored = ToBytes("before"), back;
        if (size % 2 == 1) random.Fill(plain);
        compressor.Compress(plain, stored);
        EXPECT_EQ(AsText(ByteView(stored).first(6)), "before");
        decompressor.Decompress(ByteView(stored).subspan(6), size, back);
        EXPECT_EQ(back, plain) << size;
    }
}

TEST_P(EveryKind, RefusesAnotherSizeThanExpected) {
    Compression compression = ParseCompression(GetParam());
    Bytes plain = Repeating(10'000), stored, back;
    Compressor(compression).Compress(plain, stored);
    for (std::uint64_t size : {0, 9'999, 10'001, 20'000})
        EXPECT_THROW(Decompressor(compression.kind).Decompress(stored, size, back), Error) << size;
}

TEST_P(EveryKind, RefusesBytesThatAreMissingOrLeftOver) {
    Compression compression = ParseCompression(GetParam());
    Bytes plain = Repeating(10'000), stored, back;
    Compressor(compression).Compress(plain, stored);
    Decompressor decompressor(compression.kind);
    for (std::size_t cut = 1; cut <= stored.size(); cut += 1 + stored.size() / 100) {
        Bytes shorter(stored.begin(), stored.end() - static_cast<std::ptrdiff_t>(cut));
        EXPECT_THROW(decompressor.Decompress(shorter, plain.size(), back), Error) << cut;
    }
    Bytes longer = stored;
    longer.push_back(std::byte{0});
    EXPECT_THROW(decompressor.Decompress(longer, plain.size(), back), Error);
    decompressor.Decompress(stored, plain.size(), back);    // and works on after failures
    EXPECT_EQ(back, plain);
}

INSTANTIATE_TEST_SUITE_P(Compress, EveryKind, testing::Values("zstd:1", "zstd", "zstd:9", "gzip:1", "gzip", "none"));

TEST(Compress, TakesTheSizeOfAFrameFromNowhereButItsCaller) {
    Compressor zstd(ParseCompression("zstd"));
    Bytes stored;
    zstd.Compress(Repeating(5000), stored);
    EXPECT_EQ(ZstdContentSize(stored, 5000), 5000u);
    EXPECT_THROW(ZstdContentSize(stored, 4999), Error);
    EXPECT_THROW(ZstdContentSize(AsBytes("nonsense"), 5000), Error);
}

// Whoever decompresses needs no digest of the plain bytes to find one that has changed.
TEST(Compress, FramesOfZstdAndGzipCarryAChecksum) {
    for (const char *kind : {"zstd", "zstd:1", "gzip"}) {
        Compression compression = ParseCompression(kind);
        Bytes plain = Repeating(200'000), stored, back;
        Compressor(compression).Compress(plain, stored);
        stored[stored.size() - (compression.kind == CompressionKind::kGzip ? 8 : 1)] ^= std::byte{1};
        EXPECT_THROW(Decompressor(compression.kind).Decompress(stored, plain.size(), back), Error) << kind;
    }
}

// zstd has other parameters for what is between 128 and 256 KiB, ours come from what is larger: at every border all comes back.
TEST(Compress, FramesAtTheBordersOfParametersComeBack) {
    Compressor compressor(ParseCompression("zstd"));
    Decompressor decompressor(CompressionKind::kZstd);
    for (std::size_t size : {131'072, 131'073, 262'144, 262'145, 16'384, 200'000, 1'048'576}) {
        Bytes plain = Repeating(size), stored, back;
        compressor.Compress(plain, stored);
        decompressor.Decompress(stored, size, back);
        EXPECT_EQ(back, plain) << size;
    }
}

TEST(Compress, ParsesWhatPeopleWriteAndNothingElse) {
    EXPECT_EQ(ParseCompression("zstd").level, 3);
    EXPECT_EQ(ParseCompression("zstd:19").level, 19);
    EXPECT_EQ(ParseCompression("gzip").level, 6);
    EXPECT_EQ(ParseCompression("none").Name(), "none");
    for (const char *wrong :
         {"", "lz4", "zstd:", "zstd:0", "zstd:20", "zstd:3x", "gzip:10", "none:1", "zstd:-1", "ZSTD"})
        EXPECT_THROW(ParseCompression(wrong), Error) << wrong;
    EXPECT_THROW(CompressionKindFromName("lz4"), Error);
}

}    // namespace
}    // namespace ark
