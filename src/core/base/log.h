// What the engine tells beside its result. Implementations are safe for concurrent use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ark {

// A snapshot of how far the work is; unknown totals are 0.
struct Progress {
    std::string phase;               // "plan", "copy", "upload", "commit", "stage", "merge", ...
    std::uint64_t done_bytes = 0;    // plain bytes read or written so far
    std::uint64_t total_bytes = 0;
    std::uint64_t stored_bytes = 0;
    std::uint64_t done_items = 0;    // tables, objects
    std::uint64_t total_items = 0;
    std::string current;    // the table or object being worked on
};

class Log {
public:
    virtual ~Log() = default;
    virtual void Note(std::string_view message) = 0;      // worth a NOTICE
    virtual void Warn(std::string_view message) = 0;      // worth a WARNING and a line in the job's history
    virtual void Report(const Progress &progress) = 0;    // often; the implementation thins it out
    // The work waits for something outside, for this reason; told again when the reason changes, and with an empty one
    // when it goes on.
    virtual void Wait(std::string_view) {}
};

Log &SilentLog();

}    // namespace ark
