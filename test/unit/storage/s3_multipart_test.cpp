#include "s3_script.h"
#include "storage/s3/xml.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Parts of 1 KiB, so that a few kilobytes are a large object.
class S3Multipart : public S3Script {
protected:
    S3Multipart() {
        settings.part_size = 1 << 10;
        settings.single_put = 2 << 10;
        server.InAnyOrder();
        for (int i = 0; bytes.size() < 4500; i++) bytes += std::to_string(i) + ",";
        bytes.resize(4500);    // four parts and a short one
    }

    const std::string object = "/bucket/ark/big";
    std::string bytes;

    std::string Part(int number) const { return bytes.substr(1024 * (number - 1), 1024); }
    std::string PartTarget(int number) const {
        return object + "?partNumber=" + std::to_string(number) + "&uploadId=u1";
    }
    void Begins() {
        server.Expect("POST", object + "?uploads=")
            .Header("x-amz-checksum-algorithm", "SHA256")
            .Answer(200, {}, "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>");
    }
    void TakesPart(int number) {
        server.Expect("PUT", PartTarget(number))
            .Header("x-amz-checksum-sha256", Checksum(Part(number)))
            .Body(Part(number))
            .Answer(200, {{"ETag", "\"e" + std::to_string(number) + "\""},
                          {"x-amz-checksum-sha256", Checksum(Part(number))}});
    }
    void TakesParts() {
        for (int number = 1; number <= 5; number++) TakesPart(number);
    }
    void NameIsFree() { server.Expect("HEAD", object).Answer(404); }
    HttpStep &Completes() { return server.Expect("POST", object + "?uploadId=u1"); }
    static std::string Completed(const std::string &more = "") {
        return "<CompleteMultipartUploadResult><ETag>\"e-5\"</ETag>" + more + "</CompleteMultipartUploadResult>";
    }

    // The object bears the mark that the upload began with.
    void ShowsItsObject(std::size_t size) {
        server.Expect("HEAD", object).AnswerFrom([this, size](const std::vector<SeenRequest> &seen) {
            HttpReply reply{
                200, {{"Content-Length", std::to_string(size)}, {"Last-Modified", "Fri, 16 Jan 2026 08:00:09 GMT"}}};
            for (const SeenRequest &request : seen)
                if (request.target == object + "?uploads=")
                    reply.headers.emplace_back("x-amz-meta-ark-upload", request.Header("x-amz-meta-ark-upload"));
            return reply;
        });
    }
};

TEST_F(S3Multipart, PartsAreSentCompletedAndProven) {
    Begins();
    TakesParts();
    NameIsFree();
    Bytes digests;
    for (int number = 1; number <= 5; number++) Append(digests, Sha256(AsBytes(Part(number))));
    Completes()
        .Header("if-none-match", "*")
        .Answer(200, {}, Completed("<ChecksumSHA256>" + Base64Encode(Sha256(digests)) + "-5</ChecksumSHA256>"));
    ShowsItsObject(4500);
    ObjectInfo info = Put("big", bytes);
    EXPECT_EQ(info.size, 4500u);
    EXPECT_EQ(FormatTime(info.modified), "2026-01-16T08:00:09Z");
    std::vector<s3::PartEntry> parts;
    for (std::size_t number = 1; number <= 5; number++)
        parts.push_back({number, "\"e" + std::to_string(number) + "\"", Checksum(Part(static_cast<int>(number)))});
    for (const SeenRequest &request : server.Requests())
        if (request.target == object + "?uploadId=u1") {
            EXPECT_EQ(request.body, s3::CompleteDocument(parts));
        }
}

TEST_F(S3Multipart, ABrokenPartIsSentAgainAlone) {
    Begins();
    server.Expect("PUT", PartTarget(2)).Reset();
    server.Expect("PUT", PartTarget(2)).Answer(503, {}, ErrorXml("SlowDown"));
    server.Expect("PUT", PartTarget(3)).Stall();
    server.Expect("PUT", PartTarget(4))
        .Answer(200, {{"ETag", "\"e\""}, {"x-amz-checksum-sha256", Checksum("other bytes")}});
    TakesParts();
    NameIsFree();
    Completes().Answer(200, {}, Completed());
    ShowsItsObject(4500);
    EXPECT_EQ(Put("big", bytes).size, 4500u);
}

TEST_F(S3Multipart, AnErrorInA200IsTriedAgain) {
    Begins();
    TakesParts();
    NameIsFree();
    Completes().Answer(200, {}, ErrorXml("InternalError"));
    Completes().Answer(200, {}, Completed());
    ShowsItsObject(4500);
    EXPECT_EQ(Put("big", bytes).size, 4500u);
}

TEST_F(S3Multipart, ACompletionWhoseAnswerWasLostIsRecognised) {
    Begins();
    TakesParts();
    NameIsFree();
    Completes().Reset();
    Completes().Answer(404, {}, ErrorXml("NoSuchUpload"));
    ShowsItsObject(4500);
    EXPECT_EQ(Put("big", bytes).size, 4500u);
}

TEST_F(S3Multipart, AFailedUploadIsAborted) {
    Begins();
    settings.parts_in_flight = 1;
    server.Expect("PUT", PartTarget(1)).Answer(403, {}, ErrorXml("AccessDenied"));
    server.Expect("DELETE", object + "?uploadId=u1").Answer(204);
    Error error = Thrown([&] { Put("big", bytes); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_EQ(server.Requests().back().method, "DELETE");
}

TEST_F(S3Multipart, AConditionThatFailsAtTheEndLeavesTheOtherObject) {
    Begins();
    TakesParts();
    server.Expect("HEAD", object).Answer(200, {{"x-amz-meta-ark-upload", "another"}, {"Content-Length", "1"}});
    server.Expect("DELETE", object + "?uploadId=u1").Answer(204);
    EXPECT_EQ(Thrown([&] { Put("big", bytes); }).code, Code::kAlreadyExists);
}

TEST_F(S3Multipart, AWrongSizeInTheStoreIsAnError) {
    Begins();
    TakesParts();
    NameIsFree();
    Completes().Answer(200, {}, Completed());
    ShowsItsObject(4499);
    Error error = Thrown([&] { Put("big", bytes); });
    EXPECT_EQ(error.code, Code::kCorrupt);
    EXPECT_THAT(error.detail, HasSubstr("4499 bytes in place of 4500"));
}

TEST_F(S3Multipart, CancellingAbortsTheUpload) {
    settings.http.stall_timeout = 3600s;
    Begins();
    server.Expect("PUT", PartTarget(1)).Stall();
    server.Expect("PUT", PartTarget(2)).Stall();
    server.Expect("PUT", PartTarget(3)).Stall();
    server.Expect("DELETE", object + "?uploadId=u1").Answer(204);
    std::thread later([&] {
        while (server.Requests().size() < 4) std::this_thread::sleep_for(1ms);
        ticker.Cancel();
    });
    EXPECT_EQ(Thrown([&] { Put("big", bytes); }).code, Code::kCancelled);
    later.join();
}

// Counts how much of it was asked for before it is sent.
class CountingSource : public Source {
public:
    explicit CountingSource(std::size_t size) : left_(size) {}
    std::size_t Read(MutableBytes to) override {
        std::size_t n = std::min(to.size(), left_);
        left_ -= n;
        taken += n;
        return n;
    }
    std::size_t taken = 0;

private:
    std::size_t left_;
};

TEST_F(S3Multipart, HoldsNoMoreThanThePartsInFlightAndOne) {
    settings.http.stall_timeout = 60s;
    Begins();
    server.Expect("PUT", object + "?partNumber=*").Times(3).Stall();
    server.Expect("DELETE", object + "?uploadId=u1").Answer(204);
    CountingSource source(100 << 10);
    std::thread later([&] {
        while (server.Requests().size() < 4) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(200ms);    // time to read too much
        ticker.Cancel();
    });
    Thrown([&] { Store().Put("big", source, PutMode::kCreate); });
    later.join();
    EXPECT_EQ(source.taken, 4u << 10);
}

}    // namespace
}    // namespace ark::test
