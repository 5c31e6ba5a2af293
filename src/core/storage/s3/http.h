// HTTP/1.1 over libcurl: one request, one answer, over connections that are kept warm. No redirect is followed,
// nothing is tried again. A transfer that cannot be finished throws kUnavailable (no answer, reset, stall,
// cut short), kPermissionDenied (the certificate is not trusted), kInvalidArgument (a bad URL or CA file) or
// kCancelled (within a second of the ticker's word). Statuses are for the caller to judge.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "storage/s3/fields.h"

namespace ark::s3 {

struct HttpSettings {
    Duration connect_timeout = std::chrono::seconds(5);
    Duration stall_timeout = std::chrono::seconds(30);    // whole seconds below `stall_speed` end a transfer
    long stall_speed = 1024;                              // bytes a second
    std::string tls_min_version = "1.2";
    std::string ca_file;    // empty: the system's
    bool direct = false;    // true: no proxy, whatever HTTPS_PROXY says (for metadata services)
};

struct HttpRequest {
    std::string method;
    std::string url;    // encoded; sent as it is
    Fields headers;
    ByteView body;                  // must outlive the exchange
    Duration stall_timeout{0};      // 0: the client's
    Duration deadline{0};           // for the whole exchange; 0: none
    bool despite_cancel = false;    // for what tidies up after a cancellation; give it a deadline
};

struct HttpAnswer {
    int status = 0;
    Fields headers;    // names in lower case
    std::string body;

    const std::string *Header(std::string_view name) const { return Find(headers, name); }
};

// An answer whose head is here and whose body may still be on its way. Not safe for concurrent use.
class HttpStream {
public:
    virtual ~HttpStream() = default;
    virtual const HttpAnswer &Head() const = 0;
    virtual std::size_t Read(MutableBytes to) = 0;    // at least one byte; 0 at the end only
    // Reads what is left into the answer's body; throws kCorrupt if it is longer than `limit`.
    virtual HttpAnswer TakeAll(std::size_t limit = 64 << 20) = 0;
};

// Safe for concurrent use: every exchange has a connection of its own, returned to the pool when it ended well.
class HttpClient {
public:
    HttpClient(HttpSettings settings, Ticker &ticker);
    ~HttpClient();

    HttpAnswer Send(const HttpRequest &request) { return Open(request)->TakeAll(); }
    // The stream may outlive the client, but not the request's body.
    std::unique_ptr<HttpStream> Open(const HttpRequest &request);

    class Pool;

private:
    HttpSettings settings_;
    Ticker &ticker_;
    std::shared_ptr<Pool> pool_;
};

}    // namespace ark::s3
