// Local time of an IANA time zone, from the compiled files of the system (RFC 8536, versions 1 to 4). The C library's
// own conversion needs setenv("TZ"), which no program with threads may call.
//
// A TimeZone is a value: immutable, safe for concurrent use.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace ark {

using LocalTime = std::chrono::local_seconds;

class TimeZone {
public:
    // Reads one file; "UTC" needs none. Throws kInvalidArgument for a name that is not a zone, kUnavailable when no zone
    // can be read because the data is not installed, kCorrupt for a damaged file.
    static TimeZone Load(std::string_view name, const std::filesystem::path &directory = "/usr/share/zoneinfo");
    static TimeZone Utc();
    // The content of a zone's file. Throws kCorrupt, or kUnsupported for a file that counts leap seconds.
    static TimeZone Parse(std::string_view name, ByteView content);

    const std::string &name() const { return name_; }

    // A stretch of time with one offset from UTC: [begin, end).
    struct Period {
        std::chrono::sys_seconds begin, end;
        std::chrono::seconds offset;
    };
    Period At(TimePoint time) const;

    LocalTime ToLocal(TimePoint time) const;    // whole seconds, rounded down
    // The first instant that shows this local time; for a local time that is skipped, the first instant after the gap.
    // Never decreases when `local` grows.
    TimePoint ToInstant(LocalTime local) const;

private:
    // The day and second of a year on which summer time begins or ends, as the file's last line says it.
    struct Change {
        enum Kind { kMonthWeekDay, kDayWithoutLeap, kDay } kind = kMonthWeekDay;
        int month = 0, week = 0, day = 0;
        std::chrono::seconds time{};
        std::chrono::local_seconds In(std::chrono::year of) const;
    };
    struct Rule {    // for all time after the last transition
        bool present = false;
        bool has_summer = false;
        std::chrono::seconds standard{}, summer{};
        Change begin, end;
    };
    struct FooterReader;

    Period AfterTransitions(std::chrono::sys_seconds time) const;

    std::string name_;
    std::vector<std::chrono::sys_seconds> transitions_;    // ascending
    std::vector<std::chrono::seconds> offsets_;            // from each transition on
    std::chrono::seconds first_offset_{};
    Rule rule_;
};

}    // namespace ark
