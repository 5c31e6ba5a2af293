#include "base/encoding.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"

namespace ark {
namespace {

Bytes EveryByte() {
    Bytes bytes(256);
    for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::byte>(i);
    return bytes;
}

template <class Fn>
void ExpectRefused(Fn decode, std::string_view text) {
    try {
        decode(text);
        ADD_FAILURE() << "accepted: " << text;
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
    }
}

TEST(HexTest, Rfc4648Vectors) {
    EXPECT_EQ(HexEncode(AsBytes("")), "");
    EXPECT_EQ(HexEncode(AsBytes("f")), "66");
    EXPECT_EQ(HexEncode(AsBytes("foobar")), "666f6f626172");
    EXPECT_EQ(AsText(HexDecode("666F6f626172")), "foobar");
}

TEST(HexTest, EveryByteComesBack) {
    Bytes all = EveryByte();
    EXPECT_EQ(HexDecode(HexEncode(all)), all);
    EXPECT_EQ(HexEncode(all).substr(0, 8), "00010203");
    EXPECT_EQ(HexEncode(all).substr(506), "fdfeff");
}

TEST(HexTest, BrokenTextIsRefused) {
    for (std::string_view text : {"0", "0g", "g0", " 00", "0x00", "00 ", "\xff\xff"})
        ExpectRefused([](auto t) { return HexDecode(t); }, text);
}

TEST(Base64Test, Rfc4648Vectors) {
    const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
    for (auto [plain, encoded] : vectors) {
        EXPECT_EQ(Base64Encode(AsBytes(plain)), encoded);
        EXPECT_EQ(AsText(Base64Decode(encoded)), plain);
    }
}

TEST(Base64Test, EveryByteAndEveryLengthComeBack) {
    Bytes all = EveryByte();
    for (std::size_t n = 0; n <= all.size(); n++) {
        Bytes part(all.end() - static_cast<std::ptrdiff_t>(n), all.end());
        EXPECT_EQ(Base64Decode(Base64Encode(part)), part);
    }
}

TEST(Base64Test, BrokenTextIsRefused) {
    for (std::string_view text :
         {"Z", "Zg", "Zg=", "Z===", "====", "Zg=g", "Zg==Zg==", "Zm9v\n", "Zm9-", "Zm9_", " Zm9", "Zh==", "Zm9="})
        ExpectRefused([](auto t) { return Base64Decode(t); }, text);
}

TEST(PercentTest, EveryByteComesBack) {
    std::string all(AsText(EveryByte()));
    EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
    EXPECT_EQ(PercentDecode(PercentEncode(all, true)), all);
    std::string plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    EXPECT_EQ(PercentEncode(plain), plain);
    for (char c : all) EXPECT_EQ(PercentEncode(std::string(1, c)).size(), plain.find(c) == std::string::npos ? 3u : 1u);
    EXPECT_EQ(PercentEncode("a/b +\xC3\xBC"), "a%2Fb%20%2B%C3%BC");
    EXPECT_EQ(PercentEncode("a/b", true), "a/b");
    EXPECT_EQ(PercentDecode("a+b%2fc%2F"), "a+b/c/");
}

TEST(PercentTest, BrokenEscapesAreRefused) {
    for (std::string_view text : {"%", "%4", "a%", "a%4", "%g0", "%0g", "%%41"})
        ExpectRefused([](auto t) { return PercentDecode(t); }, text);
}

TEST(Utf8Test, ValidText) {
    for (std::string_view text :
         {"", "a", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
          "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xC3\xA4pfel"})
        EXPECT_TRUE(IsValidUtf8(text)) << HexEncode(AsBytes(text));
    EXPECT_TRUE(IsValidUtf8(std::string_view("a\0b", 3)));
}

TEST(Utf8Test, InvalidText) {
    // Lone continuation, overlong forms, surrogates, beyond U+10FFFF, cut off, wrong continuation.
    for (std::string_view text : {"\x80",
                                  "\xBF",
                                  "\xC0\x80",
                                  "\xC1\xBF",
                                  "\xE0\x80\x80",
                                  "\xE0\x9F\xBF",
                                  "\xF0\x80\x80\x80",
                                  "\xF0\x8F\xBF\xBF",
                                  "\xED\xA0\x80",
                                  "\xED\xBF\xBF",
                                  "\xF4\x90\x80\x80",
                                  "\xF5\x80\x80\x80",
                                  "\xFE",
                                  "\xFF",
                                  "\xC3",
                                  "\xE2\x82",
                                  "\xF0\x9F\x98",
                                  "a\xC3",
                                  "\xC3(",
                                  "\xE2(\xA1",
                                  "\xE2\x82(",
                                  "\xF0(\x8C\xBC",
                                  "\xF0\x90(\xBC",
                                  "\xF0\x90\x8C("})
        EXPECT_FALSE(IsValidUtf8(text)) << HexEncode(AsBytes(text));
}

// Against an independent statement of the rule: decode, then encode again.
TEST(Utf8Test, AgreesWithEncodingEveryCodePoint) {
    auto encode = [](std::uint32_t c) {
        std::string out;
        if (c < 0x80) return std::string(1, static_cast<char>(c));
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
        out += static_cast<char>(kLead[more] | c >> 6 * more);
        while (more-- > 0) out += static_cast<char>(0x80 | (c >> 6 * more & 0x3F));
        return out;
    };
    for (std::uint32_t c = 0; c < 0x120000; c++) {
        bool valid = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        ASSERT_EQ(IsValidUtf8(encode(c)), valid) << c;
    }
}

TEST(BytesTest, BigEndianNumbers) {
    std::byte raw[8];
    PutBigEndian<std::uint64_t>(raw, 0x0123456789ABCDEF);
    EXPECT_EQ(HexEncode(raw), "0123456789abcdef");
    EXPECT_EQ(GetBigEndian<std::uint64_t>(raw), 0x0123456789ABCDEFu);
    EXPECT_EQ(GetBigEndian<std::uint32_t>(raw), 0x01234567u);
    EXPECT_EQ(GetBigEndian<std::uint16_t>(raw + 6), 0xCDEFu);
}

TEST(RandomTest, SeededIsRepeatableAndSystemIsNot) {
    SeededRandom a(5), b(5), c(6);
    std::string first = a.Hex(16);
    EXPECT_EQ(first, b.Hex(16));
    EXPECT_NE(first, c.Hex(16));
    EXPECT_NE(first, a.Hex(16));
    EXPECT_EQ(first.size(), 32u);
    EXPECT_NE(SystemRandom().Hex(16), SystemRandom().Hex(16));
    EXPECT_EQ(SystemRandom().Hex(0), "");
}

TEST(RandomTest, BelowIsUniform) {
    SeededRandom random(1);
    std::array<int, 10> counts{};
    for (int i = 0; i < 100'000; i++) counts[random.Below(10)]++;
    for (int count : counts) {
        EXPECT_GT(count, 9'500);
        EXPECT_LT(count, 10'500);
    }
    EXPECT_EQ(random.Below(1), 0u);
    std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
    EXPECT_LT(random.Below(huge), huge);
}

}    // namespace
}    // namespace ark
