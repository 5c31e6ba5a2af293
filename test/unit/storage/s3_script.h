// An S3 store whose server plays a script: time-outs of a second, waits between tries on a clock that does not wait.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/encoding.h"
#include "storage/s3/s3_storage.h"
#include "support/fake_clock.h"
#include "support/http_script.h"

namespace ark::test {

class S3Script : public testing::Test {
protected:
    S3Script() {
        settings.bucket = "bucket";
        settings.prefix = "ark";
        settings.endpoint = server.Url();
        settings.path_style = true;
        settings.http.stall_timeout = std::chrono::seconds(1);
    }

    Storage &Store() {
        if (!store_) store_ = MakeS3Storage(settings, policy, credentials, clock, ticker);
        return *store_;
    }

    static std::string ErrorXml(const std::string &code, const std::string &message = "words") {
        return "<Error><Code>" + code + "</Code><Message>" + message + "</Message><RequestId>R1</RequestId></Error>";
    }
    static std::string Etag(std::string_view bytes) { return "\"" + HexEncode(Md5(AsBytes(bytes))) + "\""; }
    static std::string Checksum(std::string_view bytes) { return Base64Encode(Sha256(AsBytes(bytes))); }

    ObjectInfo Put(const std::string &name, std::string_view bytes, PutMode mode = PutMode::kCreate) {
        MemorySource source(bytes);
        return Store().Put(name, source, mode);
    }
    std::string Get(const std::string &name, Range range = {}) {
        auto reader = Store().Open(name, range);
        if (!reader) return "(absent)";
        Bytes block(64 << 10);
        std::string all;
        while (std::size_t n = reader->Read(block)) all += AsText(ByteView(block).first(n));
        return all;
    }

    // What a call throws; a failure of the test if it does not.
    template <class Fn>
    static Error Thrown(Fn fn) {
        try {
            fn();
        } catch (const Error &error) {
            EXPECT_EQ((error.message + error.detail + error.hint).find("secret"), std::string::npos)
                << error.message << " " << error.detail;
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(Code::kInternal, "nothing was thrown");
    }

    HttpScript server;
    FakeClock clock;
    SeededRandom random{1};
    FlagTicker ticker;
    S3Settings settings;
    std::shared_ptr<RetryPolicy> policy =
        std::make_shared<RetryPolicy>(RetrySettings{.deadline = std::chrono::minutes(1)}, clock, random, ticker);
    std::shared_ptr<s3::CredentialProvider> credentials =
        s3::MakeFixedCredentials({"id", Secret("secret"), {}}, "the test");

private:
    StoragePtr store_;
};

}    // namespace ark::test
