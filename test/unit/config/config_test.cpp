#include "config/config.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace ark {
namespace {

using namespace std::chrono_literals;

template <class Act>
Error ErrorOf(Act act) {
    try {
        act();
    } catch (const Error &error) {
        return error;
    }
    return Error(Code::kInternal, "nothing was thrown");
}

EnvironmentReader Environment(std::map<std::string, std::string> variables) {
    return [variables = std::move(variables)](const std::string &name) -> std::optional<std::string> {
        auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
}

TEST(Config, BeginsWithTheDefaults) {
    Config config;
    EXPECT_TRUE(config.Bool("enabled"));
    EXPECT_EQ(config.Int("jobs"), 2);
    EXPECT_EQ(config.Size("memory_limit"), 256u << 20);
    EXPECT_EQ(config.Size("max_rate"), 0u);
    EXPECT_EQ(config.Time("yield_after"), 2s);
    EXPECT_EQ(config.Time("max_snapshot_age"), 0s);
    EXPECT_EQ(config.Text("compression"), "zstd:3");
    EXPECT_EQ(config.Text("tls_min_version"), "1.2");
    EXPECT_EQ(config.Text("store"), "");
    EXPECT_EQ(config.OriginOf("store"), Origin::kDefault);
}

TEST(Config, AStrongerOriginWinsInWhateverOrder) {
    Config config;
    config.Set("jobs", "8", Origin::kFlag);
    config.Set("jobs", "4", Origin::kEnvironment);
    EXPECT_EQ(config.Int("jobs"), 8);
    config.Set("jobs", "6", Origin::kFlag);
    EXPECT_EQ(config.Int("jobs"), 6) << "the last of equals";
    EXPECT_EQ(OriginName(config.OriginOf("jobs")), "flag");
    config.Set("max-rate", "10MB", Origin::kEnvironment);
    config.Set("max_rate", "20MB", Origin::kRequest);
    EXPECT_EQ(config.Size("max_rate"), 20u << 20);
    EXPECT_EQ(config.Written("max_rate"), "20MB");
}

TEST(Config, ChecksEvenWhatItDoesNotUse) {
    Config config;
    config.Set("jobs", "8", Origin::kFlag);
    EXPECT_EQ(ErrorOf([&] { config.Set("jobs", "many", Origin::kEnvironment); }).code, Code::kInvalidArgument);
    EXPECT_EQ(config.Int("jobs"), 8);
}

TEST(Config, AnUnknownSettingSaysWhatIsNear) {
    Config config;
    Error error = ErrorOf([&] { config.Set("compresion", "none", Origin::kFlag); });
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_EQ(error.message, "there is no setting \"compresion\"");
    EXPECT_EQ(error.hint, "Did you mean \"compression\"?");
    EXPECT_NE(error.detail.find("max_snapshot_age"), std::string::npos);
    EXPECT_EQ(ErrorOf([&] { config.Set("quux_of_the_day", "1", Origin::kFlag); }).hint, "");
}

TEST(Config, ReadingWhatIsNotDeclaredIsABug) {
    Config config;
    EXPECT_EQ(ErrorOf([&] { config.Text("stores"); }).code, Code::kInternal);
    EXPECT_EQ(ErrorOf([&] { config.Text("jobs"); }).code, Code::kInternal);
    EXPECT_EQ(ErrorOf([&] { config.Size("jobs"); }).code, Code::kInternal);
    EXPECT_EQ(ErrorOf([&] { config.List("tls_min_version"); }).code, Code::kInternal);
}

TEST(Config, ListsAreCutAtCommas) {
    Config config;
    EXPECT_TRUE(config.List("store").empty());
    config.Set("store", "s3://a/b?name=eu , file:///mnt/b", Origin::kFlag);
    EXPECT_EQ(config.List("store"), (std::vector<std::string>{"s3://a/b?name=eu", "file:///mnt/b"}));
}

TEST(Config, ReadsTheEnvironmentThatItIsGiven) {
    Config config = FromEnvironment(
        Environment({{"ARK_STORE", "file:///srv/b"}, {"ARK_JOBS", ""}, {"ARK_ENABLED", "off"}, {"JOBS", "7"}}));
    EXPECT_EQ(config.Text("store"), "file:///srv/b");
    EXPECT_EQ(config.OriginOf("store"), Origin::kEnvironment);
    EXPECT_EQ(config.Int("jobs"), 2) << "an empty variable is not set";
    EXPECT_TRUE(config.Bool("enabled")) << "a setting of the server alone";
}

TEST(Config, AnErrorNamesTheVariable) {
    Error error = ErrorOf([] { FromEnvironment(Environment({{"ARK_JOBS", "lots"}})); });
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_EQ(error.message,
              "environment variable ARK_JOBS: setting \"jobs\" must be a whole number from 1 to 64, not \"lots\"");
    error = ErrorOf([] { FromEnvironment(Environment({{"ARK_ENCRYPTION_KEY", "hunter2"}})); });
    EXPECT_EQ((error.message + error.detail + error.hint).find("hunter2"), std::string::npos);
}

}    // namespace
}    // namespace ark
