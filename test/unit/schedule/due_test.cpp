#include "schedule/due.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/fake_clock.h"

namespace ark {
namespace {

using namespace std::chrono_literals;
using test::FakeClock;

// One schedule on a virtual clock: what the launcher does, without a server.
class Scheduler {
public:
    explicit Scheduler(std::string_view cron, std::string_view start, std::string_view zone = "UTC")
        : clock(ParseTime(start)) {
        schedule.name = "nightly";
        schedule.cron = ParseCron(cron);
        schedule.zone = std::make_shared<TimeZone>(TimeZone::Load(zone));
        schedule.decided_until = clock.Now();
    }

    Decision Tick() {
        Decision decision = Decide({schedule}, pause, clock.Now());
        for (const Decided &decided : decision.decided) schedule.decided_until = decided.until;
        for (const DueRun &run : decision.runs)
            log += (log.empty() ? "" : ", ") + std::string(run.catch_up ? "catch up " : "run ") + Short(run.due);
        for (const SkippedRun &skip : decision.skips) {
            log += (log.empty() ? "" : ", ") + std::string(SkipReasonName(skip.reason)) + " " + Short(skip.first);
            if (skip.count > 1) log += " to " + Short(skip.last) + " (" + std::to_string(skip.count) + ")";
        }
        return decision;
    }
    // Sleeps from wake-up to wake-up, as the launcher does.
    void LiveUntil(std::string_view time) {
        TimePoint end = ParseTime(time);
        for (;;) {
            Decision decision = Tick();
            EXPECT_TRUE(decision.next_wake && *decision.next_wake > clock.Now());
            if (!decision.next_wake || *decision.next_wake > end) break;
            clock.Advance(*decision.next_wake - clock.Now());
        }
        JumpTo(time);
        Tick();
    }
    void JumpTo(std::string_view time) { clock.Advance(ParseTime(time) - clock.Now()); }    // also backwards
    std::string Log() { return std::exchange(log, ""); }

    FakeClock clock;
    Schedule schedule;
    std::optional<Pause> pause;

private:
    static std::string Short(TimePoint time) { return FormatTime(time).substr(8, 8); }    // "16T02:30"
    std::string log;
};

TEST(Due, RunsEachMomentOnceAtItsTime) {
    Scheduler s("0 */6 * * *", "2026-01-16T01:00:00Z");
    s.LiveUntil("2026-01-17T01:00:00Z");
    EXPECT_EQ(s.Log(), "run 16T06:00, run 16T12:00, run 16T18:00, run 17T00:00");
    s.Tick();
    s.Tick();
    EXPECT_EQ(s.Log(), "") << "deciding again changes nothing";
}

TEST(Due, WakesUpForTheNextMoment) {
    Scheduler s("30 2 * * *", "2026-01-16T01:00:00Z");
    EXPECT_EQ(s.Tick().next_wake, ParseTime("2026-01-16T02:30:00Z"));
    s.JumpTo("2026-01-16T02:30:00Z");
    EXPECT_EQ(s.Tick().next_wake, ParseTime("2026-01-17T02:30:00Z"));
    s.schedule.enabled = false;
    EXPECT_EQ(s.Tick().next_wake, std::nullopt);
}

TEST(Due, ALateWakeUpIsStillOnTime) {
    Scheduler s("30 2 * * *", "2026-01-16T01:00:00Z");
    s.JumpTo("2026-01-16T02:34:59Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "run 16T02:30");
}

TEST(Due, AServerThatWasDownOverNightCatchesUpOnce) {
    Scheduler s("30 2 * * *", "2026-01-16T01:00:00Z");
    s.JumpTo("2026-01-16T08:00:00Z");
    Decision decision = s.Tick();
    EXPECT_EQ(s.Log(), "catch up 16T02:30, missed 16T02:30");
    ASSERT_EQ(decision.skips.size(), 1u);
    EXPECT_EQ(decision.skips[0].message,
              "2026-01-16T02:30:00Z: missed, the server was down or busy, or its clock was set forward");
    s.LiveUntil("2026-01-17T08:00:00Z");
    EXPECT_EQ(s.Log(), "run 17T02:30");
}

TEST(Due, EachMissedMomentIsARowAndTheNewestIsRun) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.JumpTo("2026-01-16T05:10:00Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "catch up 16T05:00, missed 16T02:00, missed 16T03:00, missed 16T04:00, missed 16T05:00");
    s.JumpTo("2026-01-16T08:01:00Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "run 16T08:00, missed 16T06:00, missed 16T07:00")
        << "the newest is on time and catches up for all";
}

TEST(Due, ManyMissedMomentsShareARowWithACount) {
    Scheduler s("*/15 * * * *", "2026-01-01T00:05:00Z");
    s.JumpTo("2026-01-11T00:10:00Z");    // 960 moments
    Decision decision = s.Tick();
    ASSERT_EQ(decision.skips.size(), kMostSkipRows);
    EXPECT_EQ(decision.skips[0].count, 861u);
    EXPECT_EQ(FormatTime(decision.skips[0].first), "2026-01-01T00:15:00Z");
    EXPECT_EQ(FormatTime(decision.skips[0].last), "2026-01-09T23:15:00Z");
    EXPECT_EQ(FormatTime(decision.skips[1].first), "2026-01-09T23:30:00Z");
    EXPECT_EQ(FormatTime(decision.skips.back().first), "2026-01-11T00:00:00Z");
    EXPECT_EQ(decision.runs.size(), 1u);
}

TEST(Due, AServerThatWasDownForYearsDecidesAtOnce) {
    Scheduler s("* * * * *", "2016-01-01T00:00:30Z");
    s.JumpTo("2026-01-11T00:10:00Z");
    Decision decision = s.Tick();
    ASSERT_EQ(decision.runs.size(), 1u);
    EXPECT_EQ(FormatTime(decision.runs[0].due), "2026-01-11T00:10:00Z");
    EXPECT_FALSE(decision.runs[0].catch_up);
    EXPECT_TRUE(decision.skips[0].at_least);
    EXPECT_EQ(decision.skips[0].message.substr(0, 9), "at least ");
    EXPECT_EQ(s.Tick().skips.size(), 0u);
}

TEST(Due, AnOverlappingRunIsSkippedAndRecorded) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.LiveUntil("2026-01-16T02:30:00Z");
    s.schedule.running = true;
    s.LiveUntil("2026-01-16T04:30:00Z");
    s.schedule.running = false;
    s.LiveUntil("2026-01-16T05:30:00Z");
    EXPECT_EQ(s.Log(), "run 16T02:00, overlap 16T03:00, overlap 16T04:00, run 16T05:00");
}

TEST(Due, PausedMomentsAreRecordedAndNotCaughtUp) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.pause = Pause{s.clock.Now(), {}};
    s.LiveUntil("2026-01-16T03:30:00Z");
    EXPECT_EQ(s.Log(), "paused 16T02:00, paused 16T03:00");
    s.pause->until = s.clock.Now();
    s.LiveUntil("2026-01-16T04:30:00Z");
    EXPECT_EQ(s.Log(), "run 16T04:00");
}

TEST(Due, APauseBeginsWithItsFirstInstantAndEndsBeforeItsLast) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.pause = Pause{ParseTime("2026-01-16T02:00:00Z"), ParseTime("2026-01-16T03:00:00Z")};
    s.LiveUntil("2026-01-16T03:30:00Z");
    EXPECT_EQ(s.Log(), "paused 16T02:00, run 16T03:00");
}

TEST(Due, APauseAndAServerThatWasDownInIt) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.pause = Pause{s.clock.Now(), ParseTime("2026-01-16T04:30:00Z")};    // resumed before the scheduler looked again
    s.JumpTo("2026-01-16T04:31:00Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "paused 16T02:00, paused 16T03:00, paused 16T04:00") << "nothing is caught up";
    s.JumpTo("2026-01-16T06:30:00Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "catch up 16T06:00, missed 16T05:00, missed 16T06:00");
}

TEST(Due, AClockSetBackALittleRunsNothingTwice) {
    Scheduler s("*/15 * * * *", "2026-01-16T01:50:00Z");
    s.LiveUntil("2026-01-16T02:20:00Z");
    EXPECT_EQ(s.Log(), "run 16T02:00, run 16T02:15");
    s.JumpTo("2026-01-16T01:20:00Z");
    EXPECT_EQ(s.Tick().next_wake, ParseTime("2026-01-16T02:30:00Z"));
    s.LiveUntil("2026-01-16T02:35:00Z");
    EXPECT_EQ(s.Log(), "run 16T02:30");
}

TEST(Due, AClockThatWasFarAheadDoesNotStopTheScheduleForYears) {
    Scheduler s("30 2 * * *", "2026-01-16T01:00:00Z");
    s.JumpTo("2031-01-16T02:30:10Z");    // a dead battery
    s.Tick();
    s.Log();
    s.JumpTo("2026-01-16T01:10:00Z");
    Decision decision = s.Tick();
    EXPECT_EQ(s.Log(), "");
    ASSERT_EQ(decision.decided.size(), 1u);
    EXPECT_EQ(decision.decided[0].until, s.clock.Now());
    EXPECT_GT(decision.decided[0].set_back, std::chrono::days(1800));
    s.LiveUntil("2026-01-17T01:00:00Z");
    EXPECT_EQ(s.Log(), "run 16T02:30");
}

TEST(Due, AClockSetForwardRecordsWhatItJumpedOver) {
    Scheduler s("0 * * * *", "2026-01-16T01:30:00Z");
    s.JumpTo("2026-01-16T04:30:00Z");
    s.Tick();
    EXPECT_EQ(s.Log(), "catch up 16T04:00, missed 16T02:00, missed 16T03:00, missed 16T04:00");
}

TEST(Due, SummerTimeNeitherLosesNorDoublesTheNightlyRun) {
    Scheduler spring("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Vienna");
    spring.LiveUntil("2026-03-30T12:00:00Z");
    EXPECT_EQ(spring.Log(), "run 29T01:00, run 30T00:30");
    Scheduler autumn("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Vienna");
    autumn.LiveUntil("2026-10-26T12:00:00Z");
    EXPECT_EQ(autumn.Log(), "run 25T00:30, run 26T01:30");
}

TEST(Due, SeveralSchedulesAreDecidedTogether) {
    auto utc = std::make_shared<TimeZone>(TimeZone::Utc());
    TimePoint start = ParseTime("2026-01-16T01:00:00Z"), now = ParseTime("2026-01-16T02:00:00Z");
    std::vector<Schedule> schedules{{"weekly", ParseCron("@weekly"), utc, true, false, start},
                                    {"b", ParseCron("0 2 * * *"), utc, true, false, start},
                                    {"a", ParseCron("0 2 * * *"), utc, true, false, start},
                                    {"off", ParseCron("0 2 * * *"), utc, false, false, start},
                                    {"early", ParseCron("58 1 * * *"), utc, true, false, start}};
    Decision decision = Decide(schedules, {}, now);
    ASSERT_EQ(decision.runs.size(), 3u);
    EXPECT_EQ(decision.runs[0].schedule, "early");
    EXPECT_EQ(decision.runs[1].schedule, "a");
    EXPECT_EQ(decision.runs[2].schedule, "b");
    EXPECT_EQ(decision.next_wake, ParseTime("2026-01-17T01:58:00Z"));
    EXPECT_EQ(Decide({}, {}, now).next_wake, std::nullopt);
}

// Whatever happens, every moment up to now is decided about exactly once, and at most one run starts at a time.
TEST(Due, EveryMomentIsDecidedExactlyOnce) {
    SeededRandom random(6);
    for (const char *cron : {"*/15 * * * *", "7 */3 * * *", "30 2 * * *", "@every 50 min"}) {
        Scheduler s(cron, "2026-03-20T00:00:30Z", "Europe/Vienna");
        TimePoint start = s.clock.Now();
        std::uint64_t decided = 0;
        for (int i = 0; i < 2000; i++) {
            s.clock.Advance(std::chrono::seconds(random.Below(random.Below(10) ? 2000 : 60'000)));
            if (random.Below(50) == 0) s.clock.Advance(-std::chrono::seconds(random.Below(3000)));
            if (random.Below(20) == 0)
                s.pause = s.pause && !s.pause->until ? Pause{s.pause->since, s.clock.Now()} : Pause{s.clock.Now(), {}};
            s.schedule.running = random.Below(4) == 0;
            Decision decision = s.Tick();
            ASSERT_LE(decision.runs.size(), 1u);
            for (const SkippedRun &skip : decision.skips) decided += skip.count;
            for (const DueRun &run : decision.runs) {
                if (!run.catch_up) decided++;
                ASSERT_FALSE(s.schedule.running);
                ASSERT_TRUE(run.catch_up == (s.clock.Now() - run.due > kOnTime));
            }
        }
        std::uint64_t expected = 0;
        for (TimePoint at = NextRun(s.schedule.cron, *s.schedule.zone, start); at <= s.schedule.decided_until;
             at = NextRun(s.schedule.cron, *s.schedule.zone, at))
            expected++;
        EXPECT_EQ(decided, expected) << cron;
    }
}

}    // namespace
}    // namespace ark
