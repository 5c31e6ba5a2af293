#include "support/http_script.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace ark::test {
namespace {

struct Gone {};    // the peer closed, or the script was stopped

std::string LowerCase(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string HttpNow() {
    std::array<char, 64> text{};
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

bool Has(const HttpFields &fields, const std::string &name) {
    return std::ranges::any_of(fields, [&](const auto &field) { return LowerCase(field.first) == name; });
}

void CloseWithReset(int socket) {
    linger now{1, 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}    // namespace

// The bytes of one connection, read in small waits so that a stop is noticed.
class HttpScript::Connection {
public:
    Connection(int socket, std::atomic<bool> &stopped) : socket_(socket), stopped_(stopped) {}

    std::string Line() {
        for (;;) {
            if (std::size_t end = buffer_.find("\r\n"); end != std::string::npos) return Take(end + 2).substr(0, end);
            Fill();
        }
    }
    std::string Exactly(std::size_t size) {
        while (buffer_.size() < size) Fill();
        return Take(size);
    }
    void Send(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t n = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) throw Gone{};
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

private:
    std::string Take(std::size_t size) {
        std::string out = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return out;
    }
    void Fill() {
        for (;;) {
            if (stopped_) throw Gone{};
            pollfd ready{socket_, POLLIN, 0};
            if (poll(&ready, 1, 5) > 0) break;
        }
        std::array<char, 64 << 10> block;
        ssize_t n = recv(socket_, block.data(), block.size(), 0);
        if (n <= 0) throw Gone{};
        buffer_.append(block.data(), static_cast<std::size_t>(n));
    }

    int socket_;
    std::atomic<bool> &stopped_;
    std::string buffer_;
};

HttpScript::HttpScript() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr *>(&address), size) != 0 ||
        listen(listener_, 64) != 0 || getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &size) != 0)
        throw std::runtime_error(std::string("could not listen on 127.0.0.1: ") + std::strerror(errno));
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
}

HttpScript::~HttpScript() {
    stopped_ = true;
    acceptor_.join();
    for (std::thread &thread : threads_) thread.join();
    close(listener_);
    for (const std::string &problem : problems_) ADD_FAILURE() << "unexpected request: " << problem;
    for (const HttpStep &step : steps_)
        if (step.left_ > 0) ADD_FAILURE() << "no request came for the step " << step.method_ << " " << step.target_;
}

HttpStep &HttpScript::Expect(std::string method, std::string target) {
    std::lock_guard lock(mutex_);
    HttpStep &step = steps_.emplace_back();
    step.method_ = std::move(method);
    step.target_ = std::move(target);
    return step;
}

std::string HttpScript::Url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<SeenRequest> HttpScript::Requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
}

void HttpScript::Accept() {
    while (!stopped_) {
        pollfd ready{listener_, POLLIN, 0};
        if (poll(&ready, 1, 5) <= 0) continue;
        int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) continue;
        int number = ++connections_;
        threads_.emplace_back([this, socket, number] {
            try {
                Serve(socket, number);
            } catch (const Gone &) {}
            close(socket);
        });
    }
}

std::string HttpScript::Mismatch(const HttpStep &step, const SeenRequest &request) const {
    bool prefix = step.target_.ends_with('*');
    bool fits = prefix ? request.target.starts_with(step.target_.substr(0, step.target_.size() - 1))
                       : request.target == step.target_;
    if (request.method != step.method_ || !fits) return "expected " + step.method_ + " " + step.target_;
    for (const auto &[name, value] : step.headers_)
        if (request.Header(name) != value)
            return "expected header " + name + ": " + value + ", it is \"" + request.Header(name) + "\"";
    for (const std::string &name : step.absent_)
        if (request.headers.contains(name)) return "expected no header " + name;
    if (step.body_ && request.body != *step.body_)
        return "expected the body \"" + *step.body_ + "\", it is \"" + request.body + "\"";
    return {};
}

std::optional<HttpStep> HttpScript::Take(const SeenRequest &request) {
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    std::string why = "the script is over";
    for (HttpStep &step : steps_) {
        if (step.left_ <= 0) continue;
        why = Mismatch(step, request);
        if (why.empty()) {
            step.left_--;
            HttpStep now = step;
            if (now.make_) now.reply_ = now.make_(requests_);
            return now;
        }
        if (!any_order_) break;
    }
    problems_.push_back(request.method + " " + request.target + ": " + why);
    return std::nullopt;
}

// Whether the step for this request resets the connection before the request's body is through.
std::optional<std::size_t> HttpScript::EarlyCut(const SeenRequest &head) {
    std::lock_guard lock(mutex_);
    for (HttpStep &step : steps_) {
        if (step.left_ <= 0) continue;
        if (step.end_ == HttpStep::End::kResetEarly && Mismatch(step, head).empty()) {
            step.left_--;
            requests_.push_back(head);
            return step.cut_;
        }
        if (!any_order_) break;
    }
    return std::nullopt;
}

void HttpScript::WaitUntilStopped(int socket) {
    char byte;
    while (!stopped_) {
        pollfd ready{socket, POLLIN, 0};
        if (poll(&ready, 1, 5) > 0 && recv(socket, &byte, 1, 0) <= 0) return;    // the client has had enough
    }
}

void HttpScript::Serve(int socket, int number) {
    Connection connection(socket, stopped_);
    for (;;) {
        SeenRequest request;
        request.connection = number;
        std::string line = connection.Line();
        request.method = line.substr(0, line.find(' '));
        request.target = line.substr(request.method.size() + 1, line.rfind(' ') - request.method.size() - 1);
        while (!(line = connection.Line()).empty()) {
            std::size_t colon = line.find(':');
            request.headers[LowerCase(line.substr(0, colon))] =
                line.substr(std::min(line.size(), line.find_first_not_of(' ', colon + 1)));
        }
        std::size_t length =
            request.headers.contains("content-length") ? std::stoul(request.Header("content-length")) : 0;
        if (request.headers.contains("expect")) connection.Send("HTTP/1.1 100 Continue\r\n\r\n");
        if (std::optional<std::size_t> cut = EarlyCut(request)) {
            connection.Exactly(std::min(*cut, length));
            return CloseWithReset(socket);
        }
        request.body = connection.Exactly(length);
        std::optional<HttpStep> step = Take(request);
        if (!step) {
            step.emplace();
            step->Answer(599, {}, "not in the script");
        }
        using End = HttpStep::End;
        if (step->end_ == End::kReset) return CloseWithReset(socket);
        if (step->end_ == End::kStall) return WaitUntilStopped(socket);
        std::string head = "HTTP/1.1 " + std::to_string(step->reply_.status) + " -\r\n";
        for (const auto &[name, value] : step->reply_.headers) head += name + ": " + value + "\r\n";
        if (!Has(step->reply_.headers, "content-length") && step->reply_.status != 204)
            head += "Content-Length: " + std::to_string(step->reply_.body.size()) + "\r\n";
        if (!Has(step->reply_.headers, "date")) head += "Date: " + HttpNow() + "\r\n";
        connection.Send(head + "\r\n");
        bool whole = step->end_ == End::kAnswer;
        if (request.method != "HEAD")
            connection.Send(std::string_view(step->reply_.body).substr(0, whole ? std::string::npos : step->cut_));
        if (step->end_ == End::kTruncate) return;
        if (step->end_ == End::kStallInBody) return WaitUntilStopped(socket);
    }
}

}    // namespace ark::test
