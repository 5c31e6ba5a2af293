// NextRun against a slow reading of the same promises: one minute after the other.
#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "schedule/cron.h"

namespace ark {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

bool Matches(const Cron &cron, LocalTime local) {
    auto day = floor<days>(local);
    year_month_day date{day};
    hh_mm_ss clock{local - day};
    if (clock.seconds() != 0s) return false;
    auto of_month = static_cast<unsigned>(date.day());
    unsigned length = static_cast<unsigned>(year_month_day_last(date.year() / date.month() / last).day());
    weekday of_week(day);
    bool by_date = (cron.days >> of_month & 1) || (cron.last_day && of_month == length);
    unsigned ordinal = cron.ordinals[of_week.c_encoding()];
    bool by_week = (cron.weekdays >> of_week.c_encoding() & 1) || (ordinal >> ((of_month - 1) / 7 + 1) & 1) ||
                   (of_month + 7 > length && (ordinal & 1));
    bool on_day = cron.days_restricted && cron.weekdays_restricted ? by_date || by_week : by_date && by_week;
    return on_day && (cron.months >> static_cast<unsigned>(date.month()) & 1) &&
           (cron.hours >> clock.hours().count() & 1) && (cron.minutes >> clock.minutes().count() & 1);
}

// A minute-long step of real time [at, at + 1min): is it when a run is due? `at` must be a change of the zone or a whole minute.
bool Due(const Cron &cron, const TimeZone &zone, TimePoint at) {
    LocalTime local = zone.ToLocal(at);
    if (!cron.fixed_hours) return Matches(cron, local);
    LocalTime before = zone.ToLocal(at - 1s);
    if (local > before + 1s) {    // a gap ends here: anything within it, or right now
        for (LocalTime skipped = ceil<minutes>(before + 1s); skipped <= local; skipped += 1min)
            if (Matches(cron, skipped)) return true;
        return false;
    }
    if (!Matches(cron, local)) return false;
    for (TimePoint earlier = at - 26h; earlier < at; earlier += 1min)    // shown before?
        if (zone.ToLocal(earlier) >= local) return false;
    return true;
}

std::string RandomField(Random &random, int low, int high, bool plain) {
    auto number = [&] { return low + static_cast<int>(random.Below(static_cast<std::uint64_t>(high - low + 1))); };
    switch (random.Below(plain ? 3 : 5)) {
    case 0: return std::to_string(number());
    case 1: return std::to_string(number()) + "," + std::to_string(number());
    case 2: {
        int a = number(), b = number();
        return std::to_string(std::min(a, b)) + "-" + std::to_string(std::max(a, b));
    }
    case 3: return "*/" + std::to_string(1 + random.Below(static_cast<std::uint64_t>(high)));
    default: return "*";
    }
}

TEST(CronOracle, AgreesAroundEveryKindOfClockChange) {
    struct Place {
        const char *zone;
        const char *around;
    };
    // clang-format off
    constexpr std::array<Place, 12> kPlaces{{
        {"UTC", "2026-02-27T20:00:00Z"},
        {"Europe/Vienna", "2026-03-28T20:00:00Z"}, {"Europe/Vienna", "2026-10-24T18:00:00Z"}, {"Europe/Vienna", "2061-10-29T18:00:00Z"},
        {"Europe/Dublin", "2026-10-24T20:00:00Z"}, {"America/Santiago", "2026-09-05T20:00:00Z"}, {"America/Santiago", "2026-04-04T20:00:00Z"},
        {"Australia/Lord_Howe", "2026-10-03T08:00:00Z"}, {"Australia/Lord_Howe", "2026-04-04T08:00:00Z"},
        {"Antarctica/Troll", "2026-03-28T20:00:00Z"}, {"America/Nuuk", "2026-10-24T18:00:00Z"}, {"Pacific/Apia", "2011-12-29T20:00:00Z"},
    }};
    // clang-format on
    SeededRandom random(4);
    int runs = 0;
    for (const Place &place : kPlaces) {
        TimeZone zone = TimeZone::Load(place.zone);
        TimePoint start = ParseTime(place.around);
        for (int i = 0; i < 40; i++) {
            bool plain = i % 2 == 0;    // fixed hours
            std::string text = RandomField(random, 0, 59, false) + " " + RandomField(random, 0, 8, plain) + " " +
                               (random.Below(3) ? "*" : "27-31,L") + " * " +
                               (random.Below(3) ? "*" : "fri-sun,0L,sat#1");
            Cron cron = ParseCron(text);
            TimePoint after = start + minutes(random.Below(600));
            for (TimePoint at = floor<minutes>(after) + 1min; at < after + 12h; at += 1min) {
                if (!Due(cron, zone, at)) continue;
                TimePoint next = NextRun(cron, zone, after);
                ASSERT_EQ(next, at) << text << " in " << place.zone << " after " << FormatTime(after) << ": "
                                    << FormatTime(next) << " instead of " << FormatTime(at);
                after = at;
                runs++;
                if (runs % 7 == 0) break;
            }
            ASSERT_GT(NextRun(cron, zone, after), after);
        }
    }
    EXPECT_GT(runs, 1500);
}

// What a schedule of fixed hours promises over years: as many runs as days, whatever the clocks do.
TEST(CronOracle, ADailyRunComesOnceADayForAHundredYears) {
    for (const char *name : {"Europe/Vienna", "America/Nuuk", "Antarctica/Troll", "Asia/Gaza", "Australia/Lord_Howe"}) {
        TimeZone zone = TimeZone::Load(name);
        for (const char *text : {"0 0 * * *", "30 1 * * *", "59 2 * * *"}) {
            Cron cron = ParseCron(text);
            TimePoint at = ParseTime("2020-01-01T12:00:00Z");
            int count = 0;
            for (TimePoint end = at + days(36'500); (at = NextRun(cron, zone, at)) <= end;) count++;
            EXPECT_EQ(count, 36'500) << name << " " << text;
        }
    }
}

TEST(CronOracle, PreviousRunInvertsNextRun) {
    TimeZone zone = TimeZone::Load("Europe/Vienna");
    SeededRandom random(5);
    for (const char *text :
         {"*/15 * * * *", "30 2 * * *", "0 2 * * 1#1", "0 0 L * *", "*/20 2 * 3,10 sun", "@every 7 h"}) {
        Cron cron = ParseCron(text);
        for (int i = 0; i < 100; i++) {
            TimePoint at = ParseTime("2024-01-01T00:00:00Z") + seconds(random.Below(100'000'000));
            TimePoint next = NextRun(cron, zone, at);
            EXPECT_EQ(PreviousRun(cron, zone, next, at), next) << text;
            auto previous = PreviousRun(cron, zone, next - 1us, TimePoint::min());
            ASSERT_TRUE(previous) << text;
            EXPECT_LE(*previous, at) << text;
            EXPECT_EQ(NextRun(cron, zone, *previous), next) << text;
        }
    }
}

}    // namespace
}    // namespace ark
