#include "codec/encrypt.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

Nonce NonceOf(std::string_view hex) {
    Nonce nonce;
    std::ranges::copy(HexDecode(hex), nonce.begin());
    return nonce;
}

struct GcmCase {
    const char *key, *nonce, *associated, *plain, *sealed;
};

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", test cases 13 to 16: the 256-bit vectors that NIST took over.
const GcmCase kGcmCases[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657b"
     "a637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0ab"
     "cc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657b"
     "a637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0ab"
     "cc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(Encrypt, SealsAndOpensThePublishedVectors) {
    for (const GcmCase &one : kGcmCases) {
        Key key(HexDecode(one.key));
        std::string associated(AsText(HexDecode(one.associated)));
        Bytes sealed, plain;
        GcmSeal(key, NonceOf(one.nonce), associated, HexDecode(one.plain), sealed);
        EXPECT_EQ(HexEncode(sealed), one.sealed);
        GcmOpen(key, NonceOf(one.nonce), associated, sealed, plain);
        EXPECT_EQ(HexEncode(plain), one.plain);
    }
}

TEST(Encrypt, AppendsToWhatIsThere) {
    Bytes sealed = ToBytes("before");
    GcmSeal(Key(), NumberNonce(1), "place", AsBytes("text"), sealed);
    EXPECT_EQ(AsText(ByteView(sealed).first(6)), "before");
    EXPECT_EQ(sealed.size(), 6 + 4 + kGcmTagSize);
}

TEST(Encrypt, DetectsEveryFlippedBitAndEveryTruncation) {
    Key key(AsBytes("0123456789abcdef0123456789abcdef"));
    Bytes sealed, plain;
    GcmSeal(key, NumberNonce(7), "place", AsBytes("some rows of a table"), sealed);
    for (std::size_t bit = 0; bit < sealed.size() * 8; bit++) {
        Bytes altered = sealed;
        altered[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        EXPECT_THROW(GcmOpen(key, NumberNonce(7), "place", altered, plain), Error) << bit;
        EXPECT_TRUE(plain.empty());
    }
    for (std::size_t length = 0; length < sealed.size(); length++)
        EXPECT_THROW(GcmOpen(key, NumberNonce(7), "place", ByteView(sealed).first(length), plain), Error) << length;
}

TEST(Encrypt, BindsBytesToTheirKeyNumberAndPlace) {
    Key key(AsBytes("0123456789abcdef0123456789abcdef")), other(AsBytes("0123456789abcdef0123456789abcdeX"));
    Bytes sealed, plain;
    GcmSeal(key, NumberNonce(7), "place", AsBytes("text"), sealed);
    EXPECT_THROW(GcmOpen(other, NumberNonce(7), "place", sealed, plain), Error);
    EXPECT_THROW(GcmOpen(key, NumberNonce(8), "place", sealed, plain), Error);
    EXPECT_THROW(GcmOpen(key, NumberNonce(7), "places", sealed, plain), Error);
    GcmOpen(key, NumberNonce(7), "place", sealed, plain);
    EXPECT_EQ(AsText(plain), "text");
}

TEST(Encrypt, CountsNoncesBigEndian) { EXPECT_EQ(HexEncode(NumberNonce(0x0102030405)), "000000000000000102030405"); }

TEST(Encrypt, RefusesKeysOfAnotherLength) {
    EXPECT_THROW(Key(AsBytes("short")), Error);
    EXPECT_THROW(Key(Bytes(33)), Error);
}

// RFC 5869, appendix A.1 to A.3, the first 32 bytes of each output.
TEST(Hkdf, DerivesThePublishedVectors) {
    EXPECT_EQ(HexEncode(Hkdf(HexDecode("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                             HexDecode("000102030405060708090a0b0c"), AsText(HexDecode("f0f1f2f3f4f5f6f7f8f9")))
                            .bytes()),
              "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    auto count = [](int from, int to) {
        Bytes out;
        for (int i = from; i <= to; i++) out.push_back(static_cast<std::byte>(i));
        return out;
    };
    Bytes info = count(0xb0, 0xff);
    EXPECT_EQ(HexEncode(Hkdf(count(0x00, 0x4f), count(0x60, 0xaf), AsText(info)).bytes()),
              "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
    EXPECT_EQ(HexEncode(Hkdf(HexDecode("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), {}, "").bytes()),
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

}    // namespace
}    // namespace ark
