// The compiled form of a time zone: RFC 8536, and the POSIX rule in its last line.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "schedule/time_zone.h"

namespace ark {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

[[noreturn]] void ThrowDamaged(std::string_view name, std::string detail) {
    throw Error(Code::kCorrupt, fmt::format("the data of time zone \"{}\" is damaged", name), std::move(detail),
                "Install the package tzdata afresh.");
}

// Bytes from front to back; running out of them is damage.
class FileReader {
public:
    FileReader(std::string_view name, ByteView content) : name_(name), left_(content) {}

    ByteView Take(std::size_t size) {
        if (size > left_.size()) ThrowDamaged(name_, "The file ends too early.");
        ByteView taken = left_.first(size);
        left_ = left_.subspan(size);
        return taken;
    }
    template <class Unsigned>
    Unsigned Number() {
        return GetBigEndian<Unsigned>(Take(sizeof(Unsigned)).data());
    }
    ByteView Rest() const { return left_; }

private:
    std::string_view name_;
    ByteView left_;
};

struct Header {
    char version;
    std::uint32_t utc_flags, standard_flags, leap_seconds, transitions, types, letters;
};

Header ReadHeader(FileReader &file, std::string_view name) {
    if (AsText(file.Take(4)) != "TZif") ThrowDamaged(name, "It does not begin with \"TZif\".");
    Header header{};
    header.version = AsText(file.Take(1))[0];
    file.Take(15);
    for (std::uint32_t *count : {&header.utc_flags, &header.standard_flags, &header.leap_seconds, &header.transitions,
                                 &header.types, &header.letters}) {
        *count = file.Number<std::uint32_t>();
        if (*count > 100'000) ThrowDamaged(name, "A count in its header is absurd.");
    }
    if (header.types == 0) ThrowDamaged(name, "It has no local time types.");
    return header;
}

seconds CheckedOffset(std::string_view name, seconds offset) {
    if (offset <= -25h || offset >= 26h) ThrowDamaged(name, "An offset from UTC is out of range.");
    return offset;
}

}    // namespace

local_seconds TimeZone::Change::In(std::chrono::year of) const {
    switch (kind) {
    case kMonthWeekDay: {
        year_month in = of / std::chrono::month(static_cast<unsigned>(month));
        weekday of_week(static_cast<unsigned>(day));
        local_days date =
            week == 5 ? local_days(in / of_week[last]) : local_days(in / of_week[static_cast<unsigned>(week)]);
        return date + time;
    }
    case kDayWithoutLeap: {    // 1 to 365; 29 February is never counted
        bool skip = of.is_leap() && day >= 60;
        return local_days(of / 1 / 1) + days(day - (skip ? 0 : 1)) + time;
    }
    case kDay: break;    // 0 to 365
    }
    return local_days(of / 1 / 1) + days(day) + time;
}

// "CET-1CEST,M3.5.0,M10.5.0/3"
struct TimeZone::FooterReader {
    std::string_view zone, left;

    [[noreturn]] void Fail() const { ThrowDamaged(zone, "Its rule for the years to come is not understood."); }

    bool Skip(char c) {
        if (!left.starts_with(c)) return false;
        left.remove_prefix(1);
        return true;
    }
    int Number(int low, int high) {
        int value = 0;
        std::size_t digits = 0;
        for (; digits < left.size() && left[digits] >= '0' && left[digits] <= '9' && digits < 4; digits++)
            value = value * 10 + (left[digits] - '0');
        if (digits == 0 || value < low || value > high) Fail();
        left.remove_prefix(digits);
        return value;
    }
    void Name() {
        std::size_t size = 0;
        if (Skip('<')) {
            size = left.find('>');
            if (size == std::string_view::npos) Fail();
            left.remove_prefix(size + 1);
        } else {
            while (size < left.size() &&
                   ((left[size] >= 'a' && left[size] <= 'z') || (left[size] >= 'A' && left[size] <= 'Z')))
                size++;
            left.remove_prefix(size);
        }
        if (size < 3) Fail();
    }
    seconds Time(int most_hours) {
        int sign = Skip('-') ? -1 : 1;
        if (sign > 0) Skip('+');
        seconds time = hours(Number(0, most_hours));
        if (Skip(':')) time += minutes(Number(0, 59));
        if (Skip(':')) time += seconds(Number(0, 59));
        return sign * time;
    }
    Change ReadChange() {
        Change change;
        if (!Skip(',')) Fail();
        if (Skip('M')) {
            change.month = Number(1, 12);
            if (!Skip('.')) Fail();
            change.week = Number(1, 5);
            if (!Skip('.')) Fail();
            change.day = Number(0, 6);
        } else if (Skip('J')) {
            change.kind = Change::kDayWithoutLeap;
            change.day = Number(1, 365);
        } else {
            change.kind = Change::kDay;
            change.day = Number(0, 365);
        }
        change.time = Skip('/') ? Time(167) : seconds(2h);
        return change;
    }
    Rule ReadRule() {
        Rule rule;
        rule.present = true;
        Name();
        rule.standard = -Time(24);
        if (left.empty()) return rule;
        rule.has_summer = true;
        Name();
        rule.summer = left.starts_with(',') ? rule.standard + 1h : -Time(24);
        rule.begin = ReadChange();
        rule.end = ReadChange();
        if (!left.empty()) Fail();
        return rule;
    }
};

TimeZone TimeZone::Parse(std::string_view name, ByteView content) {
    FileReader file(name, content);
    Header header = ReadHeader(file, name);
    bool wide = header.version >= '2';
    if (wide) {    // the block of 32-bit times is for old readers
        file.Take(std::size_t{header.transitions} * 5 + std::size_t{header.types} * 6 + header.letters +
                  std::size_t{header.leap_seconds} * 8 + header.standard_flags + header.utc_flags);
        header = ReadHeader(file, name);
    }
    if (header.leap_seconds != 0)
        throw Error(Code::kUnsupported, fmt::format("time zone \"{}\" counts leap seconds", name), {},
                    "Use the zone of the same name outside the directory \"right\".");

    TimeZone zone;
    zone.name_ = name;
    for (std::uint32_t i = 0; i < header.transitions; i++) {
        std::int64_t at = wide ? static_cast<std::int64_t>(file.Number<std::uint64_t>())
                               : static_cast<std::int32_t>(file.Number<std::uint32_t>());
        // Some compilers write a first transition at the Big Bang; any calendar of ours begins later.
        sys_seconds instant{seconds(std::clamp<std::int64_t>(at, -3'000'000'000'000, 3'000'000'000'000))};
        if (i > 0 && instant <= zone.transitions_.back()) ThrowDamaged(name, "Its transitions are not in order.");
        zone.transitions_.push_back(instant);
    }
    ByteView types_of = file.Take(header.transitions);
    std::vector<seconds> types;
    for (std::uint32_t i = 0; i < header.types; i++) {
        types.push_back(CheckedOffset(name, seconds(static_cast<std::int32_t>(file.Number<std::uint32_t>()))));
        file.Take(2);    // whether it is summer time, and its letters
    }
    for (std::byte type : types_of) {
        auto index = std::to_integer<std::size_t>(type);
        if (index >= types.size()) ThrowDamaged(name, "A transition leads to a type that is not there.");
        zone.offsets_.push_back(types[index]);
    }
    zone.first_offset_ = types[0];
    file.Take(std::size_t{header.letters} + header.standard_flags + header.utc_flags);

    if (wide) {
        std::string_view footer = AsText(file.Rest());
        if (!footer.starts_with('\n') || footer.find('\n', 1) == std::string_view::npos)
            ThrowDamaged(name, "Its last line is missing.");
        footer = footer.substr(1, footer.find('\n', 1) - 1);
        if (!footer.empty()) {
            zone.rule_ = FooterReader{name, footer}.ReadRule();
            CheckedOffset(name, zone.rule_.standard);
            CheckedOffset(name, zone.rule_.summer);
        }
    }
    return zone;
}

}    // namespace ark
