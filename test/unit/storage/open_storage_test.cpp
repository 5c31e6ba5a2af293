#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/storage.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

using ::testing::HasSubstr;

std::vector<StoreSettings> Parse(std::string_view text) { return ParseStoreList(text, "1.3", 5); }

Error Refusal(const std::function<void()> &act) {
    try {
        act();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        return error;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::kInternal, "");
}

TEST(ParseStoreListTest, NamesAreGivenOrDerived) {
    auto stores = Parse(
        " s3://bucket/prefix?region=eu-central-1&name=eu ,file:///var/backups/ark/,s3://other ,\n "
        "file:///mnt/a%2Cb%20c?name=nas&ack=async, memory://m");
    ASSERT_EQ(stores.size(), 5u);
    EXPECT_EQ(stores[0].name, "eu");
    EXPECT_EQ(stores[0].url, "s3://bucket/prefix?region=eu-central-1&name=eu");
    EXPECT_EQ(stores[0].tls_min_version, "1.3");
    EXPECT_EQ(stores[0].max_rate, 5u);
    EXPECT_EQ(stores[1].name, "ark");
    EXPECT_EQ(stores[2].name, "other");
    EXPECT_EQ(stores[3].name, "nas");
    EXPECT_EQ(stores[4].name, "m");
}

TEST(ParseStoreListTest, DuplicateNamesAreRefused) {
    Error error = Refusal([] { Parse("s3://bucket/one,s3://bucket/two"); });
    EXPECT_THAT(error.message, HasSubstr("\"bucket\""));
    EXPECT_THAT(error.hint, HasSubstr("name="));
    EXPECT_EQ(Parse("s3://bucket/one,s3://bucket/two?name=two").size(), 2u);
}

TEST(ParseStoreListTest, FaultsAreNamed) {
    EXPECT_THAT(Refusal([] { Parse(" , "); }).message, HasSubstr("list of stores is empty"));
    EXPECT_THAT(Refusal([] { Parse(""); }).hint, HasSubstr("ark.store"));
    EXPECT_THAT(Refusal([] { Parse("ftp://host/x"); }).message, HasSubstr("no kind of store \"ftp\""));
    EXPECT_THAT(Refusal([] { Parse("s3:///prefix"); }).message, HasSubstr("not the name of a bucket"));
    EXPECT_THAT(Refusal([] { Parse("file://var/backups"); }).hint, HasSubstr("three slashes"));
    EXPECT_THAT(Refusal([] { Parse("file:///"); }).message, HasSubstr("names no directory"));
    EXPECT_THAT(Refusal([] { Parse("memory://a/b"); }).message, HasSubstr("memory"));
    EXPECT_THAT(Refusal([] { Parse("file:///x?ack=maybe"); }).hint, HasSubstr("ack=async"));
    EXPECT_THAT(Refusal([] { Parse("file:///x?name="); }).message, HasSubstr("name is empty"));
    Error error = Refusal([] { Parse("s3://b?regoin=x"); });
    EXPECT_THAT(error.message, HasSubstr("\"regoin\""));
    for (const char *known : {"name", "region", "endpoint", "profile", "path_style", "sse", "kms_key", "storage_class",
                              "ca_file", "max_parts", "ack"})
        EXPECT_THAT(error.hint, HasSubstr(known));
    EXPECT_THAT(Refusal([] { Parse("file:///x?region=y"); }).hint, HasSubstr("ack, name"));
}

TEST(OpenStorageTest, FileStoreWorksAndContactsNothingBefore) {
    TemporaryDirectory directory;
    std::string root = (directory.path() / "a store").string();
    StoragePtr storage = OpenStorage({"file://" + (directory.path() / "a%20store/").string()}, NeverCancelled());
    EXPECT_FALSE(std::filesystem::exists(root));
    EXPECT_EQ(storage->Describe(), "file://" + (directory.path() / "a%20store").string());
    EXPECT_TRUE(PutNew(*storage, "x/y", AsBytes("z")));
    EXPECT_TRUE(std::filesystem::exists(root + "/x/y"));
}

TEST(OpenStorageTest, MemoryStoresAreKnownByName) {
    StoragePtr one = OpenStorage({"memory://open-test-1"}, NeverCancelled()),
               same = OpenStorage({"memory://open-test-1"}, NeverCancelled());
    StoragePtr other = OpenStorage({"memory://open-test-2"}, NeverCancelled());
    PutNew(*one, "x", AsBytes("1"));
    EXPECT_TRUE(same->Stat("x"));
    EXPECT_FALSE(other->Stat("x"));
}

TEST(OpenStorageTest, MaxRateSlows) {
    StoragePtr storage = OpenStorage({.url = "memory://open-test-3", .max_rate = 1'000'000}, NeverCancelled());
    auto start = std::chrono::steady_clock::now();
    PutNew(*storage, "x", Bytes(400'000));
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
}

TEST(OpenStorageTest, CancellationReachesTheDriver) {
    FlagTicker ticker;
    StoragePtr storage = OpenStorage({"memory://open-test-4"}, ticker);
    ticker.Cancel();
    try {
        PutNew(*storage, "x", AsBytes("1"));
        ADD_FAILURE() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kCancelled);
    }
}

}    // namespace
}    // namespace ark::test
