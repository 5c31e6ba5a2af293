// What the scheduler shall do now. Pure: schedules and the time in, actions and the next wake-up out.
//
// Each moment of a schedule is decided about once; `decided_until` is the memory of that, kept with the schedule. The
// caller writes the rows and the new `decided_until` in one transaction and only then starts the jobs, so that a crash
// in between leaves a row of a job that did not run, never a moment that nobody decided about.
//
// - The newest moment that has come is run, unless the scheduler is paused or the schedule's previous run is still at work.
// - Earlier moments that have come meanwhile were missed (the server was down, or busy): each is recorded, none is run by
//   itself. A newest moment longer ago than kOnTime is recorded as missed and run, once, to catch up.
// - Moments in a pause are recorded as paused and never caught up.
// - A clock set back by up to kClockSlack waits until it has passed `decided_until` again: nothing runs twice. A clock
//   set back further was wrong before, and waiting could mean days without a backup: the schedule goes on from now.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schedule/cron.h"

namespace ark {

constexpr Duration kOnTime = std::chrono::minutes(5);
constexpr Duration kClockSlack = std::chrono::hours(3);
constexpr std::size_t kMostSkipRows = 100;    // of one kind for one schedule; older moments share one row

struct Schedule {
    std::string name;
    Cron cron;
    std::shared_ptr<const TimeZone> zone;
    bool enabled = true;          // whoever enables it again sets decided_until to that time
    bool running = false;         // a run of this schedule is queued or at work
    TimePoint decided_until{};    // at first: the time the schedule was made or changed
};

// The last pause of the whole scheduler.
struct Pause {
    TimePoint since{};
    std::optional<TimePoint> until;    // nothing: still paused
};

enum class SkipReason { kOverlap, kMissed, kPaused };
std::string_view SkipReasonName(SkipReason reason);    // "overlap", "missed", "paused"

struct SkippedRun {
    std::string schedule;
    SkipReason reason{};
    TimePoint first{}, last{};    // the same but for the row that stands for many
    std::uint64_t count = 1;
    bool at_least = false;    // there were more than could be counted
    std::string message;      // for the row, for people
};

struct DueRun {
    std::string schedule;
    TimePoint due{};
    bool catch_up = false;
};

struct Decided {
    std::string schedule;
    TimePoint until{};
    Duration set_back{};    // not 0: the clock was found this far behind, and the schedule goes on from `until`
};

struct Decision {
    std::vector<SkippedRun> skips;         // by schedule, then reason, oldest first
    std::vector<DueRun> runs;              // by due time, then name
    std::vector<Decided> decided;          // only what changed
    std::optional<TimePoint> next_wake;    // later than now; nothing: no schedule is enabled
};

Decision Decide(const std::vector<Schedule> &schedules, const std::optional<Pause> &pause, TimePoint now);

}    // namespace ark
