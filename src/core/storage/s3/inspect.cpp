#include <fmt/format.h>

#include <functional>

#include "storage/s3/store.h"
#include "storage/s3/xml.h"

// The questions are those of S3's GetBucketVersioning, GetObjectLockConfiguration, GetBucketEncryption,
// GetBucketPolicyStatus and GetBucketAcl; a store that knows none of them answers 501, 400 or 404.
namespace ark::s3 {
namespace {

struct Answer {
    std::string document;    // empty: the bucket has no such configuration
    std::string unknown;     // why it could not be found out; empty: it could
};

Answer Ask(Store &store, const std::string &question) {
    Answer answer;
    try {
        store.policy->Run([&] {
            Reply reply =
                store.client.Send({.method = "GET", .query = {{question, ""}}}, "could not ask for ?" + question,
                                  {Kind::kAbsent, Kind::kNotImplemented, Kind::kDenied, Kind::kRefused});
            if (reply.kind() == Kind::kNone) answer.document = reply.answer.body;
            if (reply.kind() != Kind::kNone && reply.kind() != Kind::kAbsent) answer.unknown = Describe(reply.refusal);
        });
    } catch (const Error &error) {
        if (error.code == Code::kCancelled) throw;
        answer.unknown = error.message + (error.detail.empty() ? "" : ": " + error.detail);
    }
    return answer;
}

using Judge = std::function<Finding(const std::string &document)>;

Finding Judged(Store &store, const std::string &check, const std::string &question, const Judge &judge) {
    Answer answer = Ask(store, question);
    std::string unknown = answer.unknown;
    if (unknown.empty()) try {
            Finding finding = judge(answer.document);
            finding.check = check;
            return finding;
        } catch (const Error &error) {
            unknown = error.message;
        }
    return {check, true, "not known: " + unknown};
}

Finding Versioning(const std::string &document) {
    std::string status = document.empty() ? "" : ParseVersioning(document);
    if (status == "Enabled")
        return {
            {},
            true,
            "on: what expiry deletes stays as an old version",
            "A lifecycle rule with NoncurrentVersionExpiration frees its space; keep old versions for as long as you "
            "would want to undo a malicious deletion."};
    return {{},
            true,
            "off: whoever may delete can delete for ever",
            "Turn on versioning or object lock if this credential could fall into wrong hands."};
}

Finding ObjectLock(const std::string &document) {
    std::string lock = document.empty() ? "" : ParseObjectLock(document);
    return {{}, true, lock.empty() ? "off" : lock};
}

Finding Encryption(const std::string &document) {
    std::string algorithm = document.empty() ? "" : ParseDefaultEncryption(document);
    return {{}, true, algorithm.empty() ? "the bucket has no default" : "the bucket's default is " + algorithm};
}

constexpr const char *kClose = "Block public access to the bucket: it holds your database.";

}    // namespace

std::vector<Finding> InspectBucket(Store &store) {
    std::vector<Finding> findings;
    findings.push_back({"credentials", true, "from " + store.client.CredentialSource()});
    findings.push_back(Judged(store, "versioning", "versioning", Versioning));
    findings.push_back(Judged(store, "object lock", "object-lock", ObjectLock));
    findings.push_back(Judged(store, "encryption at rest", "encryption", Encryption));
    findings.push_back(Judged(store, "public access by policy", "policyStatus", [](const std::string &document) {
        if (!document.empty() && PolicyIsPublic(document))
            return Finding{{}, false, "the bucket's policy lets everybody in", kClose};
        return Finding{{}, true, document.empty() ? "the bucket has no policy" : "the bucket's policy is not public"};
    }));
    findings.push_back(Judged(store, "public access by grant", "acl", [](const std::string &document) {
        if (!document.empty() && GrantsToEverybody(document))
            return Finding{{}, false, "the bucket's access control list names everybody", kClose};
        return Finding{{}, true, "no grant to everybody"};
    }));
    return findings;
}

}    // namespace ark::s3
