#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/s3/client.h"
#include "storage/s3/multipart.h"

namespace ark {
namespace {

S3Settings Parse(const std::string &url, const std::string &region = "") {
    return ParseS3Settings(ParseUrl(url), "1.2", region);
}

std::string Complaint(const std::string &url) {
    try {
        Parse(url);
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        EXPECT_FALSE(error.hint.empty());
        return error.message;
    }
    return "none";
}

TEST(S3Settings, TakesAllParametersOfTheUrl) {
    S3Settings settings = Parse(
        "s3://bucket/a/b/?name=eu&region=eu-central-1&profile=p&kms_key=k&storage_class=STANDARD_IA&ca_file=/etc/"
        "ca.pem&"
        "max_parts=1000&ack=async&path_style=on");
    EXPECT_EQ(settings.bucket, "bucket");
    EXPECT_EQ(settings.prefix, "a/b");
    EXPECT_EQ(settings.region, "eu-central-1");
    EXPECT_EQ(settings.profile, "p");
    EXPECT_EQ(settings.sse, "aws:kms");
    EXPECT_EQ(settings.kms_key, "k");
    EXPECT_EQ(settings.storage_class, "STANDARD_IA");
    EXPECT_EQ(settings.http.ca_file, "/etc/ca.pem");
    EXPECT_EQ(settings.max_parts, 1000u);
    EXPECT_TRUE(settings.path_style);
    EXPECT_EQ(settings.Describe(), "s3://bucket/a/b");
}

TEST(S3Settings, TakesTheRegionFromTheUrlThenFromTheAwsToolsThenUsEast1) {
    EXPECT_EQ(Parse("s3://bucket?region=eu-west-1", "ap-south-1").region, "eu-west-1");
    EXPECT_EQ(Parse("s3://bucket", "ap-south-1").region, "ap-south-1");
    EXPECT_EQ(Parse("s3://bucket").region, "us-east-1");
}

TEST(S3Settings, RefusesWhatItDoesNotUnderstand) {
    EXPECT_EQ(Complaint("s3://bucket?regoin=x"), "store parameter \"regoin\" is not known");
    EXPECT_EQ(Complaint("s3://bucket?region=evil.example/"), "store parameter region=\"evil.example/\" is not valid");
    EXPECT_EQ(Complaint("s3://b"), "\"b\" is not the name of a bucket");
    EXPECT_EQ(Complaint("s3://bucket?path_style=maybe"), "store parameter path_style=\"maybe\" is not valid");
    EXPECT_EQ(Complaint("s3://bucket?sse=rot13"), "store parameter sse=\"rot13\" is not valid");
    EXPECT_EQ(Complaint("s3://bucket?sse=AES256&kms_key=k"), "store parameter kms_key=\"k\" is not valid");
    EXPECT_EQ(Complaint("s3://bucket?max_parts=9"), "store parameter max_parts=\"9\" is not valid");
    EXPECT_EQ(Complaint("s3://bucket?endpoint=ftp://x"), "store parameter endpoint=\"ftp://x\" is not valid");
    EXPECT_EQ(Complaint("s3://bucket?endpoint=https://x/path"),
              "store parameter endpoint=\"https://x/path\" is not valid");
    EXPECT_NE(Complaint("s3://localhost:9000/bucket"), "none");
}

struct Where {
    std::string origin, path;
};
Where AddressFor(const std::string &url, const std::string &key) {
    S3Settings settings = Parse(url);
    s3::Address address = s3::AddressOf(settings, settings.region, key);
    EXPECT_TRUE(address.origin.ends_with("://" + address.host));
    return {address.origin, address.path};
}

TEST(S3Address, UsesVirtualHostsOnAmazonAndPathsElsewhere) {
    Where amazon = AddressFor("s3://bucket?region=eu-central-1", "a b");
    EXPECT_EQ(amazon.origin, "https://bucket.s3.eu-central-1.amazonaws.com");
    EXPECT_EQ(amazon.path, "/a%20b");
    Where dotted = AddressFor("s3://my.bucket", "");
    EXPECT_EQ(dotted.origin, "https://s3.us-east-1.amazonaws.com");
    EXPECT_EQ(dotted.path, "/my.bucket");
    EXPECT_EQ(AddressFor("s3://bucket?region=cn-north-1", "k").origin, "https://bucket.s3.cn-north-1.amazonaws.com.cn");
    Where other = AddressFor("s3://bucket?endpoint=http://127.0.0.1:9000", "k");
    EXPECT_EQ(other.origin, "http://127.0.0.1:9000");
    EXPECT_EQ(other.path, "/bucket/k");
    Where host = AddressFor("s3://bucket?endpoint=store.example:443&path_style=off", "k");
    EXPECT_EQ(host.origin, "https://bucket.store.example");
    EXPECT_EQ(host.path, "/k");
}

TEST(PartPlan, KnownSizesAreCutEvenlyAndNeverInTooManyParts) {
    EXPECT_EQ(s3::PartPlan(8 << 20, 10000, 100 << 20).SizeOf(1), 8u << 20);
    std::uint64_t size = 5ull << 40;
    EXPECT_GE(s3::PartPlan(8 << 20, 10000, size).SizeOf(1) * 10000ull, size);
    EXPECT_GE(s3::PartPlan(8 << 20, 1000, 1ull << 40).SizeOf(7) * 1000ull, 1ull << 40);
}

TEST(PartPlan, UnknownSizesGrowSoThat5TiBFit) {
    for (std::size_t max_parts : {10000u, 7000u, 5000u, 2000u}) {
        s3::PartPlan plan(8 << 20, max_parts, {});
        std::uint64_t sum = 0;
        for (std::size_t number = 1; number <= max_parts; number++) {
            sum += plan.SizeOf(number);
            EXPECT_GE(plan.SizeOf(number), 8u << 20);
            EXPECT_LE(plan.SizeOf(number), 5ull << 30);
        }
        EXPECT_GE(sum, 5ull << 40) << max_parts;
    }
    EXPECT_EQ(s3::PartPlan(8 << 20, 10000, {}).SizeOf(1000), 8u << 20);
    EXPECT_EQ(s3::PartPlan(8 << 20, 10000, {}).SizeOf(1001), 16u << 20);
    EXPECT_THROW(s3::PartPlan(8 << 20, 100, {}).SizeOf(102), Error);
}

}    // namespace
}    // namespace ark
