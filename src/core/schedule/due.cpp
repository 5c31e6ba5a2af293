#include "schedule/due.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace ark {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostCounted = 20'000;

struct Moments {
    std::vector<TimePoint> times;    // ascending; if `more`, the oldest ones and the newest
    bool more = false;
};

Moments MomentsBetween(const Schedule &schedule, TimePoint after, TimePoint now) {
    Moments moments;
    for (TimePoint at = NextRun(schedule.cron, *schedule.zone, after); at <= now;
         at = NextRun(schedule.cron, *schedule.zone, at)) {
        if (moments.times.size() == kMostCounted) {
            moments.more = true;
            if (auto newest = PreviousRun(schedule.cron, *schedule.zone, now, at)) at = *newest;
            moments.times.push_back(at);
            break;
        }
        moments.times.push_back(at);
    }
    return moments;
}

bool InPause(const std::optional<Pause> &pause, TimePoint at) {
    return pause && at >= pause->since && (!pause->until || at < *pause->until);
}

std::string Message(const SkippedRun &skip) {
    std::string what = FormatTime(skip.first);
    if (skip.count > 1)
        what = fmt::format("{}{} runs from {} to {}", skip.at_least ? "at least " : "", skip.count, what,
                           FormatTime(skip.last));
    switch (skip.reason) {
    case SkipReason::kOverlap: return what + ": skipped, the previous run was still at work";
    case SkipReason::kPaused: return what + ": skipped, the scheduler was paused";
    case SkipReason::kMissed: break;
    }
    return what + ": missed, the server was down or busy, or its clock was set forward";
}

// One row a moment; the oldest share one when there are too many.
void AddSkips(const Schedule &schedule, SkipReason reason, const std::vector<TimePoint> &times, bool more,
              std::vector<SkippedRun> &skips) {
    std::size_t shared =
        times.size() > kMostSkipRows ? times.size() - kMostSkipRows + 1 : std::min<std::size_t>(times.size(), 1);
    for (std::size_t begin = 0; begin < times.size(); begin += shared, shared = 1) {
        SkippedRun skip{schedule.name, reason, times[begin], times[begin + shared - 1], shared, more && begin == 0, {}};
        skip.message = Message(skip);
        skips.push_back(std::move(skip));
    }
}

void DecideOne(const Schedule &schedule, const std::optional<Pause> &pause, TimePoint now, Decision &decision) {
    TimePoint after = schedule.decided_until;
    if (after > now + kClockSlack) {
        decision.decided.push_back({schedule.name, now, after - now});
        after = now;
    }
    Moments moments = MomentsBetween(schedule, after, now);
    if (!moments.times.empty()) {
        TimePoint newest = moments.times.back();
        bool runs = !InPause(pause, newest) && !schedule.running;
        bool late = now - newest > kOnTime;
        std::vector<TimePoint> paused, overlapped, missed;
        for (TimePoint at : moments.times) {
            if (InPause(pause, at))
                paused.push_back(at);
            else if (schedule.running)
                overlapped.push_back(at);
            else if (at != newest || late)
                missed.push_back(at);
        }
        AddSkips(schedule, SkipReason::kPaused, paused, moments.more, decision.skips);
        AddSkips(schedule, SkipReason::kOverlap, overlapped, moments.more, decision.skips);
        AddSkips(schedule, SkipReason::kMissed, missed, moments.more, decision.skips);
        if (runs) decision.runs.push_back({schedule.name, newest, late});
        decision.decided.push_back({schedule.name, newest, 0us});
        after = newest;
    }
    TimePoint next = NextRun(schedule.cron, *schedule.zone, std::max(after, now));
    if (!decision.next_wake || next < *decision.next_wake) decision.next_wake = next;
}

}    // namespace

std::string_view SkipReasonName(SkipReason reason) {
    switch (reason) {
    case SkipReason::kOverlap: return "overlap";
    case SkipReason::kMissed: return "missed";
    case SkipReason::kPaused: break;
    }
    return "paused";
}

Decision Decide(const std::vector<Schedule> &schedules, const std::optional<Pause> &pause, TimePoint now) {
    Decision decision;
    for (const Schedule &schedule : schedules)
        if (schedule.enabled) DecideOne(schedule, pause, now, decision);
    std::sort(decision.runs.begin(), decision.runs.end(), [](const DueRun &a, const DueRun &b) {
        return std::tie(a.due, a.schedule) < std::tie(b.due, b.schedule);
    });
    return decision;
}

}    // namespace ark
