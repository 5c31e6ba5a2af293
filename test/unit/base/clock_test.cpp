#include "base/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"

namespace ark {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Error Refusal(const std::function<void()> &act) {
    try {
        act();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        return error;
    }
    ADD_FAILURE() << "accepted";
    return Error(Code::kInternal, "");
}

TEST(TimeTest, Formats) {
    TimePoint time{std::chrono::microseconds(1768550400'000000)};
    EXPECT_EQ(FormatTime(time), "2026-01-16T08:00:00Z");
    EXPECT_EQ(FormatTime(time + 42us, true), "2026-01-16T08:00:00.000042Z");
    EXPECT_EQ(FormatTime(time + 999999us), "2026-01-16T08:00:00Z");
    EXPECT_EQ(CompactTime(time), "20260116T080000Z");
    EXPECT_EQ(FormatTime(TimePoint{-1us}, true), "1969-12-31T23:59:59.999999Z");
}

TEST(TimeTest, ParsesWhatItFormats) {
    SeededRandom random(2);
    for (int i = 0; i < 10'000; i++) {
        TimePoint time{std::chrono::microseconds(random.Below(4'102'444'800ull) * 1'000'000 + random.Below(1'000'000))};
        EXPECT_EQ(ParseTime(FormatTime(time, true)), time);
        EXPECT_EQ(ParseTime(FormatTime(time)), std::chrono::floor<std::chrono::seconds>(time));
    }
    EXPECT_EQ(ParseTime("2024-02-29T23:59:59.5Z"), ParseTime("2024-02-29T23:59:59Z") + 500ms);
    EXPECT_EQ(ParseTime("2024-02-29T23:59:59.1234567Z"), ParseTime("2024-02-29T23:59:59.123456Z"));
}

TEST(TimeTest, RefusesEverythingElse) {
    for (const char *text : {"",
                             "2026",
                             "2026-01-16",
                             "2026-01-16T08:00:00",
                             "2026-01-16 08:00:00Z",
                             "2026-1-16T08:00:00Z",
                             "2026-01-16T8:00:00Z",
                             "2026-02-29T00:00:00Z",
                             "2026-13-01T00:00:00Z",
                             "2026-00-01T00:00:00Z",
                             "2026-01-32T00:00:00Z",
                             "2026-01-16T24:00:00Z",
                             "2026-01-16T08:60:00Z",
                             "2026-01-16T08:00:61Z",
                             "2026-01-16T08:00:00.Z",
                             "2026-01-16T08:00:00+00",
                             "2026-01-16T08:00:00Zz",
                             " 2026-01-16T08:00:00Z",
                             "2026-01-16T08:00:00 Z",
                             "+026-01-16T08:00:00Z",
                             "2026-+1-16T08:00:00Z",
                             "2026-01-16T08:00:00.x5Z"})
        EXPECT_THAT(Refusal([&] { ParseTime(text); }).message, HasSubstr("\"" + std::string(text) + "\""));
}

TEST(TimeTest, MomentsAsPeopleWriteThem) {
    const TimePoint eight = ParseTime("2026-01-16T08:00:00Z");
    for (const char *text :
         {"2026-01-16T08:00:00Z", "2026-01-16 08:00:00Z", "2026-01-16 09:00:00+01", "2026-01-16T04:30:00-03:30",
          "2026-01-16 08:19:32+00:19:32", "2026-01-17 00:00:00+16", "2026-01-16 08:00Z", "2026-01-16T09:00+01",
          "2026-01-16 08:00:00.000 UTC", "2026-01-16 08:00 GMT", "2026-01-16 09:00:00 +01"})
        if (std::string_view(text).ends_with("+16"))
            EXPECT_THROW(ParseMoment(text), Error);
        else
            EXPECT_EQ(ParseMoment(text), eight) << text;
    EXPECT_EQ(ParseMoment("2026-01-16 09:00:00.5+01"), eight + 500ms);
    EXPECT_THAT(Refusal([] { ParseMoment("2026-01-16 08:00:00"); }).hint, HasSubstr("2026-01-16 08:00:00+01"));
    EXPECT_THAT(Refusal([] { ParseMoment("2026-01-16 08:00"); }).hint, HasSubstr("\"2026-01-16 08:00+01\""));
    EXPECT_THAT(Refusal([] { ParseMoment("2026-01-16 08:00:00.5 CET"); }).hint,
                HasSubstr("\"2026-01-16 08:00:00.5+01\""));
    for (const char *text :
         {"", "now", "2026-01-16", "2026-01-16 08:00:", "2026-01-16 08:00:00  +01", "2026-01-16 8:00Z",
          "2026-01-16 08:00:00+1", "2026-01-16 08:00:00+01:", "2026-01-16 08:00:00+01:60"})
        EXPECT_THROW(ParseMoment(text), Error) << text;
}

TEST(TimeTest, HttpDates) {
    EXPECT_EQ(FormatTime(ParseHttpDate("Fri, 16 Jan 2026 08:00:00 GMT")), "2026-01-16T08:00:00Z");
    EXPECT_EQ(FormatTime(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")), "1994-11-06T08:49:37Z");    // RFC 9110
    for (const char *text :
         {"", "Fri", "Fri, 16 Jan 2026 08:00:00", "Fri, 16 Jan 2026 08:00:00 CET", "Fri, 16 Foo 2026 08:00:00 GMT",
          "Fri, 31 Feb 2026 08:00:00 GMT", "Fri, 16 Jan 2026 08:00:00 GMT and more", "16 Jan 2026 08:00:00 GMT",
          "Fri, 6 Nov 1994 08:49:37 GMT"})
        Refusal([&] { ParseHttpDate(text); });
}

TEST(HumanTest, Bytes) {
    EXPECT_EQ(HumanBytes(0), "0 B");
    EXPECT_EQ(HumanBytes(999), "999 B");
    EXPECT_EQ(HumanBytes(1000), "1.0 kB");
    EXPECT_EQ(HumanBytes(1'500'000'000), "1.5 GB");
    EXPECT_EQ(HumanBytes(999'949), "999.9 kB");
    EXPECT_EQ(HumanBytes(999'950), "1.0 MB");
    EXPECT_EQ(HumanBytes(std::numeric_limits<std::uint64_t>::max()), "18446.7 PB");
}

TEST(HumanTest, Durations) {
    EXPECT_EQ(HumanDuration(0s), "0 ms");
    EXPECT_EQ(HumanDuration(999ms), "999 ms");
    EXPECT_EQ(HumanDuration(1500ms), "1.5 s");
    EXPECT_EQ(HumanDuration(59'949ms), "59.9 s");
    EXPECT_EQ(HumanDuration(59'950ms), "1 min 00 s");
    EXPECT_EQ(HumanDuration(123s), "2 min 03 s");
    EXPECT_EQ(HumanDuration(3600s), "1 h 00 min");
    EXPECT_EQ(HumanDuration(86'400s + 3h), "1 d 3 h");
}

TEST(ParseDurationTest, UnitsAndFractions) {
    const std::pair<const char *, Duration> cases[] = {
        {"15 min", 15min}, {"15min", 15min},      {"2 h", 2h},       {"90 days", 2160h}, {"1s", 1s},
        {"250 ms", 250ms}, {"1 year", 8760h},     {"1.5 h", 90min},  {"0", 0s},          {"0 s", 0s},
        {" 3 s ", 3s},     {"1 month", 720h},     {"2 weeks", 336h}, {"10 us", 10us},    {"0.5 ms", 500us},
        {"1 d", 24h},      {"100 years", 876000h}};
    for (auto [text, expected] : cases) EXPECT_EQ(ParseDuration(text, "ark.x"), expected) << text;
}

TEST(ParseDurationTest, RefusalsNameTheSetting) {
    for (const char *text : {"", " ", "5", "min", "5 lightyears", "-5 s", "+5 s", "inf s", "nan s", "0x10 s", "1e3 s",
                             "1e30 days", "99999999999999999999 days", "5 s 3", "5,5 s", "infinity", "1..2 s", "5 S"}) {
        Error error = Refusal([&] { ParseDuration(text, "ark.yield_after"); });
        EXPECT_THAT(error.message, HasSubstr("ark.yield_after \"" + std::string(text) + "\""));
        EXPECT_THAT(error.hint, HasSubstr("15 min"));
    }
}

TEST(ParseSizeTest, UnitsAndFractions) {
    const std::pair<const char *, std::uint64_t> cases[] = {
        {"0", 0},         {"1048576", 1 << 20},   {"64 MiB", 64 << 20},   {"10MB", 10 << 20},
        {"1 kB", 1024},   {"1.5 GB", 1610612736}, {"2TB", 2199023255552}, {"7 B", 7},
        {"100k", 102400}, {" 1 M ", 1 << 20}};
    for (auto [text, expected] : cases) EXPECT_EQ(ParseSize(text, "ark.x"), expected) << text;
}

TEST(ParseSizeTest, RefusalsNameTheSetting) {
    for (const char *text :
         {"", "MB", "-1", "5 apples", "inf", "nan", "1e3", "18446744073709551616", "16777216 TB", "1 mb", "1 2"})
        EXPECT_THAT(Refusal([&] { ParseSize(text, "ark.max_rate"); }).message,
                    HasSubstr("ark.max_rate \"" + std::string(text) + "\""));
}

TEST(SystemClockTest, Runs) {
    SteadyPoint before = SystemClock().Steady();
    SystemClock().Sleep(2ms);
    EXPECT_GE(SystemClock().Steady() - before, 2ms);
    EXPECT_GT(SystemClock().Now(), ParseTime("2025-01-01T00:00:00Z"));
}

}    // namespace
}    // namespace ark
