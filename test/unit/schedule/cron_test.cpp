#include "schedule/cron.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace ark {
namespace {

using namespace std::chrono_literals;

// The next `count` runs, with blanks between; UTC.
std::string Runs(std::string_view cron, std::string_view after, int count, std::string_view zone = "UTC") {
    std::string out;
    Cron parsed = ParseCron(cron);
    TimeZone in = TimeZone::Load(zone);
    TimePoint at = ParseTime(after);
    for (int i = 0; i < count; i++) {
        at = NextRun(parsed, in, at);
        std::string text = FormatTime(at);
        out += (i ? " " : "") + text.substr(0, 16);
        EXPECT_EQ(text.substr(16), ":00Z");
    }
    return out;
}

struct Failure {
    std::string message, detail, hint;
};
Failure FailureOf(std::string_view cron) {
    try {
        ParseCron(cron);
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        return {error.message, error.detail, error.hint};
    }
    return {"accepted", "", ""};
}

TEST(Cron, RunsAtTheNextMatchingMinute) {
    EXPECT_EQ(Runs("30 2 * * *", "2026-01-16T02:29:59Z", 2), "2026-01-16T02:30 2026-01-17T02:30");
    EXPECT_EQ(Runs("30 2 * * *", "2026-01-16T02:30:00Z", 1), "2026-01-17T02:30") << "later than `after`, never equal";
    EXPECT_EQ(Runs("* * * * *", "2026-01-16T02:30:00.000001Z", 1), "2026-01-16T02:31");
    EXPECT_EQ(Runs("*/15 * * * *", "2026-12-31T23:40:00Z", 3), "2026-12-31T23:45 2027-01-01T00:00 2027-01-01T00:15");
    EXPECT_EQ(Runs("59 23 31 12 *", "2026-12-31T23:59:00Z", 1), "2027-12-31T23:59");
}

TEST(Cron, ReadsListsRangesStepsAndNames) {
    EXPECT_EQ(Runs("0,30 9-17/4 * * *", "2026-01-16T00:00:00Z", 7),
              "2026-01-16T09:00 2026-01-16T09:30 2026-01-16T13:00 2026-01-16T13:30 2026-01-16T17:00 2026-01-16T17:30 "
              "2026-01-17T09:00");
    EXPECT_EQ(Runs("0 0 1 JAN,jul *", "2026-01-16T00:00:00Z", 2), "2026-07-01T00:00 2027-01-01T00:00");
    EXPECT_EQ(Runs("0 0 1 september-Oct *", "2026-01-16T00:00:00Z", 2), "2026-09-01T00:00 2026-10-01T00:00");
    EXPECT_EQ(Runs("0 6 * * mon-FRI", "2026-01-16T07:00:00Z", 2), "2026-01-19T06:00 2026-01-20T06:00");
    EXPECT_EQ(Runs("0 6 * * fri-sun", "2026-01-12T07:00:00Z", 4),
              "2026-01-16T06:00 2026-01-17T06:00 2026-01-18T06:00 2026-01-23T06:00");
    EXPECT_EQ(Runs("5-59/25 0 * * *", "2026-01-16T00:00:00Z", 3), "2026-01-16T00:05 2026-01-16T00:30 2026-01-16T00:55");
    EXPECT_EQ(Runs("\t0  2 *\t* * ", "2026-01-16T00:00:00Z", 1), "2026-01-16T02:00");
}

TEST(Cron, SundayIsZeroAndSeven) {
    for (const char *sunday : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * Sunday", "@weekly"})
        EXPECT_EQ(Runs(sunday, "2026-01-16T00:00:00Z", 2), "2026-01-18T00:00 2026-01-25T00:00") << sunday;
    EXPECT_EQ(Runs("0 0 * * 5-7", "2026-01-18T00:00:00Z", 1), "2026-01-23T00:00");
    EXPECT_EQ(Runs("0 0 * * */2", "2026-01-16T00:00:00Z", 4),
              "2026-01-17T00:00 2026-01-18T00:00 2026-01-20T00:00 2026-01-22T00:00");
}

TEST(Cron, ReadsNicknames) {
    EXPECT_EQ(Runs("@hourly", "2026-01-16T00:10:00Z", 1), "2026-01-16T01:00");
    EXPECT_EQ(Runs("@daily", "2026-01-16T00:10:00Z", 1), "2026-01-17T00:00");
    EXPECT_EQ(Runs("@Midnight", "2026-01-16T00:10:00Z", 1), "2026-01-17T00:00");
    EXPECT_EQ(Runs("@monthly", "2026-01-16T00:10:00Z", 1), "2026-02-01T00:00");
    EXPECT_EQ(Runs("@yearly", "2026-01-16T00:10:00Z", 1), "2027-01-01T00:00");
    EXPECT_EQ(Runs("@annually", "2026-01-16T00:10:00Z", 1), "2027-01-01T00:00");
}

TEST(Cron, EveryCountsFromTheEpoch) {
    EXPECT_EQ(Runs("@every 15 min", "2026-01-16T00:10:00Z", 2), "2026-01-16T00:15 2026-01-16T00:30");
    EXPECT_EQ(Runs("@EVERY 1 day", "2026-01-16T00:00:00Z", 1), "2026-01-17T00:00");
    EXPECT_EQ(Runs("@every 15 min", "1969-12-31T23:50:00Z", 2), "1970-01-01T00:00 1970-01-01T00:15");
    EXPECT_EQ(Runs("@every 15 min", "1969-12-31T23:45:00Z", 1), "1970-01-01T00:00");
    EXPECT_EQ(NextRun(ParseCron("@every 90 s"), TimeZone::Utc(), TimePoint(0s)), TimePoint(90s));
    for (const char *bad :
         {"@every", "@every 0", "@every 30 s", "@every 90.5 s", "@every 2 years", "@every 15", "@every 1e300 days"})
        EXPECT_NE(FailureOf(bad).message, "accepted") << bad;
}

TEST(Cron, OrdinalWeekdays) {
    EXPECT_EQ(Runs("0 2 * * 1#1", "2026-01-16T00:00:00Z", 3), "2026-02-02T02:00 2026-03-02T02:00 2026-04-06T02:00");
    EXPECT_EQ(Runs("0 2 * * mon#1,wed#3", "2026-01-16T00:00:00Z", 3),
              "2026-01-21T02:00 2026-02-02T02:00 2026-02-18T02:00");
    EXPECT_EQ(Runs("0 2 * * 0L", "2026-01-16T00:00:00Z", 3), "2026-01-25T02:00 2026-02-22T02:00 2026-03-29T02:00");
    EXPECT_EQ(Runs("0 2 * * 7L", "2026-01-16T00:00:00Z", 1), "2026-01-25T02:00");
    EXPECT_EQ(Runs("0 2 * * fri#5", "2026-01-16T00:00:00Z", 3), "2026-01-30T02:00 2026-05-29T02:00 2026-07-31T02:00");
    EXPECT_EQ(Runs("0 2 * 2 sun#5", "2026-01-16T00:00:00Z", 1), "2032-02-29T02:00");
}

TEST(Cron, MonthEndsAndLeapYears) {
    EXPECT_EQ(Runs("0 0 L * *", "2026-01-31T12:00:00Z", 3), "2026-02-28T00:00 2026-03-31T00:00 2026-04-30T00:00");
    EXPECT_EQ(Runs("0 0 15,L 2 *", "2028-01-01T00:00:00Z", 2), "2028-02-15T00:00 2028-02-29T00:00");
    EXPECT_EQ(Runs("0 0 31 * *", "2026-01-31T12:00:00Z", 3), "2026-03-31T00:00 2026-05-31T00:00 2026-07-31T00:00");
    EXPECT_EQ(Runs("0 0 29 2 *", "2026-01-16T00:00:00Z", 2), "2028-02-29T00:00 2032-02-29T00:00");
    EXPECT_EQ(Runs("0 0 29 2 *", "2096-03-01T00:00:00Z", 1), "2104-02-29T00:00") << "2100 is no leap year";
    EXPECT_EQ(Runs("0 0 29 2 */7", "2092-03-01T00:00:00Z", 1), "2128-02-29T00:00") << "a Sunday";
    EXPECT_EQ(Runs("0 0 L 2 *", "2100-01-01T00:00:00Z", 1), "2100-02-28T00:00");
}

TEST(Cron, DayOfMonthOrDayOfWeekAsInVixieCron) {
    EXPECT_EQ(Runs("0 0 13 * 5", "2026-02-01T00:00:00Z", 4),
              "2026-02-06T00:00 2026-02-13T00:00 2026-02-20T00:00 2026-02-27T00:00");
    EXPECT_EQ(Runs("0 0 1 * 1#1", "2026-01-16T00:00:00Z", 3), "2026-02-01T00:00 2026-02-02T00:00 2026-03-01T00:00")
        << "either";
    EXPECT_EQ(Runs("0 0 */2 * 1", "2026-02-01T00:00:00Z", 3), "2026-02-09T00:00 2026-02-23T00:00 2026-03-09T00:00")
        << "* does not restrict";
    EXPECT_EQ(Runs("0 0 30 2 1", "2026-01-16T00:00:00Z", 1), "2026-02-02T00:00") << "the weekday comes all the same";
}

TEST(Cron, WhatCanNeverComeIsRefused) {
    for (const char *never : {"0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30 2 */2"}) {
        EXPECT_EQ(FailureOf(never).message, "cron expression \"" + std::string(never) + "\" can never come");
    }
}

TEST(Cron, ErrorsNameTheFieldTheTextAndWhatIsAllowed) {
    Failure failure = FailureOf("0 25 * * *");
    EXPECT_EQ(failure.message, "cron expression \"0 25 * * *\" cannot be used: hour \"25\" is out of range");
    EXPECT_EQ(failure.detail, "Allowed in hour: 0 to 23, lists, ranges, steps, *.");
    EXPECT_EQ(failure.hint, "For example, \"0 2 * * *\" is every day at 02:00.");
    EXPECT_EQ(FailureOf("0 2 * * mno").message,
              "cron expression \"0 2 * * mno\" cannot be used: day of week \"mno\" is not understood");
    EXPECT_EQ(FailureOf("0 2 * * * *").message, "cron expression \"0 2 * * * *\" has 6 fields, not 5");
    EXPECT_EQ(FailureOf("daily").message, "cron expression \"daily\" has 1 field, not 5");
    EXPECT_EQ(FailureOf("").message, "cron expression \"\" is empty");
    EXPECT_EQ(FailureOf("@reboot").message, "cron expression \"@reboot\" is not understood");
    EXPECT_EQ(
        FailureOf("5/15 * * * *").message,
        "cron expression \"5/15 * * * *\" cannot be used: minute \"5/15\" has a step but no range; write 5-59/15");
}

TEST(Cron, RefusesWhatItDoesNotUnderstand) {
    for (const char *bad : {"60 * * * *",
                            "-1 * * * *",
                            "* 24 * * *",
                            "* * 0 * *",
                            "* * 32 * *",
                            "* * * 0 *",
                            "* * * 13 *",
                            "* * * * 8",
                            "*/0 * * * *",
                            "*/60 * * * *",
                            "1-2-3 * * * *",
                            "5-1 * * * *",
                            "1,,2 * * * *",
                            ",1 * * * *",
                            "1, * * * *",
                            "1//2 * * * *",
                            "*/2/2 * * * *",
                            "1.5 * * * *",
                            "0x1 * * * *",
                            "+1 * * * *",
                            "99999999999999999999 * * * *",
                            "* * * * 1#0",
                            "* * * * 1#6",
                            "* * * * #1",
                            "* * * * L",
                            "* * * * 8L",
                            "* * * * 1-2L",
                            "* * LW * *",
                            "* * L-3 * *",
                            "* L * * *",
                            "* * * jan- *",
                            "* * * 1-jan-2 *",
                            "jan * * * *",
                            "*5 * * * *",
                            "** * * * *",
                            "@daily 5",
                            "@",
                            "@ daily",
                            "? * * * *",
                            "0 0 * * sat-tue"})
        EXPECT_NE(FailureOf(bad).message, "accepted") << bad;
    EXPECT_NE(FailureOf(std::string(100'000, '1')).message, "accepted");
}

TEST(Cron, AFixedHourThatIsSkippedRunsOnceWhenTheGapEnds) {
    EXPECT_EQ(Runs("30 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Vienna"), "2026-03-29T01:00 2026-03-30T00:30");
    EXPECT_EQ(Runs("0,15,30 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Vienna"), "2026-03-29T01:00 2026-03-30T00:00")
        << "three in the gap run once";
    EXPECT_EQ(Runs("*/15 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Vienna"), "2026-03-29T01:00 2026-03-30T00:00");
    EXPECT_EQ(Runs("30 2,3 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Vienna"), "2026-03-29T01:00 2026-03-29T01:30");
    EXPECT_EQ(Runs("0 2,3 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Vienna"), "2026-03-29T01:00 2026-03-30T00:00")
        << "02:00 and 03:00 are one instant";
    EXPECT_EQ(Runs("30 2 29 3 *", "2026-03-28T12:00:00Z", 1, "Europe/Vienna"), "2026-03-29T01:00");
}

TEST(Cron, AFixedHourThatIsRepeatedRunsOnceAtItsFirstComing) {
    EXPECT_EQ(Runs("30 2 * * *", "2026-10-24T12:00:00Z", 2, "Europe/Vienna"), "2026-10-25T00:30 2026-10-26T01:30");
    EXPECT_EQ(Runs("30 2 * * *", "2026-10-25T01:00:00Z", 1, "Europe/Vienna"), "2026-10-26T01:30")
        << "asked in the second 02:00";
    EXPECT_EQ(Runs("*/30 2,3 * * *", "2026-10-24T12:00:00Z", 4, "Europe/Vienna"),
              "2026-10-25T00:00 2026-10-25T00:30 2026-10-25T02:00 2026-10-25T02:30");
}

TEST(Cron, EveryFewMinutesRunsAtEachRealInstant) {
    EXPECT_EQ(Runs("*/30 * * * *", "2026-03-29T00:15:00Z", 3, "Europe/Vienna"),
              "2026-03-29T00:30 2026-03-29T01:00 2026-03-29T01:30");
    EXPECT_EQ(Runs("*/30 * * * *", "2026-10-24T23:45:00Z", 6, "Europe/Vienna"),
              "2026-10-25T00:00 2026-10-25T00:30 2026-10-25T01:00 2026-10-25T01:30 2026-10-25T02:00 2026-10-25T02:30");
    EXPECT_EQ(Runs("0 0-23 * * *", "2026-10-24T23:45:00Z", 3, "Europe/Vienna"),
              "2026-10-25T00:00 2026-10-25T01:00 2026-10-25T02:00")
        << "all 24 hours";
    EXPECT_EQ(Runs("0 */2 * * *", "2026-10-24T21:30:00Z", 4, "Europe/Vienna"),
              "2026-10-24T22:00 2026-10-25T00:00 2026-10-25T01:00 2026-10-25T03:00")
        << "02:00 comes twice";
}

TEST(Cron, GapsAtMidnightAndOfHalfAnHour) {
    EXPECT_EQ(Runs("0 0 * * *", "2026-09-05T12:00:00Z", 2, "America/Santiago"), "2026-09-06T04:00 2026-09-07T03:00");
    EXPECT_EQ(Runs("15 2 * * *", "2026-10-03T00:00:00Z", 2, "Australia/Lord_Howe"), "2026-10-03T15:30 2026-10-04T15:15")
        << "half an hour";
    EXPECT_EQ(Runs("15 2 * * *", "2026-10-02T00:00:00Z", 1, "Australia/Lord_Howe"), "2026-10-02T15:45");
    EXPECT_EQ(Runs("0 12 30 12 *", "2011-06-01T00:00:00Z", 1, "Pacific/Apia"), "2011-12-30T10:00")
        << "a day that never was";
}

TEST(Cron, FarAwayIsAnErrorNotALoop) {
    EXPECT_THROW(NextRun(ParseCron("@daily"), TimeZone::Utc(), TimePoint::max()), Error);
    EXPECT_THROW(NextRun(ParseCron("@every 1 h"), TimeZone::Utc(), TimePoint::min()), Error);
    EXPECT_EQ(Runs("@daily", "2100-02-28T12:00:00Z", 1, "Europe/Vienna"), "2100-02-28T23:00");
}

TEST(Cron, PreviousRunIsTheLastOneNotLaterThanAsked) {
    TimeZone utc = TimeZone::Utc();
    Cron daily = ParseCron("30 2 * * *");
    TimePoint at = ParseTime("2026-01-16T02:30:00Z");
    EXPECT_EQ(PreviousRun(daily, utc, at, at - 24h), at);
    EXPECT_EQ(PreviousRun(daily, utc, at - 1us, at - 240h), at - 24h);
    EXPECT_EQ(PreviousRun(daily, utc, at - 1us, at - 24h), std::nullopt) << "later than not_before";
    EXPECT_EQ(PreviousRun(ParseCron("0 0 29 2 *"), utc, at, TimePoint::min()), ParseTime("2024-02-29T00:00:00Z"));
    EXPECT_EQ(PreviousRun(ParseCron("* * * 1 *"), utc, ParseTime("2026-12-01T00:00:00Z"), TimePoint::min()),
              ParseTime("2026-01-31T23:59:00Z"));
}

}    // namespace
}    // namespace ark
