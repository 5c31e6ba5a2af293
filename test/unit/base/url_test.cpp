#include "base/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Error Refusal(std::string_view text) {
    try {
        ParseUrl(text);
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        EXPECT_FALSE(error.hint.empty());
        return error;
    }
    ADD_FAILURE() << "accepted: " << text;
    return Error(Code::kInternal, "");
}

TEST(UrlTest, Parts) {
    Url url = ParseUrl(
        "S3://my-bucket/some/pre%20fix?region=eu-central-1&name=eu&&endpoint=https%3A%2F%2Fhost%3A9000&empty=");
    EXPECT_EQ(url.scheme, "s3");
    EXPECT_EQ(url.host, "my-bucket");
    EXPECT_EQ(url.port, 0);
    EXPECT_EQ(url.path, "/some/pre fix");
    EXPECT_EQ(url.parameters,
              (std::map<std::string, std::string>{
                  {"region", "eu-central-1"}, {"name", "eu"}, {"endpoint", "https://host:9000"}, {"empty", ""}}));

    url = ParseUrl("file:///var/backups/ark");
    EXPECT_EQ(url.host, "");
    EXPECT_EQ(url.path, "/var/backups/ark");

    url = ParseUrl("https://host:9000");
    EXPECT_EQ(url.host, "host");
    EXPECT_EQ(url.port, 9000);
    EXPECT_EQ(url.path, "");

    url = ParseUrl("https://[2001:db8::1]:443/x");
    EXPECT_EQ(url.host, "[2001:db8::1]");
    EXPECT_EQ(url.port, 443);
    EXPECT_EQ(ParseUrl("https://[::1]").host, "[::1]");

    EXPECT_EQ(ParseUrl("s3://b?endpoint=https://h:1/p").parameters.at("endpoint"), "https://h:1/p");
    EXPECT_EQ(ParseUrl("s3://b?a=b=c").parameters.at("a"), "b=c");
}

TEST(UrlTest, TextFormReadsBack) {
    for (const char *text : {"s3://b", "s3://b/", "s3://b/p%2Fq/%25/%C3%BC?a=%26%3D%3F%23&name=x%20y", "file:///a%3Fb",
                             "https://h:1/p", "https://[::1]:2", "x+y.z-1://?a="}) {
        Url url = ParseUrl(text), again = ParseUrl(url.ToString());
        EXPECT_EQ(again.scheme, url.scheme);
        EXPECT_EQ(again.host, url.host);
        EXPECT_EQ(again.port, url.port);
        EXPECT_EQ(again.path, url.path);
        EXPECT_EQ(again.parameters, url.parameters);
        EXPECT_EQ(again.ToString(), url.ToString());
    }
}

TEST(UrlTest, FaultsAreNamed) {
    EXPECT_THAT(Refusal("").message, HasSubstr("no scheme"));
    EXPECT_THAT(Refusal("/var/backups").message, HasSubstr("no scheme"));
    EXPECT_THAT(Refusal("://x").message, HasSubstr("no scheme"));
    EXPECT_THAT(Refusal("s 3://x").message, HasSubstr("strange character"));
    for (const char *text : {"https://h:", "https://h:0", "https://h:65536", "https://h:x", "https://h:1x",
                             "https://h:-1", "https://h:99999999999"})
        EXPECT_THAT(Refusal(text).message, HasSubstr("port"));
    EXPECT_THAT(Refusal("https://[::1").message, HasSubstr("brackets"));
    EXPECT_THAT(Refusal("s3://b?region").message, HasSubstr("key=value"));
    EXPECT_THAT(Refusal("s3://b?=x").message, HasSubstr("key=value"));
    EXPECT_THAT(Refusal("s3://b?a=1&a=2").message, HasSubstr("\"a\" is given twice"));
    EXPECT_THAT(Refusal("s3://b/%zz").message, HasSubstr("percent escape"));
    for (const char *text : {"s3://b%00", "s3://b/%00", "s3://b?a=%00", "s3://b?%00=a"})
        EXPECT_THAT(Refusal(text).message, HasSubstr("zero byte"));
}

TEST(UrlTest, PasswordsAreRefusedAndNeverShown) {
    for (const char *text : {"s3://user:hunter2@bucket/x", "s3://hunter2@bucket", "s3!://user:hunter2@bucket",
                             "s3://user:hunter2/x@bucket", "user:hunter2@bucket", "s3://user:9hunter2?@bucket",
                             "s3://b:x?secret_key=hunter2"}) {
        Error error = Refusal(text);
        EXPECT_THAT(error.message + error.detail + error.hint, Not(HasSubstr("hunter2"))) << text;
    }
    EXPECT_THAT(Refusal("s3://user:hunter2@bucket/x").hint, HasSubstr("~/.aws/credentials"));
}

}    // namespace
}    // namespace ark
