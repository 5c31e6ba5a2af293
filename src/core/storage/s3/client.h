// One signed request to a bucket at a time: address, signature, credentials, clock, region, and the judgement of the
// answer. Nothing is tried again here but once, when the bucket turns out to live in another region. Safe for
// concurrent use.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "base/digest.h"
#include "storage/s3/credentials.h"
#include "storage/s3/errors.h"
#include "storage/s3/settings.h"

namespace ark::s3 {

using Kinds = std::vector<Kind>;

struct Call {
    std::string method;
    std::string key = {};    // empty: the bucket itself
    Fields query = {};
    Fields headers = {};
    ByteView body = {};
    std::optional<Sha256Digest> body_digest = {};    // spares hashing the body once more
    bool checks_body = false;                        // a 200 may be an error document
    Duration stall_timeout{0};
    Duration deadline{0};
    bool despite_cancel = false;
};

// What came back: a success, or a refusal of a kind that the caller said it handles.
struct Reply {
    Refusal refusal;
    HttpAnswer answer;
    std::unique_ptr<HttpStream> stream;    // Open() only, after a success

    Kind kind() const { return refusal.kind; }
};

class Client {
public:
    Client(const S3Settings &settings, std::shared_ptr<CredentialProvider> credentials, Clock &clock, Ticker &ticker);

    // Refusals that are not among `expected` throw (errors.h), with `doing` as the message.
    Reply Send(const Call &call, const std::string &doing, const Kinds &expected = {});
    // The same, leaving a successful answer's body on its way.
    Reply Open(const Call &call, const std::string &doing, const Kinds &expected = {});

    // Where the credentials in use come from.
    std::string CredentialSource() { return credentials_->Get().source; }

private:
    Reply Exchange(const Call &call, const std::string &doing, const Kinds &expected, bool streaming);
    Reply Once(const Call &call, const std::string &doing, const Credentials &credentials, const std::string &region,
               bool streaming);
    std::string Region();
    void MoveTo(const std::string &region);

    S3Settings settings_;
    std::shared_ptr<CredentialProvider> credentials_;
    Clock &clock_;
    HttpClient http_;
    std::mutex mutex_;
    std::string region_;
    std::atomic<std::int64_t> skew_us_{0};    // the store's clock minus ours
};

// "https://bucket.s3.eu-central-1.amazonaws.com" and "/key": pure.
struct Address {
    std::string origin, host, path;
};
Address AddressOf(const S3Settings &settings, const std::string &region, std::string_view key);

}    // namespace ark::s3
