// What a store's refusal means. Pure: status, headers and body in; kind, code, words and hint out.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "storage/s3/http.h"

namespace ark::s3 {

// A kind exists because the driver acts differently on it.
enum class Kind {
    kNone,      // success
    kAbsent,    // no such object
    kNoBucket,
    kNoUpload,          // the multipart upload is gone: completed, aborted or swept
    kTaken,             // the condition If-None-Match: * or If-Match failed
    kContended,         // another conditional write is under way at that name
    kNotImplemented,    // the store lacks what was asked for
    kDenied,
    kExpired,      // the credentials ended
    kSkewed,       // our clock is wrong
    kElsewhere,    // the bucket lives in another region
    kRange,        // no byte of the object is in the range
    kBusy,         // worth another try
    kRefused,      // anything else: trying again would not help
};

struct Refusal {
    Kind kind = Kind::kNone;
    int status = 0;
    std::string code, message, request_id;    // the store's words; empty after HEAD, which has no body
    std::string region;                       // where the bucket lives, if the store said so
    std::optional<Duration> retry_after;
    std::optional<TimePoint> store_time;
};

// `code` decides where the store gave one, `status` else.
Kind Classify(int status, std::string_view code, bool has_body);

// kNone for a success. `checks_body`: a 200 may carry an error document (CompleteMultipartUpload, DeleteObjects).
Refusal ReadRefusal(const HttpAnswer &answer, bool is_head, bool checks_body);

// "HTTP 403 AccessDenied: Access Denied (request 4442587FB7D0A2F9)"
std::string Describe(const Refusal &refusal);

// The error for a refusal that nobody handled; UnavailableUntil is thrown in place of kUnavailable where the store
// said when to come back. `doing` is the message, `source` names the credentials.
[[noreturn]] void ThrowRefusal(const Refusal &refusal, const std::string &doing, const std::string &source);

}    // namespace ark::s3
