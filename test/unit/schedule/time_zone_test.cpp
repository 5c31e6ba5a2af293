#include "schedule/time_zone.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"

namespace ark {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

LocalTime Local(std::string_view text) {    // "2026-03-29T02:30:00"
    return LocalTime(floor<seconds>(ParseTime(std::string(text) + "Z")).time_since_epoch());
}
std::string Print(LocalTime time) {
    std::string text = FormatTime(TimePoint(time.time_since_epoch()));
    text.pop_back();
    return text;
}
std::string ErrorOf(std::string_view name) {
    try {
        TimeZone::Load(name);
    } catch (const Error &error) {
        return std::string(CodeName(error.code)) + ": " + error.message;
    }
    return "";
}

TEST(TimeZone, UtcNeedsNoFile) {
    TimeZone utc = TimeZone::Load("UTC", "/nonexistent");
    TimePoint now = ParseTime("2026-07-01T12:00:00Z");
    EXPECT_EQ(Print(utc.ToLocal(now)), "2026-07-01T12:00:00");
    EXPECT_EQ(utc.ToInstant(utc.ToLocal(now)), now);
}

TEST(TimeZone, KnowsSummerTimeOfViennaBothWays) {
    TimeZone vienna = TimeZone::Load("Europe/Vienna");
    EXPECT_EQ(Print(vienna.ToLocal(ParseTime("2026-03-29T00:59:59Z"))), "2026-03-29T01:59:59");
    EXPECT_EQ(Print(vienna.ToLocal(ParseTime("2026-03-29T01:00:00Z"))), "2026-03-29T03:00:00");
    EXPECT_EQ(Print(vienna.ToLocal(ParseTime("2026-10-25T00:59:59Z"))), "2026-10-25T02:59:59");
    EXPECT_EQ(Print(vienna.ToLocal(ParseTime("2026-10-25T01:00:00Z"))), "2026-10-25T02:00:00");
}

TEST(TimeZone, ASkippedLocalTimeIsTheFirstInstantAfterTheGap) {
    TimeZone vienna = TimeZone::Load("Europe/Vienna");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-03-29T02:00:00"))), "2026-03-29T01:00:00Z");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-03-29T02:59:59"))), "2026-03-29T01:00:00Z");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-03-29T03:00:00"))), "2026-03-29T01:00:00Z");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-03-29T03:00:01"))), "2026-03-29T01:00:01Z");
}

TEST(TimeZone, ARepeatedLocalTimeIsItsFirstComing) {
    TimeZone vienna = TimeZone::Load("Europe/Vienna");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-10-25T02:30:00"))), "2026-10-25T00:30:00Z");
    EXPECT_EQ(FormatTime(vienna.ToInstant(Local("2026-10-25T03:00:00"))), "2026-10-25T02:00:00Z");
}

TEST(TimeZone, SamoaHadNoThirtiethOfDecember) {
    TimeZone apia = TimeZone::Load("Pacific/Apia");
    EXPECT_EQ(FormatTime(apia.ToInstant(Local("2011-12-30T12:00:00"))), "2011-12-30T10:00:00Z");
    EXPECT_EQ(Print(apia.ToLocal(ParseTime("2011-12-30T10:00:00Z"))), "2011-12-31T00:00:00");
}

TEST(TimeZone, RefusesWhatIsNoZone) {
    for (const char *name : {"Europe/Wien", "", "../etc/passwd", "/etc/passwd", "Europe", "tzdata.zi", "zone.tab",
                             "Europe/Vienna ", "a\nb"})
        EXPECT_EQ(ErrorOf(name), "invalid_argument: unknown time zone \"" + std::string(name) + "\"");
    EXPECT_EQ(ErrorOf(std::string(5000, 'a')).substr(0, 17), "invalid_argument:");
    if (std::filesystem::exists("/usr/share/zoneinfo/right/UTC")) {
        EXPECT_EQ(ErrorOf("right/UTC"), "unsupported: time zone \"right/UTC\" counts leap seconds");
    }
}

TEST(TimeZone, SaysWhenTheDataIsNotInstalled) {
    try {
        TimeZone::Load("Europe/Vienna", "/nonexistent");
        FAIL();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kUnavailable);
        EXPECT_NE(error.hint.find("tzdata"), std::string::npos);
    }
}

TEST(TimeZone, EveryTruncationOfAFileIsDamage) {
    std::string content = ReadWholeFile("/usr/share/zoneinfo/Europe/Vienna");
    for (std::size_t size = 0; size < content.size(); size++) {
        try {
            TimeZone::Parse("cut", AsBytes(std::string_view(content).substr(0, size)));
            FAIL() << size;
        } catch (const Error &error) {
            EXPECT_EQ(error.code, Code::kCorrupt) << size;
        }
    }
}

TEST(TimeZone, AFlippedByteNeverBreaksTheReader) {
    std::string content = ReadWholeFile("/usr/share/zoneinfo/Europe/Dublin");
    SeededRandom random(1);
    for (int i = 0; i < 3000; i++) {
        std::string broken = content;
        broken[random.Below(broken.size())] = static_cast<char>(random.Below(256));
        try {
            TimeZone zone = TimeZone::Parse("flipped", AsBytes(broken));
            TimePoint at(seconds(static_cast<std::int64_t>(random.Below(8'000'000'000)) - 3'000'000'000));
            TimeZone::Period period = zone.At(at);
            EXPECT_LE(period.begin, at);
            EXPECT_GT(period.end, at);
            zone.ToInstant(zone.ToLocal(at));
        } catch (const Error &error) {
            EXPECT_TRUE(error.code == Code::kCorrupt || error.code == Code::kUnsupported) << error.message;
        }
    }
}

// The C library reads the same files in its own way. The test program has one thread, so setenv is allowed here.
TEST(TimeZone, AgreesWithTheCLibraryInEveryZone) {
    const std::filesystem::path directory = "/usr/share/zoneinfo";
    const char *before = getenv("TZ");
    SeededRandom random(2);
    int zones = 0;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(directory)) {
        std::string name = entry.path().lexically_relative(directory).string();
        if (!entry.is_regular_file() || name.starts_with("right/") || name.starts_with("posix/")) continue;
        if (!ReadWholeFile(entry.path()).starts_with("TZif")) continue;
        TimeZone zone = TimeZone::Load(name);
        setenv("TZ", name.c_str(), 1);
        tzset();
        zones++;
        for (int i = 0; i < 300; i++) {    // 1890 to 2200, and close to where its offset changes
            TimePoint at(seconds(static_cast<std::int64_t>(random.Below(9'780'000'000)) - 2'520'000'000));
            if (i % 3 == 1) at = zone.At(at).begin;
            if (i % 3 == 2) at = zone.At(at).begin - 1s;
            if (at < TimePoint(-2'520'000'000s)) continue;
            time_t second = floor<seconds>(at).time_since_epoch().count();
            tm broken{};
            ASSERT_NE(localtime_r(&second, &broken), nullptr);
            ASSERT_EQ(zone.At(at).offset.count(), broken.tm_gmtoff) << name << " " << FormatTime(at);
        }
    }
    before ? setenv("TZ", before, 1) : unsetenv("TZ");
    tzset();
    EXPECT_GT(zones, 300);
}

TEST(TimeZone, ToInstantNeverDecreases) {
    SeededRandom random(3);
    for (const char *name :
         {"Europe/Vienna", "America/Nuuk", "Australia/Lord_Howe", "Antarctica/Troll", "Asia/Gaza", "Pacific/Apia"}) {
        TimeZone zone = TimeZone::Load(name);
        for (int i = 0; i < 200; i++) {
            TimePoint at(seconds(static_cast<std::int64_t>(random.Below(4'000'000'000))));
            LocalTime local = zone.ToLocal(zone.At(at).end) - 3h;
            TimePoint last = zone.ToInstant(local);
            for (int minute = 1; minute < 400; minute++) {
                TimePoint next = zone.ToInstant(local + minutes(minute));
                ASSERT_LE(last, next) << name;
                ASSERT_GE(zone.ToLocal(next), local + minutes(minute)) << name;
                last = next;
            }
        }
    }
}

}    // namespace
}    // namespace ark
