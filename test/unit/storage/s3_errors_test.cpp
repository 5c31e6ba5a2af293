#include <gtest/gtest.h>

#include "storage/retry.h"
#include "storage/s3/errors.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

HttpAnswer Answer(int status, const std::string &code, Fields headers = {}) {
    std::string body = code.empty() ? ""
                                    : "<?xml version=\"1.0\"?><Error><Code>" + code +
                                          "</Code><Message>words</Message><RequestId>R1</RequestId></Error>";
    return {status, std::move(headers), body};
}

struct Case {
    int status;
    std::string code;
    Kind kind;
    Code error;
};

TEST(S3Errors, EveryRefusalHasItsKindAndItsError) {
    for (const Case &c : {Case{408, "RequestTimeout", Kind::kBusy, Code::kUnavailable},
                          Case{400, "RequestTimeout", Kind::kBusy, Code::kUnavailable},
                          Case{429, "", Kind::kBusy, Code::kUnavailable},
                          Case{500, "InternalError", Kind::kBusy, Code::kUnavailable},
                          Case{502, "", Kind::kBusy, Code::kUnavailable},
                          Case{503, "SlowDown", Kind::kBusy, Code::kUnavailable},
                          Case{507, "", Kind::kBusy, Code::kUnavailable},
                          Case{400, "BadDigest", Kind::kBusy, Code::kUnavailable},
                          Case{400, "XAmzContentSHA256Mismatch", Kind::kBusy, Code::kUnavailable},
                          Case{403, "RequestTimeTooSkewed", Kind::kSkewed, Code::kUnavailable},
                          Case{400, "ExpiredToken", Kind::kExpired, Code::kPermissionDenied},
                          Case{403, "AccessDenied", Kind::kDenied, Code::kPermissionDenied},
                          Case{403, "InvalidAccessKeyId", Kind::kDenied, Code::kPermissionDenied},
                          Case{403, "SignatureDoesNotMatch", Kind::kDenied, Code::kPermissionDenied},
                          Case{401, "", Kind::kDenied, Code::kPermissionDenied},
                          Case{404, "NoSuchKey", Kind::kAbsent, Code::kNotFound},
                          Case{404, "NoSuchBucket", Kind::kNoBucket, Code::kNotFound},
                          Case{404, "NoSuchUpload", Kind::kNoUpload, Code::kNotFound},
                          Case{412, "PreconditionFailed", Kind::kTaken, Code::kAlreadyExists},
                          Case{409, "ConditionalRequestConflict", Kind::kContended, Code::kUnavailable},
                          Case{409, "BucketNotEmpty", Kind::kRefused, Code::kInvalidArgument},
                          Case{501, "NotImplemented", Kind::kNotImplemented, Code::kUnsupported},
                          Case{301, "PermanentRedirect", Kind::kElsewhere, Code::kInvalidArgument},
                          Case{400, "AuthorizationHeaderMalformed", Kind::kElsewhere, Code::kInvalidArgument},
                          Case{416, "InvalidRange", Kind::kRange, Code::kInvalidArgument},
                          Case{400, "InvalidStorageClass", Kind::kRefused, Code::kInvalidArgument},
                          Case{200, "InternalError", Kind::kBusy, Code::kUnavailable},
                          Case{200, "SomethingNew", Kind::kBusy, Code::kUnavailable},
                          Case{200, "InvalidPart", Kind::kRefused, Code::kInvalidArgument}}) {
        Refusal refusal = ReadRefusal(Answer(c.status, c.code), false, true);
        EXPECT_EQ(refusal.kind, c.kind) << c.status << " " << c.code;
        try {
            ThrowRefusal(refusal, "could not do it", "profile \"x\"");
        } catch (const Error &error) {
            EXPECT_EQ(error.code, c.error) << c.status << " " << c.code;
            EXPECT_EQ(error.message, "could not do it");
            EXPECT_NE(error.detail.find("HTTP " + std::to_string(c.status)), std::string::npos);
            EXPECT_EQ(error.code == Code::kPermissionDenied,
                      error.detail.find("credentials from profile \"x\"") != std::string::npos);
        }
    }
}

TEST(S3Errors, APageOfAnotherServerIsNoProofOfAbsence) {
    HttpAnswer page{404, {}, "<html><body>not here</body></html>"};
    EXPECT_EQ(ReadRefusal(page, false, false).kind, Kind::kRefused);
    EXPECT_EQ(ReadRefusal({404, {}, ""}, true, false).kind, Kind::kAbsent);
}

TEST(S3Errors, ASuccessWithAnErrorInsideIsOneOnlyWhereThatCanBe) {
    EXPECT_EQ(ReadRefusal(Answer(200, "InternalError"), false, false).kind, Kind::kNone);
    EXPECT_EQ(ReadRefusal(Answer(200, "InternalError"), false, true).kind, Kind::kBusy);
    EXPECT_EQ(ReadRefusal({200, {}, "<CompleteMultipartUploadResult/>"}, false, true).kind, Kind::kNone);
}

TEST(S3Errors, RetryAfterIsSecondsOrADate) {
    auto after = [](const std::string &value) {
        Refusal refusal = ReadRefusal(
            Answer(503, "SlowDown", {{"retry-after", value}, {"date", "Fri, 16 Jan 2026 08:00:00 GMT"}}), false, false);
        try {
            ThrowRefusal(refusal, "x", "y");
        } catch (const UnavailableUntil &until) {
            return until.after;
        } catch (const Error &) {
            return Duration{-1};
        }
        return Duration{-2};
    };
    EXPECT_EQ(after("7"), std::chrono::seconds(7));
    EXPECT_EQ(after("Fri, 16 Jan 2026 08:01:00 GMT"), std::chrono::seconds(60));
    EXPECT_EQ(after("soon"), Duration{-1});
}

TEST(S3Errors, NamesTheRegionOfTheBucket) {
    Refusal refusal =
        ReadRefusal(Answer(301, "PermanentRedirect", {{"x-amz-bucket-region", "eu-west-3"}}), false, false);
    try {
        ThrowRefusal(refusal, "x", "y");
    } catch (const Error &error) {
        EXPECT_EQ(error.hint, "The bucket is in region eu-west-3: write region=eu-west-3 in the store's URL.");
    }
}

TEST(S3Xml, ListingsAreDecodedOnlyIfTheStoreSaysThatTheyAreEncoded) {
    auto page = [](const std::string &encoding, const std::string &key) {
        return ParseListPage("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + encoding +
                             "<IsTruncated>false</IsTruncated><Contents><Key>" + key +
                             "</Key><Size>5</Size><LastModified>2026-01-16T08:00:00.123Z</LastModified></Contents></"
                             "ListBucketResult>")
            .objects.at(0);
    };
    EXPECT_EQ(page("<EncodingType>url</EncodingType>", "a+b%2Bc%25%0A").key, "a b+c%\n");
    EXPECT_EQ(page("", "a+b%2B&amp;").key, "a+b%2B&");
    EXPECT_EQ(page("", "k").size, 5u);
    EXPECT_EQ(FormatTime(page("", "k").modified, true), "2026-01-16T08:00:00.123000Z");
}

TEST(S3Xml, RefusesWhatIsNotTheDocumentAskedFor) {
    for (std::string text : {"", "<html/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
                             "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>"})
        EXPECT_THROW(ParseListPage(text), Error) << text;
    EXPECT_THROW(ParseUploadId("<InitiateMultipartUploadResult/>"), Error);
    EXPECT_FALSE(ParseErrorDocument("<html/>"));
    EXPECT_FALSE(ParseErrorDocument("plain words"));
}

TEST(S3Xml, WritesKeysSoThatTheyComeBack) {
    EXPECT_EQ(
        DeleteDocument({"a&b<c>\"d\"", "é"}),
        "<Delete "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet><Object><Key>a&amp;b&lt;c&gt;\"d\"</Key>"
        "</Object><Object><Key>é</Key></Object></Delete>");
    EXPECT_FALSE(FitsXml("a\x01"));
    EXPECT_TRUE(FitsXml("a b\x7f"));
    EXPECT_EQ(
        CompleteDocument({{1, "\"e\"", "c="}}),
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</PartNumber>"
        "<ETag>\"e\"</ETag><ChecksumSHA256>c=</ChecksumSHA256></Part></CompleteMultipartUpload>");
}

}    // namespace
}    // namespace ark::s3
