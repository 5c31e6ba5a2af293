#include "s3_script.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kKey = "/bucket/ark/a/b%20c";

TEST_F(S3Script, PutSendsDigestConditionAndPlacement) {
    settings.sse = "aws:kms";
    settings.kms_key = "key-1";
    settings.storage_class = "STANDARD_IA";
    server.Expect("PUT", kKey)
        .Header("if-none-match", "*")
        .Header("x-amz-content-sha256", Sha256Hex(AsBytes("hello")))
        .Header("x-amz-checksum-sha256", Checksum("hello"))
        .Header("x-amz-server-side-encryption", "aws:kms")
        .Header("x-amz-server-side-encryption-aws-kms-key-id", "key-1")
        .Header("x-amz-storage-class", "STANDARD_IA")
        .Header("x-amz-date", "20260116T080000Z")
        .Body("hello")
        .Answer(200, {{"x-amz-checksum-sha256", Checksum("hello")},
                      {"ETag", "\"0123456789abcdef0123456789abcdef\""},
                      {"x-amz-server-side-encryption", "aws:kms"},
                      {"Date", "Fri, 16 Jan 2026 08:00:05 GMT"}});
    ObjectInfo info = Put("a/b c", "hello");
    EXPECT_EQ(info.size, 5u);
    EXPECT_EQ(FormatTime(info.modified), "2026-01-16T08:00:05Z");
    EXPECT_THAT(server.Requests()[0].Header("authorization"),
                HasSubstr("Credential=id/20260116/us-east-1/s3/aws4_request"));
}

TEST_F(S3Script, PutUnconditionalHasNoCondition) {
    server.Expect("PUT", "/bucket/ark/a").Without("if-none-match").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x", PutMode::kUnconditional);
}

TEST_F(S3Script, EncryptionThatWasPassedOverIsAnError) {
    settings.sse = "AES256";
    server.Expect("PUT", "/bucket/ark/a")
        .Header("x-amz-server-side-encryption", "AES256")
        .Answer(200, {{"ETag", Etag("x")}});
    Error error = Thrown([&] { Put("a", "x"); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.detail, HasSubstr("did not encrypt it with sse=AES256"));
}

TEST_F(S3Script, ATakenNameIsAlreadyExists) {
    server.Expect("PUT", "/bucket/ark/a").Answer(412, {}, ErrorXml("PreconditionFailed"));
    server.Expect("HEAD", "/bucket/ark/a").Answer(200, {{"x-amz-meta-ark-upload", "another"}});
    Error error = Thrown([&] { Put("a", "x"); });
    EXPECT_EQ(error.code, Code::kAlreadyExists);
    EXPECT_EQ(error.message, "could not create \"a\": it exists");
}

TEST_F(S3Script, ARivalThatGaveUpIsNoObstacle) {
    server.Expect("PUT", "/bucket/ark/a").Answer(409, {}, ErrorXml("ConditionalRequestConflict"));
    server.Expect("HEAD", "/bucket/ark/a").Answer(404);
    server.Expect("GET", "/bucket/ark/a").Header("range", "bytes=0-0").Answer(404, {}, ErrorXml("NoSuchKey"));
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("x")}});
    EXPECT_EQ(Put("a", "x").size, 1u);
}

TEST_F(S3Script, AnObjectMadeByOurOwnLostAnswerIsOurs) {
    server.Expect("PUT", "/bucket/ark/a").Reset();
    server.Expect("PUT", "/bucket/ark/a").Answer(412, {}, ErrorXml("PreconditionFailed"));
    server.Expect("HEAD", "/bucket/ark/a").AnswerFrom([](const std::vector<SeenRequest> &seen) {
        return HttpReply{200,
                         {{"x-amz-meta-ark-upload", seen[0].Header("x-amz-meta-ark-upload")},
                          {"Content-Length", "1"},
                          {"Last-Modified", "Fri, 16 Jan 2026 08:00:00 GMT"}}};
    });
    EXPECT_EQ(Put("a", "x").size, 1u);
}

TEST_F(S3Script, StoresWithoutConditionsAreRememberedAndLookedAtFirst) {
    server.Expect("PUT", "/bucket/ark/a")
        .Header("if-none-match", "*")
        .Times(2)
        .Answer(501, {}, ErrorXml("NotImplemented"));    // with and without checksum
    server.Expect("HEAD", "/bucket/ark/a").Answer(404);
    server.Expect("GET", "/bucket/ark/a").Answer(404, {}, ErrorXml("NoSuchKey"));
    server.Expect("PUT", "/bucket/ark/a").Without("if-none-match").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    server.Expect("HEAD", "/bucket/ark/b").Answer(200);
    EXPECT_EQ(Thrown([&] { Put("b", "x"); }).code, Code::kAlreadyExists);
}

TEST_F(S3Script, StoresThatRefuseChecksumsAreAskedOnce) {
    server.Expect("PUT", "/bucket/ark/a")
        .Header("x-amz-checksum-sha256", Checksum("x"))
        .Answer(400, {}, ErrorXml("InvalidRequest"));
    server.Expect("PUT", "/bucket/ark/a").Without("x-amz-checksum-sha256").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    server.Expect("PUT", "/bucket/ark/b").Without("x-amz-checksum-sha256").Answer(200, {{"ETag", Etag("y")}});
    Put("b", "y");
}

TEST_F(S3Script, OtherBytesInTheStoreAreNoticed) {
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"x-amz-checksum-sha256", Checksum("z")}});    // tried again
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("z")}});
    server.Expect("GET", "/bucket/ark/a").Answer(200, {}, "z");
    Error error = Thrown([&] { Put("a", "x", PutMode::kUnconditional); });
    EXPECT_EQ(error.code, Code::kCorrupt);
    EXPECT_THAT(error.detail, HasSubstr(Etag("z")));
}

TEST_F(S3Script, EtagsThatAreNotMd5AreToldByReadingBackOnce) {
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("something else")}});
    server.Expect("GET", "/bucket/ark/a").Answer(200, {}, "x");
    Put("a", "x");
    server.Expect("PUT", "/bucket/ark/b").Answer(200, {{"ETag", Etag("something else")}});
    server.Expect("HEAD", "/bucket/ark/b")
        .Answer(200, {{"Content-Length", "1"}, {"Last-Modified", "Fri, 16 Jan 2026 08:00:00 GMT"}});
    Put("b", "x");
}

TEST_F(S3Script, BodiesThatTheStoreProvesAreNotDigestedOnceMore) {
    for (int i = 1; i <= 8; i++) {
        server.Expect("PUT", "/bucket/ark/a" + std::to_string(i)).Answer(200, {{"ETag", Etag("x")}});
        if (i == 8) server.Expect("PUT", "/bucket/ark/.probe/*").Answer(400, {}, ErrorXml("XAmzContentSHA256Mismatch"));
        Put("a" + std::to_string(i), "x");
    }
    const SeenRequest asked = server.Requests().back();
    EXPECT_NE(asked.Header("x-amz-content-sha256"), HexEncode(Sha256(AsBytes(asked.body))));
    server.Expect("PUT", "/bucket/ark/b").Answer(200, {{"ETag", Etag("its own idea of an ETag")}});
    Put("b", "x");
}

TEST_F(S3Script, AStoreThatTakesAnotherBodyThanWasSignedIsProvenByEveryEtag) {
    for (int i = 1; i <= 8; i++) {
        server.Expect("PUT", "/bucket/ark/a" + std::to_string(i)).Answer(200, {{"ETag", Etag("x")}});
        if (i == 8) {
            server.Expect("PUT", "/bucket/ark/.probe/*").Answer(200, {{"ETag", Etag("x")}});
            server.Expect("POST", "/bucket?delete=").Answer(200, {}, "<DeleteResult/>");
        }
        Put("a" + std::to_string(i), "x");
    }
    server.Expect("PUT", "/bucket/ark/b").Answer(200, {{"ETag", Etag("z")}});
    server.Expect("GET", "/bucket/ark/b").Answer(200, {}, "z");
    EXPECT_EQ(Thrown([&] { Put("b", "x", PutMode::kUnconditional); }).code, Code::kCorrupt);
}

TEST_F(S3Script, ThrottlingWaitsAsLongAsTheStoreAsks) {
    server.Expect("PUT", "/bucket/ark/a").Answer(503, {{"Retry-After", "17"}}, ErrorXml("SlowDown"));
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    Duration slept{0};
    for (Duration sleep : clock.Sleeps()) slept += sleep;
    EXPECT_GE(slept, 17s);
    EXPECT_LT(slept, 20s);
}

TEST_F(S3Script, GivingUpTellsTheFirstAndTheLastFailure) {
    server.Expect("PUT", "/bucket/ark/a").Answer(500, {}, ErrorXml("InternalError", "first words"));
    server.Expect("PUT", "/bucket/ark/a").Answer(403, {}, ErrorXml("AccessDenied", "last words"));
    Error error = Thrown([&] { Put("a", "x"); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_EQ(error.message, "could not upload \"a\"");
    EXPECT_THAT(error.detail, HasSubstr("HTTP 403 AccessDenied: last words (request R1); credentials from the test"));
    EXPECT_THAT(error.detail, HasSubstr("2 attempts"));
    EXPECT_THAT(error.detail, HasSubstr("first words"));
    EXPECT_THAT(error.hint, HasSubstr("s3:PutObject"));
}

TEST_F(S3Script, AWrongClockIsCorrectedByTheStores) {
    server.Expect("PUT", "/bucket/ark/a")
        .Header("x-amz-date", "20260116T080000Z")
        .Answer(403, {{"Date", "Fri, 16 Jan 2026 11:30:00 GMT"}}, ErrorXml("RequestTimeTooSkewed"));
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    EXPECT_THAT(server.Requests()[1].Header("x-amz-date"), testing::StartsWith("20260116T1130"));
}

class Renewable : public s3::CredentialProvider {
public:
    s3::Credentials Get() override {
        return {{"key" + std::to_string(generation), Secret("secret"), Secret("token")}, {}, "the test"};
    }
    bool Renew(const s3::Credentials &) override {
        if (generation == last) return false;
        generation++;
        return true;
    }
    int generation = 1, last = 2;
};

TEST_F(S3Script, ExpiredCredentialsAreRenewedWhileTheyCanBe) {
    credentials = std::make_shared<Renewable>();
    server.Expect("PUT", "/bucket/ark/a")
        .Header("x-amz-security-token", "token")
        .Answer(400, {}, ErrorXml("ExpiredToken"));
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    EXPECT_THAT(server.Requests()[1].Header("authorization"), HasSubstr("Credential=key2/"));
    server.Expect("PUT", "/bucket/ark/b").Answer(400, {}, ErrorXml("ExpiredToken"));
    Error error = Thrown([&] { Put("b", "x"); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.hint, HasSubstr("Renew the session token"));
}

TEST_F(S3Script, ABucketElsewhereIsFoundOnce) {
    server.Expect("PUT", "/bucket/ark/a")
        .Answer(400, {},
                "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-central-1</Region></"
                "Error>");
    server.Expect("PUT", "/bucket/ark/a").Answer(200, {{"ETag", Etag("x")}});
    Put("a", "x");
    EXPECT_THAT(server.Requests()[1].Header("authorization"), HasSubstr("/eu-central-1/s3/"));
    server.Expect("GET", "/bucket/ark/a")
        .Answer(301, {{"x-amz-bucket-region", "eu-central-1"}}, ErrorXml("PermanentRedirect"));
    Error error = Thrown([&] { Get("a"); });    // it says where we already are
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_THAT(error.hint, HasSubstr("region=eu-central-1"));
}

TEST_F(S3Script, StatTellsABucketThatIsMissingFromAnObjectThatIs) {
    server.Expect("HEAD", "/bucket/ark/a").Answer(404);
    server.Expect("GET", "/bucket/ark/a").Answer(404, {}, ErrorXml("NoSuchBucket"));
    Error error = Thrown([&] { Store().Stat("a"); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_THAT(error.hint, HasSubstr("bucket"));
    server.Expect("HEAD", "/bucket/ark/a").Answer(404);
    server.Expect("GET", "/bucket/ark/a").Answer(404, {}, ErrorXml("NoSuchKey"));
    EXPECT_FALSE(Store().Stat("a"));
    server.Expect("HEAD", "/bucket/ark/b").Answer(404);    // the bucket is known now: HEAD is enough
    EXPECT_FALSE(Store().Stat("b"));
    server.Expect("HEAD", "/bucket/ark/c")
        .Answer(200, {{"Content-Length", "7"}, {"Last-Modified", "Fri, 16 Jan 2026 08:00:00 GMT"}});
    EXPECT_EQ(Store().Stat("c")->size, 7u);
}

TEST_F(S3Script, ARefusedHeadIsAskedAgainInWords) {
    server.Expect("HEAD", "/bucket/ark/a").Answer(403);
    server.Expect("GET", "/bucket/ark/a")
        .Header("range", "bytes=0-0")
        .Answer(403, {}, ErrorXml("InvalidAccessKeyId", "no such key"));
    Error error = Thrown([&] { Store().Stat("a"); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr("InvalidAccessKeyId: no such key"));
    EXPECT_THAT(error.hint, HasSubstr("does not know this access key"));
}

TEST_F(S3Script, RangesAreAskedForAndChecked) {
    server.Expect("GET", "/bucket/ark/a").Without("range").Answer(200, {}, "0123456789");
    EXPECT_EQ(Get("a"), "0123456789");
    server.Expect("GET", "/bucket/ark/a")
        .Header("range", "bytes=2-4")
        .Answer(206, {{"Content-Range", "bytes 2-4/10"}}, "234");
    EXPECT_EQ(Get("a", {2, 3}), "234");
    server.Expect("GET", "/bucket/ark/a")
        .Header("range", "bytes=8-")
        .Answer(206, {{"Content-Range", "bytes 8-9/10"}}, "89");
    EXPECT_EQ(Get("a", {8, {}}), "89");
    server.Expect("GET", "/bucket/ark/a").Answer(416, {}, ErrorXml("InvalidRange"));
    EXPECT_EQ(Get("a", {10, 5}), "");
    server.Expect("GET", "/bucket/ark/a").Answer(404, {}, ErrorXml("NoSuchKey"));
    EXPECT_EQ(Get("a"), "(absent)");
    server.Expect("GET", "/bucket/ark/a").Answer(404, {}, "<html>nginx</html>");
    EXPECT_EQ(Thrown([&] { Get("a"); }).code, Code::kInvalidArgument);
    EXPECT_EQ(server.Connections(), 1);    // each was read to its end, the connection stayed warm
    server.Expect("GET", "/bucket/ark/a").Answer(200, {}, "0123456789");
    EXPECT_EQ(Thrown([&] { Get("a", {2, 3}); }).code, Code::kUnsupported);
}

TEST_F(S3Script, ABrokenReadGoesOnWhereItStood) {
    std::string bytes;
    for (int i = 0; bytes.size() < 3000; i++) bytes += std::to_string(i);
    std::string last = std::to_string(bytes.size() - 1), total = std::to_string(bytes.size());
    auto rest = [&](std::size_t from) {
        return HttpFields{{"ETag", "\"v1\""},
                          {"Content-Range", "bytes " + std::to_string(from) + "-" + last + "/" + total}};
    };
    server.Expect("GET", "/bucket/ark/a").Without("range").Answer(200, {{"ETag", "\"v1\""}}, bytes).Truncate(900);
    server.Expect("GET", "/bucket/ark/a")
        .Header("range", "bytes=900-" + last)
        .Header("if-match", "\"v1\"")
        .Answer(206, rest(900), bytes.substr(900))
        .StallAfter(800);
    server.Expect("GET", "/bucket/ark/a").Header("range", "bytes=1700-" + last).Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("GET", "/bucket/ark/a")
        .Header("range", "bytes=1700-" + last)
        .Answer(206, rest(1700), bytes.substr(1700));
    EXPECT_TRUE(Get("a") == bytes);
}

TEST_F(S3Script, AnObjectThatChangesUnderAReadIsAnError) {
    std::string bytes(200000, 'a');
    server.Expect("GET", "/bucket/ark/a").Answer(200, {{"ETag", "\"v1\""}}, bytes).Truncate(100000);
    server.Expect("GET", "/bucket/ark/a").Header("if-match", "\"v1\"").Answer(412, {}, ErrorXml("PreconditionFailed"));
    Error error = Thrown([&] { Get("a"); });
    EXPECT_EQ(error.code, Code::kCorrupt);
    EXPECT_THAT(error.detail, HasSubstr("replaced by another object after 100000 bytes"));
}

std::string Page(const std::vector<std::string> &keys, const std::string &token = "") {
    std::string xml = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" +
                      std::string(token.empty() ? "false" : "true") + "</IsTruncated>";
    if (!token.empty()) xml += "<NextContinuationToken>" + token + "</NextContinuationToken>";
    for (const std::string &key : keys)
        xml += "<Contents><Key>" + key +
               "</Key><Size>1</Size><LastModified>2026-01-16T08:00:00.000Z</LastModified></Contents>";
    return xml + "</ListBucketResult>";
}

TEST_F(S3Script, ListReadsAllPagesAndRepeatsOnlyTheOneThatFailed) {
    const std::string list = "/bucket?", tail = "encoding-type=url&list-type=2&prefix=ark%2Fp%2F";
    server.Expect("GET", list + tail).Answer(200, {}, Page({"ark/p/", "ark/p/a+b", "ark/p/c%2Bd"}, "t 1"));
    server.Expect("GET", list + "continuation-token=t%201&" + tail).Answer(500, {}, ErrorXml("InternalError"));
    server.Expect("GET", list + "continuation-token=t%201&" + tail).Answer(200, {}, Page({"ark/p/e"}));
    std::vector<std::string> names;
    Store().List("p/", [&](const ObjectInfo &object) {
        names.push_back(object.name);
        return true;
    });
    EXPECT_EQ(names, (std::vector<std::string>{"p/", "p/a b", "p/c+d", "p/e"}));
}

std::string FolderPage(const std::vector<std::string> &folders, const std::string &token = "") {
    std::string xml = Page({"ark/loose"}, token), common;
    for (const std::string &folder : folders)
        common += "<CommonPrefixes><Prefix>" + folder + "</Prefix></CommonPrefixes>";
    return xml.insert(xml.find("</ListBucketResult>"), common);
}

TEST_F(S3Script, FoldersAreCommonPrefixesOfAllPages) {
    const std::string list = "/bucket?", tail = "delimiter=%2F&encoding-type=url&list-type=2&prefix=ark%2F";
    server.Expect("GET", list + tail).Answer(200, {}, FolderPage({"ark/a+b%2F", "ark/c%2F"}, "t"));
    server.Expect("GET", list + "continuation-token=t&" + tail).Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("GET", list + "continuation-token=t&" + tail).Answer(200, {}, FolderPage({"ark/d%2F"}));
    EXPECT_EQ(Store().Folders(""), (std::vector<std::string>{"a b", "c", "d"}));
}

TEST_F(S3Script, FoldersElsewhereAreRefused) {
    for (std::string folder : {"other%2F", "ark%2F", "ark/a%2Fb%2F", "ark/a"}) {
        server.Expect("GET", "/bucket?*").Answer(200, {}, FolderPage({folder}));
        EXPECT_EQ(Thrown([&] { Store().Folders(""); }).code, Code::kCorrupt) << folder;
    }
}

TEST_F(S3Script, ListingsOutOfOrderOrPlaceAreRefused) {
    auto list = [&] { Store().List("", [](const ObjectInfo &) { return true; }); };
    for (std::vector<std::string> keys :
         {std::vector<std::string>{"ark/b", "ark/a"}, {"ark/a", "ark/a"}, {"other/a"}}) {
        server.Expect("GET", "/bucket?*").Answer(200, {}, Page(keys));
        EXPECT_EQ(Thrown(list).code, Code::kCorrupt);
    }
    server.Expect("GET", "/bucket?*").Answer(200, {}, Page({"ark/a"}, "same"));
    server.Expect("GET", "/bucket?*").Answer(200, {}, Page({"ark/b"}, "same"));
    EXPECT_EQ(Thrown(list).code, Code::kCorrupt);
    server.Expect("GET", "/bucket?*").Answer(200, {}, "<html/>");
    EXPECT_EQ(Thrown(list).code, Code::kCorrupt);
}

TEST_F(S3Script, RemoveGoesInBatchesAndReportsEachKeyThatStayed) {
    std::vector<std::string> names;
    for (int i = 0; i < 1001; i++) names.push_back("n" + std::to_string(i));
    server.Expect("POST", "/bucket?delete=")
        .Answer(200, {},
                "<DeleteResult><Error><Key>ark/n7</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"
                "<Error><Key>ark/n8</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>");
    server.Expect("POST", "/bucket?delete=").Answer(200, {}, "<DeleteResult/>");
    Error error = Thrown([&] { Store().Remove(names); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_EQ(error.message, "could not remove \"n7\" and 1 other object");
    EXPECT_EQ(error.detail, "AccessDenied: locked");
    std::string body = server.Requests()[0].body;
    EXPECT_EQ(server.Requests()[0].Header("content-md5"), Base64Encode(Md5(AsBytes(body))));
    EXPECT_THAT(body, HasSubstr("<Object><Key>ark/n999</Key></Object></Delete>"));
}

TEST_F(S3Script, RemoveOneByOneWhereThereIsNoBatch) {
    server.Expect("POST", "/bucket?delete=").Answer(501, {}, ErrorXml("NotImplemented"));
    server.Expect("DELETE", "/bucket/ark/a").Answer(204);
    server.Expect("DELETE", "/bucket/ark/b").Answer(404, {}, ErrorXml("NoSuchKey"));
    Store().Remove({"a", "b"});
    server.Expect("DELETE", "/bucket/ark/c").Answer(403, {}, ErrorXml("AccessDenied"));
    server.Expect("DELETE", "/bucket/ark/d").Answer(204);
    Error error = Thrown([&] { Store().Remove({"c", "d"}); });
    EXPECT_EQ(error.message, "could not remove \"c\"");
    server.Expect("DELETE", "/bucket/ark/e%01").Answer(204);    // XML has no such character
    Store().Remove({"e\x01"});
}

TEST_F(S3Script, ProbeFindsOutWhetherConditionsHold) {
    server.Expect("PUT", "/bucket/ark/.probe/*")
        .Header("if-none-match", "*")
        .Answer(200, {{"x-amz-checksum-sha256", "c"}});
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(412, {}, ErrorXml("PreconditionFailed"));
    server.Expect("POST", "/bucket/ark/.probe/*")
        .Answer(200, {}, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(200, {{"ETag", "\"e\""}});
    server.Expect("POST", "/bucket/ark/.probe/*")
        .Header("if-none-match", "*")
        .Answer(412, {}, ErrorXml("PreconditionFailed"));
    server.Expect("DELETE", "/bucket/ark/.probe/*").Answer(204);
    server.Expect("POST", "/bucket?delete=").Answer(200, {}, "<DeleteResult/>");
    for (int i = 0; i < 2; i++) {    // asked once
        EXPECT_TRUE(Store().Probe().conditional_create);
        EXPECT_TRUE(Store().Probe().checksum_headers);
    }
}

TEST_F(S3Script, ProbeRepeatsTheFailedRequestAlone) {
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(200);
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(412, {}, ErrorXml("PreconditionFailed"));
    server.Expect("POST", "/bucket/ark/.probe/*")
        .Answer(200, {}, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("PUT", "/bucket/ark/.probe/*").Answer(200, {{"ETag", "\"e\""}});
    server.Expect("POST", "/bucket/ark/.probe/*").Answer(500, {}, ErrorXml("InternalError"));
    server.Expect("POST", "/bucket/ark/.probe/*")
        .Answer(404, {}, ErrorXml("NoSuchUpload"));    // the 500 had completed it
    server.Expect("DELETE", "/bucket/ark/.probe/*").Answer(404, {}, ErrorXml("NoSuchUpload"));
    server.Expect("POST", "/bucket?delete=").Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("POST", "/bucket?delete=").Answer(200, {}, "<DeleteResult/>");
    EXPECT_TRUE(Store().Probe().conditional_create);
}

TEST_F(S3Script, ProbeNoticesAStoreThatIgnoresConditions) {
    server.Expect("PUT", "/bucket/ark/.probe/*").Times(2).Answer(200);
    server.Expect("POST", "/bucket?delete=").Answer(403, {}, ErrorXml("AccessDenied"));
    EXPECT_FALSE(Store().Probe().conditional_create);
    EXPECT_FALSE(Store().Probe().checksum_headers);
}

TEST_F(S3Script, SweepsOldUploadsByTheStoresClock) {
    std::string list = "/bucket?prefix=ark%2F&uploads=";
    auto upload = [](const std::string &key, const std::string &id, const std::string &time) {
        return "<Upload><Key>" + key + "</Key><UploadId>" + id + "</UploadId><Initiated>" + time +
               "</Initiated></Upload>";
    };
    HttpFields date{{"Date", "Fri, 16 Jan 2026 20:00:00 GMT"}};
    server.Expect("GET", list)
        .Answer(200, date,
                "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>ark/a "
                "b</NextKeyMarker><NextUploadIdMarker>u1</NextUploadIdMarker>" +
                    upload("ark/a b", "u1", "2026-01-16T01:00:00.000Z") + "</ListMultipartUploadsResult>");
    server.Expect("DELETE", "/bucket/ark/a%20b?uploadId=u1").Answer(204);
    server.Expect("GET", "/bucket?key-marker=ark%2Fa%20b&prefix=ark%2F&upload-id-marker=u1&uploads=")
        .Answer(200, date,
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" +
                    upload("ark/young", "u2", "2026-01-16T19:00:00.000Z") +
                    upload("ark/c", "u3", "2026-01-15T01:00:00.000Z") + "</ListMultipartUploadsResult>");
    server.Expect("DELETE", "/bucket/ark/c?uploadId=u3").Answer(404, {}, ErrorXml("NoSuchUpload"));
    EXPECT_EQ(Store().SweepUploads(12h), 1u);
}

}    // namespace
}    // namespace ark::test
