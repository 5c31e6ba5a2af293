#include "base/digest.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

std::string Stream(std::string_view text, std::size_t step) {
    Sha256Stream digest;
    for (std::size_t at = 0; at < text.size(); at += step) digest.Update(AsBytes(text.substr(at, step)));
    return HexEncode(digest.Finish());
}

// FIPS 180-4 examples (csrc.nist.gov), and the empty message.
TEST(Sha256Test, FipsVectors) {
    const std::pair<std::string, std::string_view> vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
    for (const auto &[text, expected] : vectors) {
        EXPECT_EQ(Sha256Hex(AsBytes(text)), expected);
        EXPECT_EQ(HexEncode(Sha256(AsBytes(text))), expected);
        EXPECT_EQ(Stream(text, 63), expected);
        EXPECT_EQ(Stream(text, 64), expected);
        EXPECT_EQ(Stream(text, 1000), expected);
    }
}

TEST(Sha256Test, AStreamCanBeMoved) {
    Sha256Stream one;
    one.Update(AsBytes("a"));
    Sha256Stream two = std::move(one);
    two.Update(AsBytes("bc"));
    one = Sha256Stream();
    one.Update(AsBytes("abc"));
    EXPECT_EQ(one.Finish(), two.Finish());
}

// RFC 4231, test cases 1 to 4, 6 and 7.
TEST(HmacTest, Rfc4231Vectors) {
    struct Vector {
        std::string key, data, expected;
    };
    auto hex = [](std::string_view text) { return std::string(AsText(HexDecode(text))); };
    const Vector vectors[] = {
        {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {std::string(20, '\xaa'), std::string(50, '\xdd'),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd'),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {std::string(131, '\xaa'),
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
         "hashed before being used by "
         "the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};
    for (const Vector &v : vectors) EXPECT_EQ(HexEncode(HmacSha256(AsBytes(v.key), AsBytes(v.data))), v.expected);
    EXPECT_EQ(HexEncode(HmacSha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 1321, appendix A.5.
TEST(Md5Test, Rfc1321Vectors) {
    EXPECT_EQ(HexEncode(Md5({})), "d41d8cd98f00b204e9800998ecf8427e");
    EXPECT_EQ(HexEncode(Md5(AsBytes("abc"))), "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(HexEncode(Md5(AsBytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
}

}    // namespace
}    // namespace ark
