// Time as a thing that is passed in. Core code never asks the system for the time by itself.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace ark {

using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;
using SteadyPoint = std::chrono::steady_clock::time_point;

class Clock {
public:
    virtual ~Clock() = default;
    virtual TimePoint Now() = 0;              // wall time, UTC
    virtual SteadyPoint Steady() = 0;         // for deadlines
    virtual void Sleep(Duration time) = 0;    // may return early never, late always
};

Clock &SystemClock();

// "2026-01-16T08:00:00Z"; with microseconds when asked. Parsing takes either, and throws kInvalidArgument.
std::string FormatTime(TimePoint time, bool microseconds = false);
TimePoint ParseTime(std::string_view text);
// As people write it: the same, or with a space for the T, and with an offset for the Z ("2026-01-16 09:00:00.5+01", which psql prints).
// kInvalidArgument, with a hint, for one without either.
TimePoint ParseMoment(std::string_view text);
// "20260116T080000Z": the compact ISO 8601 form used in names.
std::string CompactTime(TimePoint time);
// RFC 9110 date, "Fri, 16 Jan 2026 08:00:00 GMT".
TimePoint ParseHttpDate(std::string_view text);

// For people: "1.5 GB" (powers of 1000), "2 min 03 s".
std::string HumanBytes(std::uint64_t bytes);
std::string HumanDuration(Duration time);
// "15 min", "2 h", "90 days", "1s", "250 ms", "1 year" (365 days); throws kInvalidArgument naming `what`.
Duration ParseDuration(std::string_view text, std::string_view what);
// "64 MiB", "10MB", "1048576"; throws kInvalidArgument naming `what`.
std::uint64_t ParseSize(std::string_view text, std::string_view what);

}    // namespace ark
