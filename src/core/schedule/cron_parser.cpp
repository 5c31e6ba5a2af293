#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "schedule/cron.h"

namespace ark {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLongestText = 500;

constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> kWeekdays{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};

struct FieldRule {
    std::string_view name;
    int low, high;
    std::span<const std::string_view> names;
    std::string_view allowed;
    std::string_view example;
};
constexpr FieldRule kMinute{
    "minute", 0, 59, {}, "0 to 59, lists, ranges, steps, *", R"("*/15 * * * *" is every 15 minutes.)"};
constexpr FieldRule kHour{
    "hour", 0, 23, {}, "0 to 23, lists, ranges, steps, *", R"("0 2 * * *" is every day at 02:00.)"};
constexpr FieldRule kDay{"day of month",
                         1,
                         31,
                         {},
                         "1 to 31, L for the last day, lists, ranges, steps, *",
                         R"("0 2 1,15 * *" is the 1st and the 15th at 02:00, "0 2 L * *" the last day of the month.)"};
constexpr FieldRule kMonth{"month",
                           1,
                           12,
                           kMonths,
                           "1 to 12, jan to dec, lists, ranges, steps, *",
                           R"("0 2 1 jan,jul *" is the first of January and of July at 02:00.)"};
constexpr FieldRule kWeekday{
    "day of week",
    0,
    7,
    kWeekdays,
    "0 to 7 (0 and 7 are Sunday), sun to sat, 1#1 for the first Monday, 0L for the last Sunday, "
    "lists, ranges, steps, *",
    R"("0 2 * * mon-fri" is every weekday at 02:00, "0 2 * * 1#1" the first Monday of a month.)"};

std::string Lower(std::string_view text) {
    std::string out(text);
    for (char &c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::vector<std::string_view> Split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0;;) {
        std::size_t end = text.find(at, begin);
        parts.push_back(text.substr(begin, end - begin));
        if (end == std::string_view::npos) return parts;
        begin = end + 1;
    }
}

std::vector<std::string_view> Words(std::string_view text) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != std::string_view::npos;) {
        std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

[[noreturn]] void Refuse(std::string_view text, std::string_view fault, std::string_view detail,
                         std::string_view hint) {
    throw Error(Code::kInvalidArgument, fmt::format("cron expression \"{}\" {}", text, fault), std::string(detail),
                std::string(hint));
}

// One field: a set of numbers, and what only the two day fields know.
class FieldParser {
public:
    FieldParser(const FieldRule &rule, std::string_view whole, std::string_view field)
        : rule_(rule), whole_(whole), field_(field) {}

    std::uint64_t Parse() {
        for (std::string_view item : Split(field_, ',')) Item(item);
        return set_;
    }

    bool last_day = false;
    std::array<std::uint8_t, 7> ordinals{};

private:
    [[noreturn]] void Fail(std::string_view item, std::string_view fault) const {
        Refuse(whole_, fmt::format("cannot be used: {} \"{}\" {}", rule_.name, item, fault),
               fmt::format("Allowed in {}: {}.", rule_.name, rule_.allowed),
               fmt::format("For example, {}", rule_.example));
    }

    void Item(std::string_view item) {
        if (item.empty()) Fail(field_, "has an empty item");
        if (&rule_ == &kDay && (item == "L" || item == "l")) {
            last_day = true;
        } else if (&rule_ == &kWeekday && item.find('#') != std::string_view::npos) {
            std::size_t hash = item.find('#');
            std::string_view ordinal = item.substr(hash + 1);
            if (ordinal.size() != 1 || ordinal[0] < '1' || ordinal[0] > '5') Fail(item, "needs 1 to 5 after the #");
            ordinals.at(Value(item, item.substr(0, hash)) % 7) |= static_cast<std::uint8_t>(1 << (ordinal[0] - '0'));
        } else if (&rule_ == &kWeekday && item.size() > 1 && (item.back() == 'L' || item.back() == 'l')) {
            ordinals.at(Value(item, item.substr(0, item.size() - 1)) % 7) |= 1;
        } else {
            Range(item);
        }
    }

    void Range(std::string_view item) {
        std::vector<std::string_view> parts = Split(item, '/');
        if (parts.size() > 2) Fail(item, "has more than one step");
        int step = 1;
        if (parts.size() == 2) {
            step = Number(parts[1]);
            if (step < 1) Fail(item, "needs a step of 1 or more");
            if (step > rule_.high) Fail(item, "has a step that is longer than the field");
        }
        std::string_view range = parts[0];
        std::size_t dash = range.find('-');
        int low = rule_.low, high = &rule_ == &kWeekday ? 6 : rule_.high;
        if (range != "*") {
            low = Value(item, range.substr(0, dash));
            if (dash != std::string_view::npos) {
                high = Value(item, range.substr(dash + 1));
                if (&rule_ == &kWeekday && high == 0 && low > 0) high = 7;    // fri-sun
                if (high < low) Fail(item, "is a range that ends before it begins; write two ranges with a comma");
            } else if (parts.size() == 2) {
                Fail(item, fmt::format("has a step but no range; write {}-{}/{}", range, high, parts[1]));
            } else {
                high = low;
            }
        }
        for (int value = low; value <= high; value += step)
            set_ |= std::uint64_t{1} << (&rule_ == &kWeekday ? value % 7 : value);
    }

    static int Number(std::string_view text) {    // -1: not a number, or absurd
        int value = -1;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return text.size() > 4 || error != std::errc() || end != text.data() + text.size() ? -1 : value;
    }

    int Value(std::string_view item, std::string_view text) const {
        std::string name = Lower(text);
        for (std::size_t i = 0; i < rule_.names.size(); i++)
            if (name == rule_.names[i] || name == rule_.names[i].substr(0, 3)) return static_cast<int>(i) + rule_.low;
        int value = Number(text);
        if (value < 0) Fail(item, "is not understood");
        if (value < rule_.low || value > rule_.high) Fail(item, "is out of range");
        return value;
    }

    const FieldRule &rule_;
    std::string_view whole_, field_;
    std::uint64_t set_ = 0;
};

bool IsNowAndThen(const Cron &cron) {
    try {
        NextRun(cron, TimeZone::Utc(), TimePoint(std::chrono::sys_days(std::chrono::year(2000) / 1 / 1)));
        return true;
    } catch (const Error &) {
        return false;
    }
}

Cron Every(std::string_view text, std::string_view interval) {
    constexpr std::string_view kExample = "For example, \"@every 15 min\" or \"@every 36 h\".";
    Cron cron;
    cron.text = text;
    try {
        cron.every = ParseDuration(interval, "interval");
    } catch (const Error &error) {
        Refuse(text, "cannot be used: " + error.message, "", kExample);
    }
    if (cron.every < 1min || cron.every > std::chrono::days(366) || cron.every % 1s != 0s)
        Refuse(text, "cannot be used: the interval must be whole seconds, from 1 minute to 366 days", "", kExample);
    return cron;
}

Cron Fields(std::string_view text, std::string_view expression) {
    std::vector<std::string_view> words = Words(expression);
    if (words.size() != 5)
        Refuse(text, fmt::format("has {} field{}, not 5", words.size(), words.size() == 1 ? "" : "s"),
               "The fields are: minute, hour, day of month, month, day of week. There are no seconds and no years.",
               fmt::format("For example, {}", kHour.example));
    FieldParser minutes(kMinute, text, words[0]), hours(kHour, text, words[1]), days(kDay, text, words[2]),
        months(kMonth, text, words[3]), weekdays(kWeekday, text, words[4]);
    Cron cron;
    cron.text = text;
    cron.minutes = minutes.Parse();
    cron.hours = static_cast<std::uint32_t>(hours.Parse());
    cron.days = static_cast<std::uint32_t>(days.Parse());
    cron.months = static_cast<std::uint16_t>(months.Parse());
    cron.weekdays = static_cast<std::uint8_t>(weekdays.Parse());
    cron.last_day = days.last_day;
    cron.ordinals = weekdays.ordinals;
    cron.days_restricted = words[2].front() != '*';
    cron.weekdays_restricted = words[4].front() != '*';
    cron.fixed_hours = words[1].find_first_of("*/") == std::string_view::npos && cron.hours != (1u << 24) - 1;
    return cron;
}

}    // namespace

Cron ParseCron(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNicknames{
        {{"@hourly", "0 * * * *"},
         {"@daily", "0 0 * * *"},
         {"@midnight", "0 0 * * *"},
         {"@weekly", "0 0 * * 0"},
         {"@monthly", "0 0 1 * *"},
         {"@yearly", "0 0 1 1 *"},
         {"@annually", "0 0 1 1 *"}}};

    if (text.size() > kLongestText)
        Refuse(std::string(text.substr(0, 40)) + "...", fmt::format("is longer than {} characters", kLongestText), "",
               "");
    std::vector<std::string_view> words = Words(text);
    if (words.empty()) Refuse(text, "is empty", "", fmt::format("For example, {}", kHour.example));
    Cron cron;
    if (words[0].front() == '@') {
        std::string name = Lower(words[0]);
        if (name == "@every") {
            const char *rest = words[0].data() + words[0].size();
            std::string_view interval(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
            interval.remove_prefix(std::min(interval.find_first_not_of(" \t"), interval.size()));
            return Every(text, interval);
        }
        const auto *found =
            std::find_if(kNicknames.begin(), kNicknames.end(), [&](const auto &n) { return n.first == name; });
        if (found == kNicknames.end() || words.size() != 1)
            Refuse(text, "is not understood",
                   "Allowed: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, @every INTERVAL.",
                   "For example, \"@daily\" is every day at 00:00, \"@every 15 min\" every quarter of an hour.");
        cron = Fields(text, found->second);
    } else {
        cron = Fields(text, text);
    }
    if (!IsNowAndThen(cron))
        Refuse(text, "can never come", "No day of any year matches its day of month, month and day of week.",
               "The last day of February is \"0 2 L 2 *\".");
    return cron;
}

}    // namespace ark
