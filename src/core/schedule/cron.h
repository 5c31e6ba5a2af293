// When a schedule is due: five-field cron expressions and their next moment in a time zone. Pure.
//
//   minute 0-59 | hour 0-23 | day of month 1-31 or L (the last) | month 1-12 or names | day of week 0-7 or names
//
// Each field is `*`, a number, a range `a-b`, a step `*/n` or `a-b/n`, or a list of those. Day of week: 0 and 7 are
// Sunday; `1#1` is the first Monday of the month, `0L` the last Sunday. Names are English, three letters or whole, in
// any case. Instead of the fields: @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually), or
// `@every 15 min`, which counts from 1970-01-01 00:00 UTC in real time, whatever the zone.
//
// Days, as in Vixie cron: if day of month and day of week are both restricted, a day that satisfies either is meant;
// a field that begins with `*` does not restrict in this sense, so `0 0 */2 * 1` means odd days that are Mondays.
//
// Summer time: an expression fixes its hours if the hour field has neither `*` nor a step and does not name all 24.
// One that does runs exactly once for each local time it names: a time that the clock skips runs at the first instant
// after the gap (several in one gap run once), and a time that comes twice runs at its first coming. All others run at
// every real instant whose local time matches, so that "every 15 minutes" has neither a hole nor a halt.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "schedule/time_zone.h"

namespace ark {

struct Cron {
    std::uint64_t minutes = 0;                 // bit n: minute n
    std::uint32_t hours = 0;                   // bit n: hour n
    std::uint32_t days = 0;                    // bit n: day n of the month, from 1
    bool last_day = false;                     // the last day of the month
    std::uint16_t months = 0;                  // bit n: month n, from 1
    std::uint8_t weekdays = 0;                 // bit n: every such day, 0 = Sunday
    std::array<std::uint8_t, 7> ordinals{};    // by day of the week; bit n: the nth of the month, bit 0: the last
    bool days_restricted = false;
    bool weekdays_restricted = false;
    bool fixed_hours = false;
    Duration every{};    // @every: nothing else is set
    std::string text;    // as it was given

    bool operator==(const Cron &) const = default;
};

// Throws kInvalidArgument that names the field, its text and what is allowed; also for what can never come, such as
// 30 February. Text is at most 500 characters.
Cron ParseCron(std::string_view text);

// The first moment later than `after`. Throws kInvalidArgument if none comes within 400 years, or if `after` lies outside
// the years 1800 to 9000.
TimePoint NextRun(const Cron &cron, const TimeZone &zone, TimePoint after);

// The last moment at or before `at` and later than `not_before`.
std::optional<TimePoint> PreviousRun(const Cron &cron, const TimeZone &zone, TimePoint at, TimePoint not_before);

}    // namespace ark
