#include "schedule/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

// Far outside every calendar and still a number of microseconds.
constexpr sys_seconds kBeginning{-3'000'000'000'000s}, kEnd{3'000'000'000'000s};

[[noreturn]] void ThrowUnknown(std::string_view name, std::string detail = {}) {
    throw Error(Code::kInvalidArgument, fmt::format("unknown time zone \"{}\"", name), std::move(detail),
                "Use a name of the IANA list such as \"UTC\" or \"Europe/Vienna\", in exactly this spelling; "
                "the view pg_timezone_names shows them.");
}

bool CouldBeName(std::string_view name) {
    auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '+' || c == '/';
    };
    return !name.empty() && name.size() <= 100 && name.front() != '/' && name.back() != '/' &&
           std::all_of(name.begin(), name.end(), allowed);
}

}    // namespace

TimeZone TimeZone::Utc() {
    TimeZone zone;
    zone.name_ = "UTC";
    return zone;
}

TimeZone TimeZone::Load(std::string_view name, const std::filesystem::path &directory) {
    if (name == "UTC") return Utc();
    if (!CouldBeName(name)) ThrowUnknown(name);
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error))
        throw Error(Code::kUnavailable, fmt::format("could not read time zone \"{}\"", name),
                    fmt::format("There is no directory \"{}\".", directory.string()),
                    "Install the package tzdata, or use the time zone UTC.");
    std::filesystem::path path = directory / name;
    if (!std::filesystem::is_regular_file(path, error)) ThrowUnknown(name);
    std::string content = ReadWholeFile(path, 1 << 20);
    if (!content.starts_with("TZif")) ThrowUnknown(name, fmt::format("\"{}\" is not time zone data.", path.string()));
    return Parse(name, AsBytes(content));
}

TimeZone::Period TimeZone::At(TimePoint time) const {
    auto second = floor<seconds>(time);
    auto after = std::upper_bound(transitions_.begin(), transitions_.end(), second);
    if (after == transitions_.end() && rule_.present) return AfterTransitions(second);
    Period period{kBeginning, kEnd, first_offset_};
    if (after != transitions_.begin()) {
        period.begin = after[-1];
        period.offset = offsets_[static_cast<std::size_t>(after - transitions_.begin()) - 1];
    }
    if (after != transitions_.end()) period.end = *after;
    return period;
}

TimeZone::Period TimeZone::AfterTransitions(sys_seconds time) const {
    Period period{transitions_.empty() ? kBeginning : transitions_.back(), kEnd, rule_.standard};
    year now = year_month_day(floor<days>(time)).year();
    if (!rule_.has_summer || now < year(-30000) || now > year(30000)) return period;
    // In order, also where summer time spans the turn of the year. Equal instants keep their order: the later rule holds.
    std::array<std::pair<sys_seconds, seconds>, 6> changes;
    for (int i = 0; i < 3; i++) {
        year in = now + years(i - 1);
        changes.at(2 * i) = {sys_seconds(rule_.begin.In(in).time_since_epoch() - rule_.standard), rule_.summer};
        changes.at(2 * i + 1) = {sys_seconds(rule_.end.In(in).time_since_epoch() - rule_.summer), rule_.standard};
    }
    std::stable_sort(changes.begin(), changes.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    for (const auto &[instant, offset] : changes) {
        if (instant > time) {
            period.end = instant;
            break;
        }
        period.begin = std::max(period.begin, instant);
        period.offset = offset;
    }
    return period;
}

LocalTime TimeZone::ToLocal(TimePoint time) const {
    return LocalTime((floor<seconds>(time) + At(time).offset).time_since_epoch());
}

TimePoint TimeZone::ToInstant(LocalTime local) const {
    // Begins before any instant that could show this local time: no offset reaches 27 hours.
    sys_seconds as_utc(local.time_since_epoch());
    Period period = At(as_utc - 27h);
    for (;;) {
        sys_seconds time = as_utc - period.offset;
        if (time < period.begin) return period.begin;
        if (time < period.end || period.end == kEnd) return time;
        period = At(period.end);
    }
}

}    // namespace ark
