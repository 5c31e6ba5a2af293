#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/encoding.h"
#include "storage/s3/sigv4.h"

namespace ark::s3 {
namespace {

const std::string kEmptyDigest = Sha256Hex({});

// The examples of "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".
struct Example {
    std::string name, method, path;
    Fields query, headers;
    std::string payload;
    std::string canonical_digest, signature;
};

class Published : public testing::TestWithParam<Example> {
protected:
    SigningScope scope{ParseTime("2013-05-24T00:00:00Z"), "us-east-1"};
    SigningKey key{"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), {}};
};

TEST_P(Published, StageByStage) {
    const Example &example = GetParam();
    std::string payload = Sha256Hex(AsBytes(example.payload));
    Fields headers = example.headers;
    headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
    Fields signed_headers = headers;
    signed_headers.emplace_back("x-amz-date", "20130524T000000Z");
    signed_headers.emplace_back("x-amz-content-sha256", payload);

    std::string canonical = CanonicalRequest(example.method, example.path, example.query, signed_headers, payload);
    EXPECT_EQ(Sha256Hex(AsBytes(canonical)), example.canonical_digest) << canonical;
    std::string to_sign = StringToSign(canonical, scope);
    EXPECT_EQ(to_sign,
              "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n" + example.canonical_digest);
    EXPECT_EQ(Signature(to_sign, key.secret_key, scope), example.signature);

    Sign(example.method, example.path, example.query, payload, key, scope, headers);
    EXPECT_EQ(*Find(headers, "Authorization"),
              "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" +
                  SignedHeaders(signed_headers) + ",Signature=" + example.signature);
}

INSTANTIATE_TEST_SUITE_P(Aws, Published,
                         testing::Values(Example{"GetObject",
                                                 "GET",
                                                 "/test.txt",
                                                 {},
                                                 {{"Range", "bytes=0-9"}},
                                                 "",
                                                 "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
                                                 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
                                         Example{"PutObject",
                                                 "PUT",
                                                 EncodePath("/test$file.text"),
                                                 {},
                                                 {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                                  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                                                 "Welcome to Amazon S3.",
                                                 "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
                                                 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
                                         Example{"GetBucketLifecycle",
                                                 "GET",
                                                 "/",
                                                 {{"lifecycle", ""}},
                                                 {},
                                                 "",
                                                 "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
                                                 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
                                         Example{"ListObjects",
                                                 "GET",
                                                 "/",
                                                 {{"prefix", "J"}, {"max-keys", "2"}},
                                                 {},
                                                 "",
                                                 "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
                                                 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}),
                         [](const auto &test) { return test.param.name; });

TEST(Sigv4, EncodesEveryByteOfAKeyOnce) {
    EXPECT_EQ(EncodePath("/a b+c%d~e*f'g(h)i/j//k"), "/a%20b%2Bc%25d~e%2Af%27g%28h%29i/j//k");
    EXPECT_EQ(EncodePath("/é/日本/%20"), "/%C3%A9/%E6%97%A5%E6%9C%AC/%2520");
    std::string every = "/", expected = "/";
    for (int c = 1; c < 256; c++) {
        every += static_cast<char>(c);
        bool plain =
            std::isalnum(c) != 0 || std::string_view("-._~/").find(static_cast<char>(c)) != std::string_view::npos;
        if (plain && c < 128)
            expected += static_cast<char>(c);
        else
            expected += "%" + PercentEncode(std::string(1, static_cast<char>(c))).substr(1);
    }
    EXPECT_EQ(EncodePath(every), expected);
    EXPECT_EQ(EncodePath(every).find(' '), std::string::npos);
}

TEST(Sigv4, KeepsDotsAndDoubleSlashesInThePath) {
    std::string canonical =
        CanonicalRequest("GET", EncodePath("/bucket//a/../b/./c"), {}, {{"host", "h"}}, kEmptyDigest);
    EXPECT_TRUE(canonical.starts_with("GET\n/bucket//a/../b/./c\n\n"));
}

TEST(Sigv4, SortsTheQueryByItsEncodedNames) {
    EXPECT_EQ(CanonicalQuery({{"uploads", ""}, {"a b", "x/y"}, {"A", "1"}, {"a+", ""}}),
              "A=1&a%20b=x%2Fy&a%2B=&uploads=");
}

TEST(Sigv4, TrimsHeaderValuesAndSortsTheirNames) {
    EXPECT_EQ(CanonicalRequest("GET", "/", {}, {{"X-Amz-B", "  a   b "}, {"Host", "h"}}, "d"),
              "GET\n/\n\nhost:h\nx-amz-b:a b\n\nhost;x-amz-b\nd");
}

TEST(Sigv4, SignsTheSessionToken) {
    Fields headers{{"host", "h"}};
    Sign("GET", "/", {}, kEmptyDigest, {"id", Secret("secret"), Secret("token")},
         {ParseTime("2026-01-16T08:00:00Z"), "eu-central-1"}, headers);
    EXPECT_EQ(*Find(headers, "x-amz-security-token"), "token");
    EXPECT_NE(Find(headers, "Authorization")
                  ->find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"),
              std::string::npos);
}

}    // namespace
}    // namespace ark::s3
