#include "storage/s3/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "storage/retry.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

struct CodeRow {
    std::string_view code;
    Kind kind;
};

// Codes as in "Error responses" of the Amazon S3 API reference, and of STS.
constexpr std::array kCodes{
    CodeRow{"NoSuchKey", Kind::kAbsent},
    CodeRow{"ObjectLockConfigurationNotFoundError", Kind::kAbsent},
    CodeRow{"ServerSideEncryptionConfigurationNotFoundError", Kind::kAbsent},
    CodeRow{"NoSuchBucketPolicy", Kind::kAbsent},
    CodeRow{"NoSuchBucket", Kind::kNoBucket},
    CodeRow{"NoSuchUpload", Kind::kNoUpload},
    CodeRow{"PreconditionFailed", Kind::kTaken},
    CodeRow{"ConditionalRequestConflict", Kind::kContended},
    CodeRow{"NotImplemented", Kind::kNotImplemented},
    CodeRow{"MethodNotAllowed", Kind::kNotImplemented},
    CodeRow{"ExpiredToken", Kind::kExpired},
    CodeRow{"ExpiredTokenException", Kind::kExpired},
    CodeRow{"TokenRefreshRequired", Kind::kExpired},
    CodeRow{"RequestTimeTooSkewed", Kind::kSkewed},
    CodeRow{"PermanentRedirect", Kind::kElsewhere},
    CodeRow{"TemporaryRedirect", Kind::kElsewhere},
    CodeRow{"AuthorizationHeaderMalformed", Kind::kElsewhere},
    CodeRow{"InvalidRange", Kind::kRange},
    CodeRow{"SlowDown", Kind::kBusy},
    CodeRow{"RequestTimeout", Kind::kBusy},
    CodeRow{"InternalError", Kind::kBusy},
    CodeRow{"ServiceUnavailable", Kind::kBusy},
    CodeRow{"OperationAborted", Kind::kBusy},
    CodeRow{"Throttling", Kind::kBusy},
    CodeRow{"ThrottlingException", Kind::kBusy},
    CodeRow{"TooManyRequests", Kind::kBusy},
    CodeRow{"RequestLimitExceeded", Kind::kBusy},
    CodeRow{"QuotaExceeded", Kind::kBusy},    // the store is full: somebody may make room
    CodeRow{"IDPCommunicationError", Kind::kBusy},
    // Other bytes arrived than were signed: the way to the store changed them.
    CodeRow{"BadDigest", Kind::kBusy},
    CodeRow{"XAmzContentSHA256Mismatch", Kind::kBusy},
    CodeRow{"XAmzContentChecksumMismatch", Kind::kBusy},
    CodeRow{"IncompleteBody", Kind::kBusy},
    CodeRow{"AccessDenied", Kind::kDenied},
    CodeRow{"InvalidAccessKeyId", Kind::kDenied},
    CodeRow{"SignatureDoesNotMatch", Kind::kDenied},
    CodeRow{"InvalidToken", Kind::kDenied},
    CodeRow{"InvalidPart", Kind::kRefused},
    CodeRow{"InvalidPartOrder", Kind::kRefused},
    CodeRow{"EntityTooSmall", Kind::kRefused},
    CodeRow{"EntityTooLarge", Kind::kRefused},
};

std::optional<Duration> RetryAfter(const HttpAnswer &answer, std::optional<TimePoint> now) {
    const std::string *text = answer.Header("retry-after");
    if (!text) return std::nullopt;
    int seconds = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error == std::errc() && end == text->data() + text->size()) return std::chrono::seconds(std::max(seconds, 0));
    try {
        if (now) return std::max(Duration{0}, ParseHttpDate(*text) - *now);
    } catch (const Error &) {
        return std::nullopt;    // a header that nobody can read asks for nothing
    }
    return std::nullopt;
}

std::optional<TimePoint> StoreTime(const HttpAnswer &answer) {
    const std::string *date = answer.Header("date");
    if (!date) return std::nullopt;
    try {
        return ParseHttpDate(*date);
    } catch (const Error &) {
        return std::nullopt;
    }
}

std::string DeniedHint(const Refusal &refusal) {
    if (refusal.code == "InvalidAccessKeyId")
        return "The store does not know this access key: check that it belongs to this store, and that it was not "
               "deleted.";
    if (refusal.code == "SignatureDoesNotMatch")
        return "The secret key does not belong to the access key, or something between here and the store changes "
               "requests.";
    if (refusal.kind == Kind::kExpired || refusal.code == "InvalidToken")
        return "Renew the session token, or use a source that renews itself (a role, credential_process).";
    return "Grant s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject and "
           "s3:AbortMultipartUpload on its objects; "
           "without s3:ListBucket, S3 answers 403 where an object is only missing.";
}

Error Translate(const Refusal &refusal, const std::string &doing, const std::string &source) {
    std::string detail = Describe(refusal);
    switch (refusal.kind) {
    case Kind::kBusy:
    case Kind::kSkewed:
    case Kind::kContended: return {Code::kUnavailable, doing, detail};
    case Kind::kDenied:
    case Kind::kExpired:
        return {Code::kPermissionDenied, doing, fmt::format("{}; credentials from {}", detail, source),
                DeniedHint(refusal)};
    case Kind::kNoBucket:
        return {Code::kNotFound, doing, detail, "Create the bucket, or correct its name and endpoint in ark.store."};
    case Kind::kAbsent:
    case Kind::kNoUpload: return {Code::kNotFound, doing, detail};
    case Kind::kTaken: return {Code::kAlreadyExists, doing, detail};
    case Kind::kNotImplemented:
        return {Code::kUnsupported, doing, detail,
                "The store does not implement this; docs/storage.md lists what pg_ark needs."};
    case Kind::kElsewhere:
        return {Code::kInvalidArgument, doing, detail,
                refusal.region.empty()
                    ? std::string("The bucket is in another region: write it as region=… in the store's URL.")
                    : fmt::format("The bucket is in region {0}: write region={0} in the store's URL.", refusal.region)};
    default: return {Code::kInvalidArgument, doing, detail};
    }
}

}    // namespace

Kind Classify(int status, std::string_view code, bool has_body) {
    if (auto row = std::ranges::find(kCodes, code, &CodeRow::code); row != kCodes.end()) return row->kind;
    switch (status) {
    case 301:
    case 307:
    case 308: return Kind::kElsewhere;
    case 401:
    case 403: return Kind::kDenied;
    // A page of some other web server is no proof that an object is missing.
    case 404: return has_body ? Kind::kRefused : Kind::kAbsent;
    case 405:
    case 501: return Kind::kNotImplemented;
    case 408:
    case 425:
    case 429: return Kind::kBusy;
    case 412: return Kind::kTaken;
    case 416: return Kind::kRange;
    default: break;
    }
    if (status >= 500 || status == 200) return Kind::kBusy;
    return Kind::kRefused;
}

Refusal ReadRefusal(const HttpAnswer &answer, bool is_head, bool checks_body) {
    bool success = answer.status >= 200 && answer.status < 300;
    if (success && !checks_body) return {};
    std::optional<ErrorDocument> document = ParseErrorDocument(answer.body);
    if (success && !document) return {};
    Refusal refusal;
    refusal.status = answer.status;
    refusal.store_time = StoreTime(answer);
    refusal.retry_after = RetryAfter(answer, refusal.store_time);
    if (document) {
        refusal.code = document->code;
        refusal.message = document->message;
        refusal.region = document->region;
        refusal.request_id = document->request_id;
    }
    if (const std::string *id = answer.Header("x-amz-request-id"); id && refusal.request_id.empty())
        refusal.request_id = *id;
    if (const std::string *region = answer.Header("x-amz-bucket-region"); region && refusal.region.empty())
        refusal.region = *region;
    refusal.kind = Classify(answer.status, refusal.code, !is_head);
    return refusal;
}

std::string Describe(const Refusal &refusal) {
    std::string out = fmt::format("HTTP {}", refusal.status);
    if (!refusal.code.empty()) out += " " + refusal.code;
    if (!refusal.message.empty()) out += ": " + refusal.message;
    if (!refusal.request_id.empty()) out += fmt::format(" (request {})", refusal.request_id);
    return out;
}

void ThrowRefusal(const Refusal &refusal, const std::string &doing, const std::string &source) {
    Error error = Translate(refusal, doing, source);
    if (error.code == Code::kUnavailable && refusal.retry_after)
        throw UnavailableUntil(std::move(error), *refusal.retry_after);
    throw error;
}

}    // namespace ark::s3
