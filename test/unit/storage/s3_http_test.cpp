#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/s3/http.h"
#include "support/http_script.h"

namespace ark::s3 {
namespace {

using namespace std::chrono_literals;
using test::HttpScript;
using testing::HasSubstr;

class Http : public testing::Test {
protected:
    HttpRequest Request(const std::string &method, const std::string &target, std::string_view body = {}) {
        HttpRequest request;
        request.method = method;
        request.url = server.Url() + target;
        request.body = AsBytes(body);
        return request;
    }
    template <class Fn>
    static Error Thrown(Fn fn) {
        try {
            fn();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(Code::kInternal, "");
    }
    static HttpSettings Quick() {
        HttpSettings settings;
        settings.stall_timeout = 1s;
        return settings;
    }

    HttpScript server;
    FlagTicker ticker;
    HttpClient client{Quick(), ticker};
};

TEST_F(Http, SendsWhatItIsGivenAndReadsTheAnswer) {
    server.Expect("POST", "/a/../b//c?x=%20")
        .Header("x-one", "1")
        .Header("content-length", "4")
        .Without("content-type")
        .Body("body")
        .Answer(201, {{"X-Two", " 2 "}}, "answer");
    HttpRequest request = Request("POST", "/a/../b//c?x=%20", "body");
    request.headers = {{"X-One", "1"}};
    HttpAnswer answer = client.Send(request);
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, "answer");
    EXPECT_THAT(*answer.Header("x-two"), HasSubstr("2"));
    server.Expect("PUT", "/empty").Header("content-length", "0").Answer(200);
    EXPECT_EQ(client.Send(Request("PUT", "/empty")).body, "");
    server.Expect("HEAD", "/h").Answer(200, {{"Content-Length", "1000"}});
    EXPECT_EQ(*client.Send(Request("HEAD", "/h")).Header("content-length"), "1000");
    server.Expect("DELETE", "/d").Without("content-length").Answer(204);
    EXPECT_EQ(client.Send(Request("DELETE", "/d")).status, 204);
}

TEST_F(Http, KeepsConnectionsWarm) {
    server.Expect("GET", "/").Times(20).Answer(200, {}, std::string(100000, 'x'));
    for (int i = 0; i < 20; i++) EXPECT_EQ(client.Send(Request("GET", "/")).body.size(), 100000u);
    EXPECT_EQ(server.Connections(), 1);
}

TEST_F(Http, LargeBodiesWaitForTheGoAhead) {
    std::string large(3 << 20, 'y');
    server.Expect("PUT", "/large").Header("expect", "100-continue").Body(large).Answer(200);
    EXPECT_EQ(client.Send(Request("PUT", "/large", large)).status, 200);
}

TEST_F(Http, FollowsNoRedirect) {
    server.Expect("GET", "/").Answer(307, {{"Location", server.Url() + "/elsewhere"}}, "moved");
    EXPECT_EQ(client.Send(Request("GET", "/")).status, 307);
}

TEST_F(Http, StreamsHoldLittleAndWaitForTheReader) {
    std::string large;
    for (int i = 0; large.size() < 6 << 20; i++) large += std::to_string(i);
    server.Expect("GET", "/large").Answer(200, {}, large);
    std::unique_ptr<HttpStream> stream = client.Open(Request("GET", "/large"));
    std::this_thread::sleep_for(1200ms);    // a reader slower than the stall time-out is not a stalled server
    std::string read;
    Bytes block(100001);
    while (std::size_t n = stream->Read(block)) read += AsText(ByteView(block).first(n));
    EXPECT_TRUE(read == large);
    EXPECT_THAT(Thrown([&] {
                    server.Expect("GET", "/long").Answer(200, {}, large);
                    client.Open(Request("GET", "/long"))->TakeAll(1000);
                }).message,
                HasSubstr("too long"));
}

TEST_F(Http, ResetsStallsAndShortAnswersAreUnavailable) {
    server.Expect("GET", "/reset").Reset();
    server.Expect("PUT", "/early").ResetAfter(100000);
    server.Expect("GET", "/stall").Stall();
    server.Expect("GET", "/short").Answer(200, {}, "0123456789").Truncate(5);
    server.Expect("GET", "/silent").Answer(200, {}, "0123456789").StallAfter(5);
    std::string large(3 << 20, 'y');
    EXPECT_EQ(Thrown([&] { client.Send(Request("GET", "/reset")); }).code, Code::kUnavailable);
    EXPECT_EQ(Thrown([&] { client.Send(Request("PUT", "/early", large)); }).code, Code::kUnavailable);
    EXPECT_EQ(Thrown([&] { client.Send(Request("GET", "/stall")); }).code, Code::kUnavailable);
    EXPECT_EQ(Thrown([&] { client.Send(Request("GET", "/short")); }).code, Code::kUnavailable);
    Error silent = Thrown([&] { client.Send(Request("GET", "/silent")); });
    EXPECT_EQ(silent.code, Code::kUnavailable);
    EXPECT_EQ(silent.message, "request to " + server.Url() + " failed");
}

TEST_F(Http, NobodyListeningIsUnavailable) {
    int port = 0;
    {
        HttpScript gone;
        port = gone.port();
    }
    HttpRequest request = Request("GET", "/");
    request.url = "http://127.0.0.1:" + std::to_string(port) + "/";
    EXPECT_EQ(Thrown([&] { client.Send(request); }).code, Code::kUnavailable);
    request.url = "file:///etc/passwd";
    EXPECT_EQ(Thrown([&] { client.Send(request); }).code, Code::kInvalidArgument);
}

TEST_F(Http, CancellingEndsAWait) {
    HttpSettings patient;
    patient.stall_timeout = 3600s;
    HttpClient slow(patient, ticker);
    server.Expect("GET", "/").Stall();
    std::thread later([&] {
        std::this_thread::sleep_for(300ms);
        ticker.Cancel();
    });
    Error error = Thrown([&] { slow.Send(Request("GET", "/")); });
    later.join();
    EXPECT_EQ(error.code, Code::kCancelled);
    server.Expect("DELETE", "/tidy").Answer(204);
    HttpRequest tidy = Request("DELETE", "/tidy");
    tidy.despite_cancel = true;
    EXPECT_EQ(slow.Send(tidy).status, 204);
}

TEST_F(Http, ADeadlineEndsAnExchange) {
    server.Expect("GET", "/").Stall();
    HttpRequest request = Request("GET", "/");
    request.deadline = 300ms;
    request.stall_timeout = 60s;
    EXPECT_EQ(Thrown([&] { client.Send(request); }).code, Code::kUnavailable);
}

}    // namespace
}    // namespace ark::s3
