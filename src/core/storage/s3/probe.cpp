#include "base/encoding.h"
#include "storage/s3/put.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

constexpr std::string_view kBytes = "pg_ark asks what this store can do\n";

// A second conditional creation of a name must be refused. False if the store took it, or does not know the condition.
bool RefusesSecondPut(Store &store, const std::string &key, const std::string &doing, bool &checksum_echoed) {
    Call call{.method = "PUT", .key = key, .headers = {{"if-none-match", "*"}}, .body = AsBytes(kBytes)};
    Fields checksum{{"x-amz-checksum-sha256", Base64Encode(Sha256(AsBytes(kBytes)))}};
    bool known = true, refused = false;
    for (int round = 1; round <= 2 && known; round++) {
        Reply reply;
        store.policy->Run([&] {
            reply =
                SendWithChecksum(store, call, checksum, doing, {Kind::kTaken, Kind::kContended, Kind::kNotImplemented});
        });
        known = reply.kind() != Kind::kNotImplemented;
        refused = reply.kind() == Kind::kTaken || reply.kind() == Kind::kContended;
        if (reply.kind() == Kind::kNone) checksum_echoed = reply.answer.Header("x-amz-checksum-sha256") != nullptr;
    }
    return refused;
}

bool RefusesComplete(Store &store, const std::string &key, const std::string &doing) {
    auto send = [&](const Call &call, const Kinds &expected = {}) {
        Reply reply;
        store.policy->Run([&] { reply = store.client.Send(call, doing, expected); });
        return reply;
    };
    Reply begun = send({.method = "POST", .key = key, .query = {{"uploads", ""}}});
    Field id{"uploadId", ParseUploadId(begun.answer.body)};
    Reply part = send({.method = "PUT", .key = key, .query = {{"partNumber", "1"}, id}, .body = AsBytes(kBytes)});
    std::string document = CompleteDocument({{1, HeaderOf(part.answer, "etag"), ""}});
    Call complete{.method = "POST",
                  .key = key,
                  .query = {id},
                  .headers = {{"if-none-match", "*"}},
                  .body = AsBytes(document),
                  .checks_body = true};
    // No such upload: an attempt whose answer was lost completed it.
    Reply reply = send(complete, {Kind::kTaken, Kind::kContended, Kind::kNotImplemented, Kind::kNoUpload});
    if (reply.kind() != Kind::kNone) send({.method = "DELETE", .key = key, .query = {id}}, {Kind::kNoUpload});
    return reply.kind() == Kind::kTaken || reply.kind() == Kind::kContended;
}

}    // namespace

bool RefusesOtherBody(Store &store) noexcept try {
    std::string name = ".probe/" + SystemRandom().Hex(8);
    Call call{.method = "PUT",
              .key = store.KeyOf(name),
              .body = AsBytes(kBytes),
              .body_digest = Sha256(AsBytes(kBytes.substr(1)))};
    Reply reply = store.client.Send(call, "could not find out what the store can do", {Kind::kBusy, Kind::kRefused});
    if (reply.kind() == Kind::kNone) RemoveObjects(store, {name});
    return reply.refusal.code == "XAmzContentSHA256Mismatch";
} catch (const std::exception &) {
    return false;
}

Capabilities ProbeStore(const StoreRef &store) {
    std::string name = ".probe/" + SystemRandom().Hex(8);
    std::string key = store->KeyOf(name), doing = "could not find out what the store can do";
    Capabilities found;
    found.conditional_create = RefusesSecondPut(*store, key, doing, found.checksum_headers);
    store->traits.conditional_put = found.conditional_create;
    if (found.conditional_create) {
        bool complete = RefusesComplete(*store, key, doing);
        store->traits.conditional_complete = complete;
        store->traits.complete_is_proven = complete;
    }
    try {
        store->policy->Run([&] { RemoveObjects(*store, {name}); });
    } catch (const Error &error) {
        if (error.code != Code::kPermissionDenied) throw;    // a credential that may only write: the mark stays
    }
    return found;
}

}    // namespace ark::s3
