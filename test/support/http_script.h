// A real HTTP/1.1 server on 127.0.0.1 that plays a script and records what it was asked. Each step expects one request and
// says what happens: an answer, a reset, silence, an answer cut short. A request that no step expects gets a 599, and is a
// failure of the test when the script is destroyed; so is a step that was never reached.
//
//     HttpScript server;
//     server.Expect("PUT", "/bucket/a").Header("if-none-match", "*").Answer(200, {{"ETag", "\"1\""}});
//     server.Expect("GET", "/bucket/a").Stall();
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ark::test {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct SeenRequest {
    std::string method, target;
    std::map<std::string, std::string> headers;    // names in lower case
    std::string body;
    int connection = 0;    // 1, 2, ...: which connection it came over

    std::string Header(const std::string &name) const {
        auto at = headers.find(name);
        return at == headers.end() ? std::string() : at->second;
    }
};

struct HttpReply {
    int status = 200;
    HttpFields headers = {};
    std::string body = {};
};

class HttpStep {
public:
    // What the request must be, beyond method and target.
    HttpStep &Header(std::string name, std::string value) {
        headers_.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    HttpStep &Without(std::string name) {
        absent_.push_back(std::move(name));
        return *this;
    }
    HttpStep &Body(std::string body) {
        body_ = std::move(body);
        return *this;
    }
    HttpStep &Times(int times) {
        left_ = times;
        return *this;
    }

    // What happens then. Content-Length and Date are added where the headers given lack them.
    HttpStep &Answer(int status, HttpFields headers = {}, std::string body = {}) {
        reply_ = {status, std::move(headers), std::move(body)};
        return *this;
    }
    // The answer is made when the request is there, from all requests seen so far (it is the last of them).
    HttpStep &AnswerFrom(std::function<HttpReply(const std::vector<SeenRequest> &)> make) {
        make_ = std::move(make);
        return *this;
    }
    HttpStep &Reset() {
        end_ = End::kReset;
        return *this;
    }    // the request is read, then the connection is reset
    HttpStep &ResetAfter(std::size_t body_bytes) {
        end_ = End::kResetEarly;
        cut_ = body_bytes;
        return *this;
    }    // of the request
    HttpStep &Stall() {
        end_ = End::kStall;
        return *this;
    }    // no answer, the connection stays open
    // The answer's head is whole, of its body come so many bytes; then the connection closes, or falls silent.
    HttpStep &Truncate(std::size_t bytes) {
        end_ = End::kTruncate;
        cut_ = bytes;
        return *this;
    }
    HttpStep &StallAfter(std::size_t bytes) {
        end_ = End::kStallInBody;
        cut_ = bytes;
        return *this;
    }

private:
    friend class HttpScript;
    enum class End { kAnswer, kReset, kResetEarly, kStall, kTruncate, kStallInBody };

    std::string method_, target_;    // a target that ends in '*' is a prefix
    HttpFields headers_;
    std::vector<std::string> absent_;
    std::optional<std::string> body_;
    int left_ = 1;
    End end_ = End::kAnswer;
    HttpReply reply_;
    std::function<HttpReply(const std::vector<SeenRequest> &)> make_;
    std::size_t cut_ = 0;
};

class HttpScript {
public:
    HttpScript();
    ~HttpScript();    // fails the running test for what did not go by the script
    HttpScript(const HttpScript &) = delete;
    HttpScript &operator=(const HttpScript &) = delete;

    HttpStep &Expect(std::string method, std::string target);
    // Requests may come in any order: each takes the first step that it fits. Else the order of the steps counts.
    void InAnyOrder() { any_order_ = true; }

    std::string Url() const;    // "http://127.0.0.1:12345"
    int port() const { return port_; }
    std::vector<SeenRequest> Requests() const;
    int Connections() const { return connections_; }

private:
    class Connection;
    void Accept();
    void Serve(int socket, int number);
    std::optional<HttpStep> Take(const SeenRequest &request);
    std::string Mismatch(const HttpStep &step, const SeenRequest &request) const;
    std::optional<std::size_t> EarlyCut(const SeenRequest &head);
    void WaitUntilStopped(int socket);

    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stopped_{false};
    std::atomic<bool> any_order_{false};
    std::atomic<int> connections_{0};
    mutable std::mutex mutex_;
    std::list<HttpStep> steps_;
    std::vector<SeenRequest> requests_;
    std::vector<std::string> problems_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}    // namespace ark::test
