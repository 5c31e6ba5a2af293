// AWS Signature Version 4 by S3's rules: the path is encoded once and never normalised, and the SHA-256 of the
// payload is always signed (never UNSIGNED-PAYLOAD). Three pure stages, and one function that applies them.
// Source: "Signature Calculations for the Authorization Header" in the Amazon S3 API reference.
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "storage/s3/fields.h"

namespace ark::s3 {

struct SigningScope {
    TimePoint time;
    std::string region;
    std::string service = "s3";

    std::string Date() const;        // "20130524"
    std::string ToString() const;    // "20130524/us-east-1/s3/aws4_request"
};

// "/a%20b": an object's name, or a bucket's and an object's, as it stands in the request line.
std::string EncodePath(std::string_view path);
// Sorted, encoded, every name with its '='. The request line carries exactly this.
std::string CanonicalQuery(Fields query);

// Stage 1. `path` is encoded already; every header given is signed, and "host" must be among them.
std::string CanonicalRequest(std::string_view method, std::string_view path, const Fields &query, const Fields &headers,
                             std::string_view payload_sha256);
// "host;range;x-amz-date"
std::string SignedHeaders(const Fields &headers);
// Stage 2.
std::string StringToSign(std::string_view canonical_request, const SigningScope &scope);
// Stage 3: 64 hexadecimal digits.
std::string Signature(std::string_view string_to_sign, const Secret &secret_key, const SigningScope &scope);

struct SigningKey {
    std::string access_key;
    Secret secret_key;
    Secret session_token;    // empty for lasting keys
};

// Adds x-amz-date, x-amz-content-sha256, x-amz-security-token and Authorization to `headers`.
void Sign(std::string_view method, std::string_view path, const Fields &query, std::string_view payload_sha256,
          const SigningKey &key, const SigningScope &scope, Fields &headers);

}    // namespace ark::s3
