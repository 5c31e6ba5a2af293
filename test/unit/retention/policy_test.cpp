#include "retention/policy.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace ark {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

std::string ErrorOf(std::string_view json) {
    try {
        ParsePolicy(Json::parse(json));
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        return error.message;
    }
    return "accepted";
}

TEST(RetentionPolicy, ComesBackFromItsJson) {
    Policy policy{"gfs", 7, 24, 30, 8, 12, 3, std::chrono::days(90)};
    EXPECT_EQ(PolicyToJson(policy).dump(),
              R"({"name":"gfs","keep_last":7,"keep_hourly":24,"keep_daily":30,"keep_weekly":8,"keep_monthly":12,)"
              R"("keep_yearly":3,"keep_within":"90 days"})");
    EXPECT_EQ(ParsePolicy(PolicyToJson(policy)), policy);
    EXPECT_EQ(ParsePolicy(PolicyToJson(Policy{})), Policy{});
    for (Duration within :
         {Duration(1us), Duration(1500ms), Duration(90s), Duration(36h), Duration(std::chrono::days(2555))}) {
        policy.keep_within = within;
        EXPECT_EQ(ParsePolicy(PolicyToJson(policy)), policy) << PolicyToJson(policy).dump();
    }
}

TEST(RetentionPolicy, ReadsNullAndZeroAsUnset) {
    EXPECT_TRUE(ParsePolicy(Json::parse(R"({"name":"x","keep_last":0,"keep_daily":null,"keep_within":null})")).Empty());
    EXPECT_TRUE(ParsePolicy(Json::parse("{}")).Empty());
    EXPECT_FALSE(ParsePolicy(Json::parse(R"({"keep_within":"1 day"})")).Empty());
    EXPECT_FALSE(ParsePolicy(Json::parse(R"({"keep_yearly":1})")).Empty());
}

TEST(RetentionPolicy, RefusesWhatItDoesNotUnderstand) {
    EXPECT_EQ(ErrorOf(R"({"keep_latest":3})"), "retention policy cannot be used: there is no rule \"keep_latest\"");
    EXPECT_EQ(ErrorOf(R"({"keep_last":-1})"),
              "retention policy cannot be used: keep_last must be from 0 to 1000000, not -1");
    EXPECT_EQ(ErrorOf(R"({"keep_last":"7"})"),
              "retention policy cannot be used: keep_last must be a whole number, not \"7\"");
    EXPECT_EQ(ErrorOf(R"({"keep_last":99999999999})"),
              "retention policy cannot be used: keep_last must be from 0 to 1000000, not 99999999999");
    EXPECT_EQ(ErrorOf(R"({"keep_last":1.5})"),
              "retention policy cannot be used: keep_last must be a whole number, not 1.5");
    EXPECT_EQ(ErrorOf(R"({"keep_within":90})"),
              "retention policy cannot be used: keep_within must be a length of time, not 90");
    EXPECT_EQ(ErrorOf(R"({"keep_within":"soon"})"), "keep_within \"soon\" is not a length of time");
    EXPECT_EQ(ErrorOf(R"({"keep_within":"0"})"),
              "retention policy cannot be used: keep_within must be more than 0 and at most 200 years, not \"0\"");
    EXPECT_EQ(ErrorOf("[]"), "retention policy cannot be used: it is not a JSON object");
    EXPECT_EQ(ErrorOf("\"keep_last=7\""), "retention policy cannot be used: it is not a JSON object");
}

TEST(RetentionPolicy, ARecoveryWindowIsNoRuleAboutBackups) {
    Policy policy{.name = "pitr", .pitr_window = std::chrono::days(7)};
    EXPECT_EQ(PolicyToJson(policy).dump(), R"({"name":"pitr","pitr_window":"7 days"})");
    EXPECT_EQ(ParsePolicy(PolicyToJson(policy)), policy);
    EXPECT_TRUE(policy.Empty());
    EXPECT_EQ(ErrorOf(R"({"pitr_window":"-1 day"})").substr(0, 30), "pitr_window \"-1 day\" is not a ");
    EXPECT_EQ(ErrorOf(R"({"pitr_window":"0"})"),
              "retention policy cannot be used: pitr_window must be more than 0 and at most 200 years, not \"0\"");
}

TEST(RetentionPolicy, IsDescribedForPeople) {
    EXPECT_EQ(DescribePolicy({}), "keep everything");
    EXPECT_EQ(DescribePolicy({"gfs", 7, 0, 30, 0, 12, 0, std::chrono::days(90)}),
              "keep the last 7, 30 daily, 12 monthly, all within 90 days");
    EXPECT_EQ(DescribePolicy({"short", 0, 0, 0, 0, 0, 0, 36h}), "keep all within 36 h");
    EXPECT_EQ(DescribePolicy({.keep_last = 2, .pitr_window = std::chrono::days(7)}),
              "keep the last 2, recover to any moment of the last 7 days");
    EXPECT_EQ(DescribePolicy({.pitr_window = 12h}), "keep everything, recover to any moment of the last 12 h");
}

}    // namespace
}    // namespace ark
