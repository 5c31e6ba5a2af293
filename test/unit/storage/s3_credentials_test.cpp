#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/s3/credential_sources.h"
#include "storage/s3/profile.h"
#include "support/fake_clock.h"
#include "support/http_script.h"

namespace ark::s3 {
namespace {

using namespace std::chrono_literals;
using test::FakeClock;
using test::HttpScript;
using testing::HasSubstr;
using testing::Not;

class CredentialChain : public testing::Test {
protected:
    CredentialChain() {
        environment.variable = [this](const std::string &name) -> std::optional<std::string> {
            auto at = variables.find(name);
            return at == variables.end() ? std::nullopt : std::optional(at->second);
        };
        environment.file = [this](const std::string &path) -> std::optional<std::string> {
            auto at = files.find(path);
            return at == files.end() ? std::nullopt : std::optional(at->second);
        };
        environment.run = [this](const std::string &command) {
            commands.push_back(command);
            return output;
        };
        variables["HOME"] = "/home/me";
        variables["AWS_EC2_METADATA_DISABLED"] = "true";
    }

    std::shared_ptr<CredentialProvider> Chain() {
        return MakeDefaultChain(settings, environment, clock, NeverCancelled());
    }

    Error Failure() {
        try {
            Chain()->Get();
        } catch (const Error &error) {
            EXPECT_THAT(error.message + error.detail + error.hint, Not(HasSubstr("top-secret")));
            return error;
        }
        ADD_FAILURE() << "there were credentials";
        return Error(Code::kInternal, "");
    }

    static std::string Json(const std::string &id, const std::string &expiration,
                            const std::string &token_name = "Token") {
        return "{\"Code\":\"Success\",\"AccessKeyId\":\"" + id + "\",\"SecretAccessKey\":\"top-secret\",\"" +
               token_name + "\":\"t\",\"Expiration\":\"" + expiration + "\"}";
    }

    std::map<std::string, std::string> variables, files;
    std::vector<std::string> commands;
    std::string output;
    Environment environment;
    ChainSettings settings;
    FakeClock clock;    // 2026-01-16T08:00:00Z
};

TEST_F(CredentialChain, EnvironmentComesFirst) {
    variables["AWS_ACCESS_KEY_ID"] = "id";
    variables["AWS_SECRET_ACCESS_KEY"] = "s";
    variables["AWS_SESSION_TOKEN"] = "t";
    files["/home/me/.aws/credentials"] = "[default]\naws_access_key_id = file\naws_secret_access_key = s\n";
    Credentials found = Chain()->Get();
    EXPECT_EQ(found.key.access_key, "id");
    EXPECT_EQ(found.key.session_token.Reveal(), "t");
    EXPECT_EQ(found.source, "environment (AWS_ACCESS_KEY_ID)");
    EXPECT_FALSE(found.expires);
}

TEST_F(CredentialChain, HalfAPairIsAnError) {
    variables["AWS_ACCESS_KEY_ID"] = "id";
    EXPECT_EQ(Failure().code, Code::kPermissionDenied);
}

TEST_F(CredentialChain, NamesEverySourceTriedWhenThereIsNone) {
    Error error = Failure();
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    for (const char *source : {"environment: AWS_ACCESS_KEY_ID is not set", "web identity: AWS_WEB_IDENTITY_TOKEN_FILE",
                               "profile \"default\": not in /home/me/.aws/credentials, /home/me/.aws/config",
                               "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "instance metadata: switched off"})
        EXPECT_THAT(error.detail, HasSubstr(source));
}

TEST_F(CredentialChain, ReadsProfilesOfBothFiles) {
    files["/home/me/.aws/credentials"] =
        "# comment\n[default]\naws_access_key_id=one\naws_secret_access_key=s1\n\n[other]\naws_access_key_id = "
        "two\naws_secret_access_key = s2==\n";
    files["/home/me/.aws/config"] =
        "[default]\nregion = eu-central-1\ns3 =\n  max_concurrent_requests = 20\n[profile "
        "other]\nregion=eu-west-1\n[profile third]\naws_access_key_id = three\naws_secret_access_key = s3\n";
    EXPECT_EQ(Chain()->Get().key.access_key, "one");
    EXPECT_EQ(ConfiguredRegion(environment, ""), "eu-central-1");
    EXPECT_EQ(ConfiguredRegion(environment, "other"), "eu-west-1");
    variables["AWS_PROFILE"] = "other";
    EXPECT_EQ(Chain()->Get().key.secret_key.Reveal(), "s2==");
    EXPECT_EQ(Chain()->Get().source, "profile \"other\"");
    variables["AWS_REGION"] = "ap-south-1";
    EXPECT_EQ(ConfiguredRegion(environment, "other"), "ap-south-1");
    settings.profile = "third";    // the URL's word is the last
    variables["AWS_ACCESS_KEY_ID"] = "environment";
    EXPECT_EQ(Chain()->Get().key.access_key, "three");
    settings.profile = "nobody";
    EXPECT_THAT(Failure().message, HasSubstr("profile \"nobody\" does not exist"));
}

TEST_F(CredentialChain, FilesMayBeElsewhere) {
    variables["AWS_SHARED_CREDENTIALS_FILE"] = "/etc/keys";
    files["/etc/keys"] = "[default]\naws_access_key_id=a\naws_secret_access_key=s\naws_session_token=t\n";
    EXPECT_EQ(Chain()->Get().key.session_token.Reveal(), "t");
    files["/etc/keys"] = "aws_access_key_id=top-secret\n";
    Error error = Failure();
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_THAT(error.detail, HasSubstr("line 1"));
}

TEST_F(CredentialChain, RefusesProfilesThatItCannotFollow) {
    files["/home/me/.aws/config"] =
        "[profile a]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n[profile b]\nsso_session = x\n";
    for (std::string profile : {"a", "b"}) {
        settings.profile = profile;
        Error error = Failure();
        EXPECT_EQ(error.code, Code::kUnsupported);
        EXPECT_THAT(error.hint, HasSubstr("credential_process"));
    }
}

TEST_F(CredentialChain, RunsCredentialProcess) {
    files["/home/me/.aws/config"] = "[default]\ncredential_process = /usr/bin/vault-aws \"my role\"\n";
    output = Json("process", "2026-01-16T09:00:00+00:00", "SessionToken");
    Credentials found = Chain()->Get();
    EXPECT_EQ(commands, std::vector<std::string>{"/usr/bin/vault-aws \"my role\""});
    EXPECT_EQ(found.key.access_key, "process");
    EXPECT_EQ(found.key.session_token.Reveal(), "t");
    EXPECT_EQ(found.expires, ParseTime("2026-01-16T09:00:00Z"));
    output = "top-secret is not JSON";
    EXPECT_EQ(Failure().code, Code::kUnavailable);
}

TEST(ProcessEnvironment, RunsCommandsAndEndsThemWhenCancelled) {
    FlagTicker ticker;
    Environment environment = ProcessEnvironment(ticker);
    EXPECT_EQ(environment.run("printf 'a b'"), "a b");
    EXPECT_THROW(environment.run("echo secret; exit 3"), Error);
    EXPECT_FALSE(environment.file("/nowhere/at/all"));
    std::string home = environment.Get("HOME");
    unsetenv("HOME");
    EXPECT_TRUE(environment.Get("HOME").starts_with('/'));
    setenv("HOME", home.c_str(), 1);
    ticker.Cancel();
    EXPECT_THROW(environment.run("sleep 3600"), Error);
}

std::string StsAnswer(const std::string &id, const std::string &expiration) {
    return "<AssumeRoleWithWebIdentityResponse "
           "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/"
           "\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>" +
           id +
           "</AccessKeyId><SecretAccessKey>top-secret</SecretAccessKey><SessionToken>session</"
           "SessionToken><Expiration>" +
           expiration +
           "</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
}

TEST_F(CredentialChain, WebIdentityReadsItsTokenAgainAtEachRenewal) {
    HttpScript sts;
    variables["AWS_ENDPOINT_URL_STS"] = sts.Url();
    variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/var/run/token";
    variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/backup";
    variables["AWS_ROLE_SESSION_NAME"] = "me";
    files["/var/run/token"] = "first\n";
    std::string form =
        "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup&RoleSessionName=me&Version="
        "2011-06-15&WebIdentityToken=";
    sts.Expect("POST", "/")
        .Header("content-type", "application/x-www-form-urlencoded")
        .Body(form + "first")
        .Answer(200, {}, StsAnswer("one", "2026-01-16T09:00:00Z"));
    auto chain = Chain();
    EXPECT_EQ(chain->Get().key.access_key, "one");
    EXPECT_EQ(chain->Get().source, "web identity (role arn:aws:iam::1:role/backup)");
    files["/var/run/token"] = "second";
    clock.Advance(49min);
    EXPECT_EQ(chain->Get().key.access_key, "one");
    sts.Expect("POST", "/").Body(form + "second").Answer(200, {}, StsAnswer("two", "2026-01-16T10:00:00Z"));
    clock.Advance(1min);    // ten minutes before the end
    EXPECT_EQ(chain->Get().key.access_key, "two");
}

TEST_F(CredentialChain, WebIdentityPassesOnTheWordsOfSts) {
    HttpScript sts;
    variables["AWS_ENDPOINT_URL_STS"] = sts.Url();
    variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/var/run/token";
    variables["AWS_ROLE_ARN"] = "r";
    EXPECT_THAT(Failure().detail, HasSubstr("\"/var/run/token\" does not exist"));
    files["/var/run/token"] = "top-secret";
    sts.Expect("POST", "/")
        .Answer(400, {},
                "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code><Message>Token "
                "expired</Message></Error><RequestId>R</RequestId></ErrorResponse>");
    Error error = Failure();
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr("ExpiredTokenException: Token expired"));
    sts.Expect("POST", "/").Answer(503, {}, "busy");
    EXPECT_EQ(Failure().code, Code::kUnavailable);
}

TEST_F(CredentialChain, ContainerByRelativeAndFullUri) {
    HttpScript agent;
    settings.container_endpoint = agent.Url();
    variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1";
    agent.Expect("GET", "/v2/credentials/1")
        .Without("authorization")
        .Answer(200, {}, Json("relative", "2026-01-16T14:00:00Z"));
    EXPECT_EQ(Chain()->Get().key.access_key, "relative");

    variables.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.Url() + "/v1/credentials";
    variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/var/token";
    files["/var/token"] = "top-secret-token\n";
    agent.Expect("GET", "/v1/credentials")
        .Header("authorization", "top-secret-token")
        .Answer(200, {}, Json("full", "2026-01-16T14:00:00Z"));
    EXPECT_EQ(Chain()->Get().key.access_key, "full");

    agent.Expect("GET", "/v1/credentials").Answer(403, {}, "{\"code\":\"AccessDeniedException\",\"message\":\"no\"}");
    Error error = Failure();
    EXPECT_THAT(error.detail, HasSubstr("AccessDeniedException"));
    files["/var/token"] = "a\nb";
    EXPECT_EQ(Failure().code, Code::kInvalidArgument);
    for (std::string url : {"http://example.com/x", "http://127.evil.example/x"}) {
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
        EXPECT_EQ(Failure().code, Code::kInvalidArgument) << url;
    }
}

TEST_F(CredentialChain, InstanceMetadataVersionTwo) {
    HttpScript metadata;
    variables.erase("AWS_EC2_METADATA_DISABLED");
    variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.Url() + "/";
    auto script = [&](const std::string &id, const std::string &expiration) {
        metadata.Expect("PUT", "/latest/api/token")
            .Header("x-aws-ec2-metadata-token-ttl-seconds", "300")
            .Answer(200, {}, "metadata-token");
        metadata.Expect("GET", "/latest/meta-data/iam/security-credentials/")
            .Header("x-aws-ec2-metadata-token", "metadata-token")
            .Answer(200, {}, "backup-role");
        metadata.Expect("GET", "/latest/meta-data/iam/security-credentials/backup-role")
            .Header("x-aws-ec2-metadata-token", "metadata-token")
            .Answer(200, {}, Json(id, expiration));
    };
    script("one", "2026-01-16T14:00:00Z");
    auto chain = Chain();
    EXPECT_EQ(chain->Get().source, "instance metadata (role backup-role)");
    clock.Advance(5h + 50min);

    // A service that does not answer costs nothing while the old ones last, and is asked once a minute.
    metadata.Expect("PUT", "/latest/api/token").Answer(503);
    EXPECT_EQ(chain->Get().key.access_key, "one");
    EXPECT_EQ(chain->Get().key.access_key, "one");
    clock.Advance(1min);
    script("two", "2026-01-16T20:00:00Z");
    EXPECT_EQ(chain->Get().key.access_key, "two");

    clock.Advance(7h);    // past the end
    metadata.Expect("PUT", "/latest/api/token").Answer(503);
    try {
        chain->Get();
        ADD_FAILURE();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kUnavailable);
        EXPECT_THAT(error.detail, HasSubstr("HTTP 503"));
    }
}

TEST_F(CredentialChain, AMachineWithoutMetadataIsToldQuickly) {
    int port = 0;
    {
        HttpScript gone;
        port = gone.port();
    }
    variables.erase("AWS_EC2_METADATA_DISABLED");
    variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:" + std::to_string(port);
    Error error = Failure();
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr("instance metadata: no answer from"));
}

TEST_F(CredentialChain, RenewsWhatTheStoreCallsExpired) {
    variables["AWS_SHARED_CREDENTIALS_FILE"] = "/keys";
    files["/keys"] = "[default]\naws_access_key_id=a\naws_secret_access_key=s\n";
    auto chain = Chain();
    Credentials used = chain->Get();
    EXPECT_FALSE(chain->Renew(used));    // the file has the same
    files["/keys"] = "[default]\naws_access_key_id=b\naws_secret_access_key=s\n";
    EXPECT_TRUE(chain->Renew(used));
    EXPECT_EQ(chain->Get().key.access_key, "b");
    EXPECT_TRUE(chain->Renew(used));    // another thread had the old ones too: no second look
}

}    // namespace
}    // namespace ark::s3
