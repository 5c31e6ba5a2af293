#include "base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <thread>

#include "base/error.h"

namespace ark {
namespace {

class RealClock : public Clock {
public:
    TimePoint Now() override {
        return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    }
    SteadyPoint Steady() override { return std::chrono::steady_clock::now(); }
    void Sleep(Duration time) override { std::this_thread::sleep_for(time); }
};

struct Broken {
    int year, month, day, hour, minute, second, micros;
};

Broken Break(TimePoint time) {
    using namespace std::chrono;
    auto day = floor<days>(time);
    year_month_day date{day};
    hh_mm_ss<microseconds> clock{time - day};
    return {static_cast<int>(date.year()),
            static_cast<int>(static_cast<unsigned>(date.month())),
            static_cast<int>(static_cast<unsigned>(date.day())),
            static_cast<int>(clock.hours().count()),
            static_cast<int>(clock.minutes().count()),
            static_cast<int>(clock.seconds().count()),
            static_cast<int>(clock.subseconds().count())};
}

TimePoint Join(const Broken &b, std::string_view text) {
    using namespace std::chrono;
    year_month_day date{year{b.year}, month{static_cast<unsigned>(b.month)}, day{static_cast<unsigned>(b.day)}};
    if (!date.ok() || b.hour > 23 || b.minute > 59 || b.second > 60)
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a time", text));
    return sys_days{date} + hours{b.hour} + minutes{b.minute} + seconds{b.second} + microseconds{b.micros};
}

// Takes `digits` decimal digits from the front of `text`; -1 if they are not there.
int TakeNumber(std::string_view &text, std::size_t digits) {
    if (text.size() < digits) return -1;
    int value = 0;
    for (char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return value;
}

bool Take(std::string_view &text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

// "<number> <unit>" split in two; the number may have a fraction.
bool SplitNumber(std::string_view text, double &number, std::string_view &unit) {
    auto trim = [](std::string_view part) {
        part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
        return part.substr(0, part.find_last_not_of(' ') + 1);
    };
    text = trim(text);
    if (text.empty() || text[0] < '0' || text[0] > '9') return false;    // from_chars would take inf and nan
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return false;
    unit = trim(text.substr(static_cast<std::size_t>(end - text.data())));
    return true;
}

}    // namespace

Clock &SystemClock() {
    static RealClock clock;
    return clock;
}

std::string FormatTime(TimePoint time, bool microseconds) {
    Broken b = Break(time);
    std::string out =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", b.year, b.month, b.day, b.hour, b.minute, b.second);
    if (microseconds) out += fmt::format(".{:06}", b.micros);
    return out + "Z";
}

std::string CompactTime(TimePoint time) {
    Broken b = Break(time);
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", b.year, b.month, b.day, b.hour, b.minute, b.second);
}

namespace {

// "2026-01-16T08:00", taken from the front.
bool TakeDateAndMinute(std::string_view &rest, std::string_view between, Broken &b) {
    return (b.year = TakeNumber(rest, 4)) >= 0 && Take(rest, "-") && (b.month = TakeNumber(rest, 2)) >= 0 &&
           Take(rest, "-") && (b.day = TakeNumber(rest, 2)) >= 0 && Take(rest, between) &&
           (b.hour = TakeNumber(rest, 2)) >= 0 && Take(rest, ":") && (b.minute = TakeNumber(rest, 2)) >= 0;
}

// ":00" with an optional fraction; what is finer than microseconds is dropped.
bool TakeSeconds(std::string_view &rest, Broken &b) {
    bool good = Take(rest, ":") && (b.second = TakeNumber(rest, 2)) >= 0;
    if (!good || !Take(rest, ".")) return good;
    good = !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
    int scale = 100000;
    for (int digit; good && (digit = TakeNumber(rest, 1)) >= 0; scale /= 10) b.micros += digit * scale;
    return good;
}

// "+01", "-03:30", "+00:19:32"; nullopt for anything else.
std::optional<Duration> OffsetOf(std::string_view text) {
    bool west = text.starts_with('-');
    if (!west && !text.starts_with('+')) return std::nullopt;
    text.remove_prefix(1);
    int parts[3] = {};
    for (int i = 0; i < 3 && (i == 0 || !text.empty()); i++)
        if ((i > 0 && !Take(text, ":")) || (parts[i] = TakeNumber(text, 2)) < 0 || parts[i] > (i == 0 ? 15 : 59))
            return std::nullopt;
    if (!text.empty()) return std::nullopt;
    Duration offset = std::chrono::hours(parts[0]) + std::chrono::minutes(parts[1]) + std::chrono::seconds(parts[2]);
    return west ? -offset : offset;
}

}    // namespace

TimePoint ParseTime(std::string_view text) {
    Broken b{};
    std::string_view rest = text;
    if (!TakeDateAndMinute(rest, "T", b) || !TakeSeconds(rest, b))
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a time such as 2026-01-16T08:00:00Z", text));
    if (rest != "Z") throw Error(Code::kInvalidArgument, fmt::format("\"{}\" does not end in Z (UTC)", text));
    return Join(b, text);
}

TimePoint ParseMoment(std::string_view text) {
    for (std::string_view between : {"T", " "}) {
        Broken b{};
        std::string_view rest = text;
        if (!TakeDateAndMinute(rest, between, b) || (rest.starts_with(':') && !TakeSeconds(rest, b))) continue;
        const std::string_view moment = text.substr(0, text.size() - rest.size());
        Take(rest, " ");    // as in a server's log
        if (rest == "Z" || rest == "UTC" || rest == "GMT") return Join(b, text);
        if (std::optional<Duration> offset = OffsetOf(rest)) return Join(b, text) - *offset;
        if (rest.empty())
            throw Error(Code::kInvalidArgument, fmt::format("\"{}\" does not say in which time zone", text), {},
                        fmt::format("Add Z (UTC) or an offset: \"{}+01\".", moment));
        if (std::ranges::all_of(rest, [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }))
            throw Error(Code::kInvalidArgument, fmt::format("\"{}\" names its time zone by a word", text),
                        "Such words mean different times in different places and seasons.",
                        fmt::format("Write the offset in figures: \"{}+01\".", moment));
    }
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a time", text), {},
                "For example 2026-01-16T08:00:00Z, or 2026-01-16 09:00:00+01 as psql prints it.");
}

TimePoint ParseHttpDate(std::string_view text) {
    static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    Broken b{};
    std::string_view rest = text;
    rest.remove_prefix(std::min<std::size_t>(3, rest.size()));    // the day of the week says nothing new
    bool good = Take(rest, ", ") && (b.day = TakeNumber(rest, 2)) >= 0 && Take(rest, " ");
    for (std::size_t i = 0; good && i < kMonths.size(); i++)
        if (Take(rest, kMonths[i])) b.month = static_cast<int>(i) + 1;
    good = good && b.month > 0 && Take(rest, " ") && (b.year = TakeNumber(rest, 4)) >= 0 && Take(rest, " ") &&
           (b.hour = TakeNumber(rest, 2)) >= 0 && Take(rest, ":") && (b.minute = TakeNumber(rest, 2)) >= 0 &&
           Take(rest, ":") && (b.second = TakeNumber(rest, 2)) >= 0 && rest == " GMT";
    if (!good) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not an HTTP date", text));
    return Join(b, text);
}

std::string HumanBytes(std::uint64_t bytes) {
    static constexpr std::array<const char *, 6> kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < kUnits.size(); unit++) value /= 1000;
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string HumanDuration(Duration time) {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 59'950) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
    auto s = (ms + 500) / 1000;
    if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
    if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
    return fmt::format("{} d {} h", s / 86400, s % 86400 / 3600);
}

Duration ParseDuration(std::string_view text, std::string_view what) {
    struct Unit {
        std::string_view name;
        double micros;
    };
    static constexpr double kSecond = 1e6, kDay = 86400e6;
    static constexpr std::array<Unit, 24> kUnits{{{"us", 1},
                                                  {"ms", 1e3},
                                                  {"s", kSecond},
                                                  {"sec", kSecond},
                                                  {"second", kSecond},
                                                  {"seconds", kSecond},
                                                  {"min", 60e6},
                                                  {"minute", 60e6},
                                                  {"minutes", 60e6},
                                                  {"m", 60e6},
                                                  {"h", 3600e6},
                                                  {"hour", 3600e6},
                                                  {"hours", 3600e6},
                                                  {"d", kDay},
                                                  {"day", kDay},
                                                  {"days", kDay},
                                                  {"week", 7 * kDay},
                                                  {"weeks", 7 * kDay},
                                                  {"w", 7 * kDay},
                                                  {"month", 30 * kDay},
                                                  {"months", 30 * kDay},
                                                  {"year", 365 * kDay},
                                                  {"years", 365 * kDay},
                                                  {"y", 365 * kDay}}};
    double number = 0;
    std::string_view unit;
    if (SplitNumber(text, number, unit)) {
        if (unit.empty() && number == 0) return Duration{0};
        for (const Unit &u : kUnits)
            if (u.name == unit && number * u.micros < 0x1p63)
                return Duration{static_cast<std::int64_t>(number * u.micros)};
    }
    throw Error(Code::kInvalidArgument, fmt::format("{} \"{}\" is not a length of time", what, text), {},
                "Write a number and a unit, for example \"15 min\", \"2 h\" or \"90 days\".");
}

std::uint64_t ParseSize(std::string_view text, std::string_view what) {
    struct Unit {
        std::string_view name;
        double bytes;
    };
    static constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                                  {"B", 1},
                                                  {"kB", 1024},
                                                  {"KB", 1024},
                                                  {"KiB", 1024},
                                                  {"MB", 1 << 20},
                                                  {"MiB", 1 << 20},
                                                  {"M", 1 << 20},
                                                  {"GB", 1 << 30},
                                                  {"GiB", 1 << 30},
                                                  {"G", 1 << 30},
                                                  {"TB", 1099511627776.0},
                                                  {"TiB", 1099511627776.0},
                                                  {"k", 1024}}};
    double number = 0;
    std::string_view unit;
    if (SplitNumber(text, number, unit))
        for (const Unit &u : kUnits)
            if (u.name == unit && number * u.bytes < 0x1p64) return static_cast<std::uint64_t>(number * u.bytes);
    throw Error(Code::kInvalidArgument, fmt::format("{} \"{}\" is not a size", what, text), {},
                "Write a number of bytes or a number with kB, MB, GB or TB (powers of 1024, as in postgresql.conf).");
}

}    // namespace ark
