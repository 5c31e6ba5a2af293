#include "storage/s3/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark::s3 {
namespace {

// Default ports are left out of the Host header, which is signed.
std::string HostOf(std::string_view endpoint) {
    bool tls = endpoint.starts_with("https://");
    std::string host(endpoint.substr(endpoint.find("://") + 3));
    std::string_view port = tls ? ":443" : ":80";
    if (host.ends_with(port)) host.resize(host.size() - port.size());
    return host;
}

bool Contains(const Kinds &kinds, Kind kind) { return std::ranges::find(kinds, kind) != kinds.end(); }

}    // namespace

Address AddressOf(const S3Settings &settings, const std::string &region, std::string_view key) {
    std::string endpoint = settings.endpoint;
    if (endpoint.empty())
        endpoint = fmt::format("https://s3.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
    std::string scheme = endpoint.substr(0, endpoint.find("://") + 3);
    Address address;
    address.host = HostOf(endpoint);
    std::string path = "/";
    if (settings.path_style)
        path += settings.bucket + (key.empty() ? "" : "/");
    else
        address.host = settings.bucket + "." + address.host;
    address.origin = scheme + address.host;
    address.path = EncodePath(path + std::string(key));
    return address;
}

Client::Client(const S3Settings &settings, std::shared_ptr<CredentialProvider> credentials, Clock &clock,
               Ticker &ticker)
    : settings_(settings),
      credentials_(std::move(credentials)),
      clock_(clock),
      http_(settings.http, ticker),
      region_(settings.region) {}

Reply Client::Send(const Call &call, const std::string &doing, const Kinds &expected) {
    return Exchange(call, doing, expected, false);
}

Reply Client::Open(const Call &call, const std::string &doing, const Kinds &expected) {
    return Exchange(call, doing, expected, true);
}

Reply Client::Exchange(const Call &call, const std::string &doing, const Kinds &expected, bool streaming) {
    for (bool moved = false;; moved = true) {
        Credentials credentials;
        try {
            credentials = credentials_->Get();
        } catch (Error &error) {
            if (error.code != Code::kCancelled) error.InContext(doing);
            throw;
        }
        std::string region = Region();
        Reply reply = Once(call, doing, credentials, region, streaming);
        Refusal &refusal = reply.refusal;
        if (refusal.kind == Kind::kNone || Contains(expected, refusal.kind)) return reply;
        if (refusal.kind == Kind::kElsewhere && !moved && IsRegionName(refusal.region) && refusal.region != region) {
            MoveTo(refusal.region);
            continue;
        }
        if (refusal.kind == Kind::kSkewed) {
            if (!refusal.store_time)
                refusal.kind = Kind::kRefused;
            else
                skew_us_ = (*refusal.store_time - clock_.Now()).count();
        }
        if (refusal.kind == Kind::kExpired && credentials_->Renew(credentials)) refusal.kind = Kind::kBusy;
        ThrowRefusal(refusal, doing, credentials.source);
    }
}

Reply Client::Once(const Call &call, const std::string &doing, const Credentials &credentials,
                   const std::string &region, bool streaming) {
    SigningScope scope{clock_.Now() + Duration{skew_us_.load()}, region};
    Address address = AddressOf(settings_, region, call.key);
    HttpRequest request;
    request.method = call.method;
    request.headers = call.headers;
    request.headers.emplace_back("host", address.host);
    Sign(call.method, address.path, call.query, HexEncode(call.body_digest ? *call.body_digest : Sha256(call.body)),
         credentials.key, scope, request.headers);
    request.url = address.origin + address.path + (call.query.empty() ? "" : "?" + CanonicalQuery(call.query));
    request.body = call.body;
    request.stall_timeout = call.stall_timeout;
    request.deadline = call.deadline;
    request.despite_cancel = call.despite_cancel;
    Reply reply;
    try {
        std::unique_ptr<HttpStream> stream = http_.Open(request);
        bool success = stream->Head().status >= 200 && stream->Head().status < 300;
        if (streaming && success) {
            reply.stream = std::move(stream);
            return reply;
        }
        reply.answer = stream->TakeAll();
    } catch (Error &error) {
        if (error.code != Code::kCancelled) error.InContext(doing);
        throw;
    }
    reply.refusal = ReadRefusal(reply.answer, call.method == "HEAD", call.checks_body);
    return reply;
}

void Client::MoveTo(const std::string &region) {
    std::lock_guard lock(mutex_);
    region_ = region;
}

std::string Client::Region() {
    std::lock_guard lock(mutex_);
    return region_;
}

}    // namespace ark::s3
