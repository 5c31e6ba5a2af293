// The few XML documents of S3 and STS. Parsing throws kCorrupt for text that is not such a document.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "storage/s3/fields.h"

namespace ark::s3 {

// <Error> of S3, or <ErrorResponse> of STS and IAM. nullopt if the text is anything else.
struct ErrorDocument {
    std::string code, message, request_id, region;
};
std::optional<ErrorDocument> ParseErrorDocument(std::string_view xml);

struct ListedObject {
    std::string key;
    std::uint64_t size = 0;
    TimePoint modified;
};
struct ListPage {
    std::vector<ListedObject> objects;
    std::vector<std::string> folders;    // common prefixes, where a delimiter was asked for
    std::string next_token;              // empty: this was the last page
};
ListPage ParseListPage(std::string_view xml);    // ListObjectsV2

struct ListedUpload {
    std::string key, upload_id;
    TimePoint initiated;
};
struct UploadPage {
    std::vector<ListedUpload> uploads;
    std::string next_key, next_upload_id;    // empty: this was the last page
};
UploadPage ParseUploadPage(std::string_view xml);    // ListMultipartUploads

// What a bucket answers about itself; empty texts where the document leaves something out.
std::string ParseVersioning(std::string_view xml);           // "Enabled", "Suspended" or empty
std::string ParseObjectLock(std::string_view xml);           // "Enabled", "Enabled, COMPLIANCE for 30 days", or empty
std::string ParseDefaultEncryption(std::string_view xml);    // "AES256", "aws:kms", or empty
bool GrantsToEverybody(std::string_view xml);                // AccessControlPolicy: AllUsers or AuthenticatedUsers
bool PolicyIsPublic(std::string_view xml);                   // PolicyStatus

struct DeleteFailure {
    std::string key, code, message;
};
std::vector<DeleteFailure> ParseDeleteResult(std::string_view xml);

std::string ParseUploadId(std::string_view xml);    // InitiateMultipartUploadResult

struct CompletedUpload {
    std::string etag, checksum_sha256;    // the checksum is empty where the store keeps none
};
CompletedUpload ParseCompletedUpload(std::string_view xml);

// The credentials in STS's AssumeRoleWithWebIdentityResponse.
struct StsCredentials {
    std::string access_key, secret_key, session_token, expiration;
};
StsCredentials ParseStsCredentials(std::string_view xml);

// False for keys with a character that XML 1.0 cannot carry.
bool FitsXml(std::string_view key);
std::string DeleteDocument(const std::vector<std::string> &keys);

struct PartEntry {
    std::size_t number = 0;
    std::string etag, checksum_sha256;    // the checksum may be empty
};
std::string CompleteDocument(const std::vector<PartEntry> &parts);

}    // namespace ark::s3
