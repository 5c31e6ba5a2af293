#include "storage/s3/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <csignal>
#include <exception>

#include "storage/s3/http_pool.h"

namespace ark::s3 {
namespace {

constexpr std::size_t kReadAhead = 512 << 10;    // bytes kept for a reader that is slower than the network
constexpr int kWaitMs = 100;                     // how often the ticker is asked while nothing moves

void StartCurl() {
    static const CURLcode started = [] {
        // A connection closed by the peer must be an error of one request, not the end of the process.
        struct sigaction action {};
        if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
        return curl->curl_global_init(CURL_GLOBAL_DEFAULT);
    }();
    if (started != CURLE_OK) throw Error(Code::kInternal, "could not start libcurl", curl->curl_easy_strerror(started));
}

std::string HostOf(std::string_view url) {
    std::size_t start = url.find("://");
    return std::string(url.substr(0, url.find_first_of("/?", start == std::string_view::npos ? 0 : start + 3)));
}

Error Failure(CURLcode code, const std::string &url, std::string_view words) {
    std::string message = "request to " + HostOf(url) + " failed";
    std::string detail =
        fmt::format("{} (libcurl {})", words.empty() ? curl->curl_easy_strerror(code) : words, static_cast<int>(code));
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return {Code::kPermissionDenied, message, detail,
                "Name the authority that signed the store's certificate with the URL parameter ca_file."};
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
        return {Code::kInvalidArgument, message, detail,
                "Check that the file of the URL parameter ca_file can be read and is PEM."};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return {Code::kInvalidArgument, message, detail};
    case CURLE_SSL_CONNECT_ERROR:
        if (words.find("protocol version") != std::string_view::npos ||
            words.find("unsupported protocol") != std::string_view::npos)
            return {Code::kUnsupported, message, detail,
                    "The store does not speak the TLS version that tls_min_version asks for."};
        return {Code::kUnavailable, message, detail};
    default: return {Code::kUnavailable, message, detail};
    }
}

long TlsVersion(const std::string &version) {
    if (version == "1.2") return CURL_SSLVERSION_TLSv1_2;
    if (version == "1.3") return CURL_SSLVERSION_TLSv1_3;
    throw Error(Code::kInvalidArgument, fmt::format("tls_min_version \"{}\" is not known", version), {},
                "Write 1.2 or 1.3.");
}

long Milliseconds(Duration time) {
    return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}
long Seconds(Duration time) { return static_cast<long>(std::chrono::ceil<std::chrono::seconds>(time).count()); }

class Exchange : public HttpStream {
public:
    Exchange(std::shared_ptr<HttpClient::Pool> pool, const HttpSettings &settings, const HttpRequest &request,
             Ticker &ticker)
        : pool_(std::move(pool)),
          ticker_(request.despite_cancel ? NeverCancelled() : ticker),
          url_(request.url),
          curl_(pool_->Take()) {
        SetUp(settings, request);
    }

    // Apart from the constructor, so that a transfer that has begun always meets the destructor.
    void Start() {
        if (curl->curl_multi_add_handle(curl_.multi.get(), curl_.easy.get()) != CURLM_OK)
            throw Error(Code::kInternal, "libcurl refused a transfer");
        added_ = true;
        while (!head_complete_ && !over_) Turn();
        if (head_complete_) return;    // a failure behind it waits until the bytes before it are read
        if (failure_) std::rethrow_exception(failure_);
        throw Error(Code::kUnavailable, "request to " + HostOf(url_) + " failed", "the answer has no head");
    }

    ~Exchange() override {
        if (added_) curl->curl_multi_remove_handle(curl_.multi.get(), curl_.easy.get());
        if (over_ && !failure_) pool_->GiveBack(std::move(curl_));
    }
    Exchange(const Exchange &) = delete;
    Exchange &operator=(const Exchange &) = delete;

    const HttpAnswer &Head() const override { return answer_; }

    std::size_t Read(MutableBytes to) override {
        if (to.empty()) return 0;
        if (std::size_t n = TakeBuffered(to); n > 0) return n;
        wanted_ = to;
        Resume();
        while (wanted_.size() == to.size() && !over_) Turn();
        std::size_t n = to.size() - wanted_.size();
        wanted_ = {};
        if (n == 0 && failure_) std::rethrow_exception(failure_);
        return n;
    }

    HttpAnswer TakeAll(std::size_t limit) override {
        std::array<std::byte, 16 << 10> block;
        while (std::size_t n = Read(block)) {
            if (answer_.body.size() + n > limit)
                throw Error(Code::kCorrupt, "the answer of " + HostOf(url_) + " is too long",
                            fmt::format("more than {} bytes", limit));
            answer_.body += AsText(ByteView(block).first(n));
        }
        return std::move(answer_);
    }

private:
    template <class Value>
    void Set(CURLoption option, Value value) {
        CURLcode code = curl->curl_easy_setopt(curl_.easy.get(), option, value);
        if (code != CURLE_OK)
            throw Error(Code::kInternal, "libcurl refused a setting",
                        fmt::format("option {}: {}", static_cast<int>(option), curl->curl_easy_strerror(code)));
    }

    void SetUp(const HttpSettings &settings, const HttpRequest &request);
    void SetMethod(const HttpRequest &request);
    void AddHeader(const std::string &line);

    // Moves the transfer on, or waits a little for something to move. Sets over_, with failure_ if it ended badly.
    void Turn() {
        ticker_.Check();
        int running = 0;
        CURLMcode code = curl->curl_multi_perform(curl_.multi.get(), &running);
        if (code != CURLM_OK) throw Error(Code::kInternal, "libcurl failed", curl->curl_multi_strerror(code));
        if (running == 0)
            End();
        else if (!moved_)
            curl->curl_multi_poll(curl_.multi.get(), nullptr, 0, kWaitMs, nullptr);
        moved_ = false;
    }

    void End() {
        over_ = true;
        int left = 0;
        while (CURLMsg *message = curl->curl_multi_info_read(curl_.multi.get(), &left))
            if (message->msg == CURLMSG_DONE && message->data.result != CURLE_OK && !failure_)
                failure_ = std::make_exception_ptr(Failure(message->data.result, url_, words_.data()));
    }

    // The callback may be called before curl_easy_pause returns, and pause again.
    void Resume() {
        if (!paused_) return;
        paused_ = false;
        curl->curl_easy_pause(curl_.easy.get(), CURLPAUSE_CONT);
    }

    std::size_t TakeBuffered(MutableBytes to) {
        std::size_t n = std::min(to.size(), buffer_.size() - buffer_at_);
        std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(buffer_at_), n, to.begin());
        buffer_at_ += n;
        if (buffer_at_ == buffer_.size()) {
            buffer_.clear();
            buffer_at_ = 0;
        }
        return n;
    }

    static std::size_t OnHeader(char *text, std::size_t, std::size_t size, void *self) noexcept {
        return static_cast<Exchange *>(self)->Guard(size, [&](Exchange &exchange) {
            exchange.TakeHeader({text, size});
        });
    }
    static std::size_t OnBody(char *text, std::size_t, std::size_t size, void *self) noexcept {
        auto *exchange = static_cast<Exchange *>(self);
        if (exchange->buffer_.size() - exchange->buffer_at_ >= kReadAhead) {
            exchange->paused_ = true;
            return CURL_WRITEFUNC_PAUSE;
        }
        return exchange->Guard(size, [&](Exchange &e) { e.TakeBody(AsBytes({text, size})); });
    }

    // What a callback throws is kept for the caller of libcurl, which is C.
    template <class Fn>
    std::size_t Guard(std::size_t size, Fn fn) noexcept {
        try {
            moved_ = true;
            fn(*this);
            return size;
        } catch (const std::exception &) {
            failure_ = std::current_exception();
            return size + 1;    // any other number ends the transfer
        }
    }

    void TakeHeader(std::string_view line) {
        while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
        if (line.starts_with("HTTP/")) {    // a new head: after "100 Continue" comes another
            answer_ = {};
            std::size_t space = line.find(' ');
            if (space != std::string_view::npos)
                std::from_chars(line.data() + space + 1, line.data() + line.size(), answer_.status);
        } else if (line.empty()) {
            head_complete_ = answer_.status >= 200;
        } else if (std::size_t colon = line.find(':'); colon != std::string_view::npos && !head_complete_) {
            std::string name(line.substr(0, colon));
            std::ranges::transform(name, name.begin(),
                                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            std::string_view value = line.substr(colon + 1);
            value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
            answer_.headers.emplace_back(std::move(name), value);
        }
    }

    void TakeBody(ByteView bytes) {
        std::size_t n = std::min(bytes.size(), wanted_.size());
        std::copy_n(bytes.begin(), n, wanted_.begin());
        wanted_ = wanted_.subspan(n);
        Append(buffer_, bytes.subspan(n));
    }

    std::shared_ptr<HttpClient::Pool> pool_;
    Ticker &ticker_;
    std::string url_;
    CurlPair curl_;
    CurlList headers_;
    std::array<char, CURL_ERROR_SIZE> words_{};
    HttpAnswer answer_;
    Bytes buffer_;    // body bytes that nobody asked for yet
    std::size_t buffer_at_ = 0;
    MutableBytes wanted_;    // where the caller of Read() wants the next bytes
    std::exception_ptr failure_;
    bool added_ = false, head_complete_ = false, over_ = false, paused_ = false, moved_ = false;
};

void Exchange::SetUp(const HttpSettings &settings, const HttpRequest &request) {
    Set(CURLOPT_URL, request.url.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_PATH_AS_IS, 1L);
    Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_NOPROGRESS, 1L);
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_TCP_KEEPALIVE, 1L);
    Set(CURLOPT_TCP_NODELAY, 1L);
    Set(CURLOPT_BUFFERSIZE, 256L << 10);
    Set(CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    Set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(settings.connect_timeout));
    Set(CURLOPT_LOW_SPEED_LIMIT, settings.stall_speed);
    Set(CURLOPT_LOW_SPEED_TIME,
        Seconds(request.stall_timeout.count() > 0 ? request.stall_timeout : settings.stall_timeout));
    if (request.deadline.count() > 0) Set(CURLOPT_TIMEOUT_MS, Milliseconds(request.deadline));
    Set(CURLOPT_SSLVERSION, TlsVersion(settings.tls_min_version));
    if (!settings.ca_file.empty()) Set(CURLOPT_CAINFO, settings.ca_file.c_str());
    if (settings.direct) Set(CURLOPT_NOPROXY, "*");
    Set(CURLOPT_ERRORBUFFER, words_.data());
    Set(CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
    Set(CURLOPT_HEADERDATA, static_cast<void *>(this));
    Set(CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
    Set(CURLOPT_WRITEDATA, static_cast<void *>(this));
    SetMethod(request);
    for (const auto &[name, value] : request.headers) AddHeader(fmt::format("{}: {}", name, value));
    if (!Find(request.headers, "content-type")) AddHeader("Content-Type:");    // else libcurl names a form
    Set(CURLOPT_HTTPHEADER, headers_.get());
}

void Exchange::AddHeader(const std::string &line) {
    curl_slist *longer = curl->curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)headers_.release();
    headers_.reset(longer);
}

void Exchange::SetMethod(const HttpRequest &request) {
    if (request.method == "HEAD") {
        Set(CURLOPT_NOBODY, 1L);
    } else if (request.method == "GET" || (request.method == "DELETE" && request.body.empty())) {
        Set(CURLOPT_HTTPGET, 1L);
        Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
        Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        Set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : reinterpret_cast<const char *>(request.body.data()));
        Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
}

}    // namespace

CurlPair HttpClient::Pool::Take() {
    {
        std::lock_guard lock(mutex_);
        if (!resting_.empty()) {
            CurlPair pair = std::move(resting_.back());
            resting_.pop_back();
            return pair;
        }
    }
    CurlPair pair;
    pair.multi.reset(curl->curl_multi_init());
    pair.easy.reset(curl->curl_easy_init());
    if (!pair.multi || !pair.easy) throw std::bad_alloc();
    return pair;
}

void HttpClient::Pool::GiveBack(CurlPair pair) noexcept {
    curl->curl_easy_reset(pair.easy.get());
    std::lock_guard lock(mutex_);
    if (resting_.size() < kMostResting) resting_.push_back(std::move(pair));
}

HttpClient::HttpClient(HttpSettings settings, Ticker &ticker) : settings_(std::move(settings)), ticker_(ticker) {
    StartCurl();
    pool_ = std::make_shared<Pool>();
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpStream> HttpClient::Open(const HttpRequest &request) {
    auto exchange = std::make_unique<Exchange>(pool_, settings_, request, ticker_);
    exchange->Start();
    return exchange;
}

}    // namespace ark::s3
