// The S3 driver against a real Ceph gateway over https: test/support/start_ceph_rgw makes one and DIR/env names it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

#include "base/encoding.h"
#include "base/random.h"
#include "storage/s3/put.h"
#include "storage/s3/s3_storage.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Ceph : public testing::Test {
protected:
    void SetUp() override {
        const char *endpoint = std::getenv("ARK_TEST_S3_ENDPOINT"), *ca = std::getenv("ARK_TEST_S3_CA"),
                   *bucket = std::getenv("ARK_TEST_S3_BUCKET");
        if (!endpoint || !ca || !bucket)
            GTEST_SKIP() << "set ARK_TEST_S3_ENDPOINT, ARK_TEST_S3_CA, ARK_TEST_S3_BUCKET and AWS keys";
        server_ = fmt::format("endpoint={}&ca_file={}", PercentEncode(endpoint), PercentEncode(ca));
        bucket_ = bucket;
    }

    void TearDown() override {
        if (!store_) return;
        std::vector<std::string> names;
        store_->List("", [&](const ObjectInfo &object) {
            names.push_back(object.name);
            return true;
        });
        store_->Remove(names);
    }

    StoragePtr Open(const std::string &bucket, const std::string &parameters = "") {
        std::string url = fmt::format("s3://{}/{}?{}{}", bucket, root_, server_, parameters);
        auto policy = std::make_shared<RetryPolicy>(RetrySettings{.deadline = 30s}, SystemClock(), SystemRandom(),
                                                    NeverCancelled());
        return MakeRetryStorage(OpenS3Storage({url}, ParseUrl(url), policy, SystemClock(), NeverCancelled()), policy);
    }
    Storage &Store() {
        if (!store_) store_ = Open(bucket_);
        return *store_;
    }

    static void Put(Storage &store, const std::string &name, std::string_view bytes) {
        MemorySource source(bytes);
        store.Put(name, source, PutMode::kCreate);
    }
    static Bytes Read(Storage &store, const std::string &name, Range range = {}) {
        auto reader = store.Open(name, range);
        Bytes all, block(1 << 20);
        while (std::size_t n = reader->Read(block)) Append(all, ByteView(block).first(n));
        return all;
    }
    template <class Fn>
    static Error Thrown(Fn fn) {
        try {
            fn();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(Code::kInternal, "");
    }
    static Bytes Pattern(std::size_t size) {
        Bytes bytes(size);
        SeededRandom(5).Fill(bytes);
        return bytes;
    }

    std::string server_, bucket_, root_ = "ceph-test/" + SystemRandom().Hex(8);
    StoragePtr store_;
};

// Pulled in odd pieces and of unknown size, as a compressor makes them.
class Stream : public Source {
public:
    explicit Stream(ByteView bytes) : bytes_(bytes) {}
    std::size_t Read(MutableBytes to) override {
        std::size_t n = std::min(to.size(), bytes_.size() - at_);
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), n, to.begin());
        at_ += n;
        return n;
    }

private:
    ByteView bytes_;
    std::size_t at_ = 0;
};

TEST_F(Ceph, HundredMegabytesComeBackWholeAndByRanges) {
    Bytes bytes = Pattern(100'000'001);
    Stream source(bytes);
    EXPECT_EQ(Store().Put("large", source, PutMode::kCreate).size, bytes.size());
    EXPECT_EQ(Store().Stat("large")->size, bytes.size());
    EXPECT_TRUE(Read(Store(), "large") == bytes);
    for (Range range : {Range{0, 1}, Range{8 << 20, 3}, Range{bytes.size() - 5, 100}, Range{50'000'000, 10'000'000},
                        Range{bytes.size(), 1}}) {
        std::size_t length = std::min<std::size_t>(*range.length, bytes.size() - range.offset);
        EXPECT_TRUE(std::ranges::equal(Read(Store(), "large", range), ByteView(bytes).subspan(range.offset, length)))
            << range.offset;
    }
    Stream again(bytes);
    EXPECT_EQ(Thrown([&] { Store().Put("large", again, PutMode::kCreate); }).code, Code::kAlreadyExists);
    EXPECT_EQ(Store().SweepUploads(0s), 0u) << "the refused upload was not aborted";
}

TEST_F(Ceph, ConditionalCreationIsProvenAndHeld) {
    EXPECT_TRUE(Store().Probe().conditional_create);
    Put(Store(), "a", "first");
    EXPECT_EQ(Thrown([&] { Put(Store(), "a", "second"); }).code, Code::kAlreadyExists);
    EXPECT_EQ(AsText(Read(Store(), "a")), "first");
}

// Once that is known, what was uploaded needs no MD5 for its proof.
TEST_F(Ceph, ABodyThatIsNotTheSignedOneIsRefused) {
    std::string url = fmt::format("s3://{}/{}?{}", bucket_, root_, server_);
    s3::Store store(
        ParseS3Settings(ParseUrl(url), "1.2", "us-east-1"),
        std::make_shared<RetryPolicy>(RetrySettings{}, SystemClock(), SystemRandom(), NeverCancelled()),
        s3::MakeFixedCredentials({std::getenv("AWS_ACCESS_KEY_ID"), Secret(std::getenv("AWS_SECRET_ACCESS_KEY")), {}},
                                 "the test"),
        SystemClock(), NeverCancelled());
    EXPECT_TRUE(s3::RefusesOtherBody(store));
    for (int i = 0; i < 12; i++) Put(Store(), fmt::format("{}", i), "small");
    for (int i = 0; i < 12; i++) EXPECT_EQ(AsText(Read(Store(), fmt::format("{}", i))), "small");
    int objects = 0;
    Store().List("", [&](const ObjectInfo &) { return ++objects > 0; });
    EXPECT_EQ(objects, 12);
}

TEST_F(Ceph, WrongKeysAndBucketsAreNamed) {
    std::string secret = std::getenv("AWS_SECRET_ACCESS_KEY"), key = std::getenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SECRET_ACCESS_KEY", "not-the-one", 1);
    StoragePtr wrong_secret = Open(bucket_);
    Error error = Thrown([&] { Put(*wrong_secret, "a", "x"); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr("HTTP 403 SignatureDoesNotMatch"));
    EXPECT_THAT(error.detail, HasSubstr("credentials from environment (AWS_ACCESS_KEY_ID)"));
    EXPECT_EQ((error.message + error.detail + error.hint).find("not-the-one"), std::string::npos);
    EXPECT_THAT(Thrown([&] { wrong_secret->Stat("a"); }).detail, HasSubstr("SignatureDoesNotMatch"));
    setenv("AWS_SECRET_ACCESS_KEY", secret.c_str(), 1);
    setenv("AWS_ACCESS_KEY_ID", "NOBODY", 1);
    EXPECT_THAT(Thrown([&] { Read(*Open(bucket_), "a"); }).detail, HasSubstr("InvalidAccessKeyId"));
    setenv("AWS_ACCESS_KEY_ID", key.c_str(), 1);

    StoragePtr nowhere = Open("no-such-bucket");
    EXPECT_EQ(Thrown([&] { Put(*nowhere, "a", "x"); }).code, Code::kNotFound);
    EXPECT_EQ(Thrown([&] { nowhere->Stat("a"); }).code, Code::kNotFound);
    EXPECT_EQ(Thrown([&] { Read(*nowhere, "a"); }).code, Code::kNotFound);
    EXPECT_THAT(Thrown([&] { nowhere->List("", [](const ObjectInfo &) { return true; }); }).hint,
                HasSubstr("Create the bucket"));
}

TEST_F(Ceph, AnUntrustedCertificateIsRefused) {
    std::string trusted = server_;
    server_ =
        server_.substr(0, server_.find("&ca_file")) + "&ca_file=" + PercentEncode(ARK_TEST_DATA "/other_authority.pem");
    Error error = Thrown([&] { Open(bucket_)->Stat("a"); });
    server_ = trusted;
    EXPECT_EQ(error.code, Code::kPermissionDenied) << error.message << ": " << error.detail;
    EXPECT_THAT(error.hint, HasSubstr("ca_file"));
}

TEST_F(Ceph, OddKeysSurviveEveryVerb) {
    std::vector<std::string> names{"a b+c%25~*'()!$&,;=:@[]{}|\\^`<>\"#?",
                                   "quote\"<&>'",
                                   "\x01 control \x1f",
                                   "unicode é 日本 🐘",
                                   "tab\tand\nline",
                                   "trailing "};
    for (const std::string &name : names) Put(Store(), name, name);
    std::vector<std::string> listed;
    Store().List("", [&](const ObjectInfo &object) {
        listed.push_back(object.name);
        return true;
    });
    std::ranges::sort(names);
    EXPECT_EQ(listed, names);
    for (const std::string &name : names) EXPECT_EQ(AsText(Read(Store(), name)), name);
    Store().Remove(names);
    for (const std::string &name : names) EXPECT_FALSE(Store().Stat(name)) << name;
}

TEST_F(Ceph, ListsAndRemoves2500Keys) {
    std::vector<std::string> names;
    for (int i = 0; i < 2500; i++) names.push_back(fmt::format("many/{:04}", i));
    Store();
    std::vector<std::future<void>> writers;
    for (std::size_t first = 0; first < 8; first++)
        writers.push_back(std::async(std::launch::async, [&, first] {
            for (std::size_t i = first; i < names.size(); i += 8) Put(*store_, names[i], "");
        }));
    for (std::future<void> &writer : writers) writer.get();
    std::vector<std::string> listed;
    Store().List("many/", [&](const ObjectInfo &object) {
        listed.push_back(object.name);
        return true;
    });
    EXPECT_EQ(listed, names);
    Store().Remove(names);
    Store().List("", [](const ObjectInfo &object) {
        ADD_FAILURE() << object.name << " is still there";
        return true;
    });
}

TEST_F(Ceph, EncryptionAndStorageClassReachTheObject) {
    std::string url = fmt::format("s3://{}/{}?{}", bucket_, root_, server_);
    Bytes bytes = Pattern(20 << 20);    // so large that it goes in parts
    for (std::string parameters : {"&sse=aws:kms&kms_key=testkey-1", "&storage_class=STANDARD_IA"}) {
        StoragePtr store = Open(bucket_, parameters);
        Put(*store, "small" + Sha256Hex(AsBytes(parameters)), "words");
        MemorySource source{ByteView(bytes)};
        std::string large = "large" + Sha256Hex(AsBytes(parameters));
        store->Put(large, source, PutMode::kCreate);
        EXPECT_TRUE(Read(*store, large) == bytes) << parameters;

        std::string full = url + parameters;
        S3Settings settings = ParseS3Settings(ParseUrl(full), "1.2", "");
        auto chain =
            s3::MakeDefaultChain({}, s3::ProcessEnvironment(NeverCancelled()), SystemClock(), NeverCancelled());
        s3::Store raw(settings, nullptr, chain, SystemClock(), NeverCancelled());
        for (const std::string &name : {large, "small" + Sha256Hex(AsBytes(parameters))}) {
            s3::HttpAnswer head = *s3::Head(raw, name);
            EXPECT_EQ(s3::HeaderOf(head, "x-amz-server-side-encryption"), settings.sse);
            EXPECT_EQ(s3::HeaderOf(head, "x-amz-storage-class"), settings.storage_class);
        }
        store_ = store;
    }
    // Ceph 16 passes over AES256 in silence; a backup must not believe that it is encrypted.
    EXPECT_EQ(Thrown([&] { Put(*Open(bucket_, "&sse=AES256"), "plain", "x"); }).code, Code::kUnsupported);
    Error error = Thrown([&] { Put(*Open(bucket_, "&storage_class=NO_SUCH_CLASS"), "a", "x"); });
    EXPECT_EQ(error.code, Code::kInvalidArgument);
}

TEST_F(Ceph, IncompleteUploadsAreSwept) {
    std::string url = fmt::format("s3://{}/{}?{}", bucket_, root_, server_);
    auto chain = s3::MakeDefaultChain({}, s3::ProcessEnvironment(NeverCancelled()), SystemClock(), NeverCancelled());
    s3::Client client(ParseS3Settings(ParseUrl(url), "1.2", ""), chain, SystemClock(), NeverCancelled());
    for (int i = 0; i < 3; i++)
        client.Send({.method = "POST", .key = fmt::format("{}/left behind {}", root_, i), .query = {{"uploads", ""}}},
                    "begin");
    EXPECT_EQ(Store().SweepUploads(1h), 0u);
    EXPECT_EQ(Store().SweepUploads(0s), 3u);
    EXPECT_EQ(Store().SweepUploads(0s), 0u);
}

}    // namespace
}    // namespace ark::test
