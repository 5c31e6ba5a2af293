#include "schedule/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace ark {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr int kMonthsSearched = 400 * 12 + 1;    // the calendar repeats after 400 years
constexpr TimePoint kEarliest = sys_days(year(1800) / 1 / 1), kLatest = sys_days(year(9000) / 1 / 1);

// Bit n: day n of the month is meant.
std::uint32_t MatchingDays(const Cron &cron, year_month month) {
    auto length = static_cast<unsigned>((month / last).day());
    std::uint32_t by_date = cron.days & ((2u << length) - 2);
    if (cron.last_day) by_date |= 1u << length;

    unsigned first = weekday(local_days(month / 1)).c_encoding();
    std::uint32_t by_weekday = 0;
    for (unsigned day = 1; day <= length; day++) {
        unsigned of_week = (first + day - 1) % 7;
        unsigned ordinal = cron.ordinals[of_week];
        bool is_last = day + 7 > length;
        if ((cron.weekdays >> of_week & 1) || (ordinal >> ((day + 6) / 7) & 1) || (is_last && (ordinal & 1)))
            by_weekday |= 1u << day;
    }
    return cron.days_restricted && cron.weekdays_restricted ? by_date | by_weekday : by_date & by_weekday;
}

// The first time of day that is not before `from`.
std::optional<minutes> TimeOfDay(const Cron &cron, minutes from) {
    auto hour = static_cast<unsigned>(from / 1h);
    auto minute = static_cast<unsigned>((from % 1h).count());
    std::uint64_t left = cron.hours >> hour & 1 ? cron.minutes >> minute << minute : 0;
    if (!left) {
        std::uint32_t later = cron.hours >> hour >> 1 << 1 << hour;
        if (!later) return std::nullopt;
        hour = static_cast<unsigned>(std::countr_zero(later));
        left = cron.minutes;
    }
    return hours(hour) + minutes(std::countr_zero(left));
}

// The first local time that matches and is not before `from`.
std::optional<LocalTime> NextLocal(const Cron &cron, LocalTime from) {
    auto start = ceil<minutes>(from);
    auto first_day = floor<days>(start);
    year_month_day date{first_day};
    year_month month = date.year() / date.month();
    auto first = static_cast<unsigned>(date.day());
    for (int n = 0; n < kMonthsSearched; n++, month += months(1), first = 1) {
        if (!(cron.months >> static_cast<unsigned>(month.month()) & 1)) continue;
        for (std::uint32_t left = MatchingDays(cron, month) >> first << first; left; left &= left - 1) {
            local_days day{month / std::countr_zero(left)};
            if (auto time = TimeOfDay(cron, day == first_day ? start - first_day : 0min)) return day + *time;
        }
    }
    return std::nullopt;
}

[[noreturn]] void ThrowNever(const Cron &cron) {
    throw Error(Code::kInvalidArgument, fmt::format("schedule \"{}\" never runs again", cron.text));
}

// Each local time once. ToInstant never decreases, so the first local time that leads beyond `after` is the one.
TimePoint NextFixed(const Cron &cron, const TimeZone &zone, TimePoint after) {
    LocalTime from = zone.ToLocal(after);
    while (auto local = NextLocal(cron, from + 1s)) {
        TimePoint time = zone.ToInstant(*local);
        if (time > after) return time;
        from = *local;
    }
    ThrowNever(cron);
}

// Each real instant, one stretch of constant offset after the other.
TimePoint NextReal(const Cron &cron, const TimeZone &zone, TimePoint after) {
    TimeZone::Period period = zone.At(after);
    sys_seconds from = floor<seconds>(after) + 1s;
    while (from - after < years(400)) {
        auto local = NextLocal(cron, LocalTime((from + period.offset).time_since_epoch()));
        if (!local) break;
        sys_seconds time(local->time_since_epoch() - period.offset);
        if (time < period.end) return time;
        from = period.end;
        period = zone.At(from);
    }
    ThrowNever(cron);
}

}    // namespace

TimePoint NextRun(const Cron &cron, const TimeZone &zone, TimePoint after) {
    if (after < kEarliest || after > kLatest) ThrowNever(cron);
    if (cron.every > 0us) {
        Duration since = after.time_since_epoch() % cron.every;
        return after - since + (since < 0us ? 0us : cron.every);
    }
    return cron.fixed_hours ? NextFixed(cron, zone, after) : NextReal(cron, zone, after);
}

std::optional<TimePoint> PreviousRun(const Cron &cron, const TimeZone &zone, TimePoint at, TimePoint not_before) {
    not_before = std::max(not_before, kEarliest);
    // How far back must one begin to meet a run at or before `at`? Doubling, then halving.
    TimePoint begin = at, too_late = at, found = at + 1us;
    for (Duration back = 1min; found > at; back *= 2) {
        if (begin <= not_before) return std::nullopt;
        too_late = begin;
        begin = back < at - not_before ? at - back : not_before;
        found = NextRun(cron, zone, begin);
    }
    while (too_late - begin > 1min) {
        TimePoint middle = begin + (too_late - begin) / 2;
        if (TimePoint next = NextRun(cron, zone, middle); next <= at) {
            begin = middle;
            found = next;
        } else {
            too_late = middle;
        }
    }
    for (TimePoint next = found; next <= at; next = NextRun(cron, zone, next)) found = next;
    return found;
}

}    // namespace ark
