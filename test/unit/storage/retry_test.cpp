#include "storage/retry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "support/fake_clock.h"

namespace ark {
namespace {

using namespace std::chrono_literals;
using test::FakeClock;

Error Unavailable(std::string evidence) {
    return Error(Code::kUnavailable, "could not reach the store", std::move(evidence));
}

Duration Total(const FakeClock &clock) {
    auto sleeps = clock.Sleeps();
    return std::accumulate(sleeps.begin(), sleeps.end(), Duration{0});
}

class WaitLog : public Log {
public:
    void Note(std::string_view) override {}
    void Warn(std::string_view) override {}
    void Report(const Progress &) override {}
    void Wait(std::string_view why) override { told.emplace_back(why); }
    std::vector<std::string> told;
};

class RetryPolicyTest : public ::testing::Test {
protected:
    Error Fails(const std::function<void()> &attempt) {
        try {
            policy_.Run(attempt);
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return Error(Code::kInternal, "");
    }

    FakeClock clock_;
    SeededRandom random_{1};
    FlagTicker ticker_;
    RetryPolicy policy_{RetrySettings{}, clock_, random_, ticker_};
};

TEST_F(RetryPolicyTest, SuccessAtOnceNeverWaits) {
    int calls = 0;
    policy_.Run([&] { calls++; });
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(clock_.Sleeps().empty());
}

TEST_F(RetryPolicyTest, GoesOnUntilSuccess) {
    int calls = 0;
    policy_.Run([&] {
        if (++calls < 5) throw Unavailable("503");
    });
    EXPECT_EQ(calls, 5);
    EXPECT_LE(Total(clock_), 200ms + 400ms + 800ms + 1600ms);
}

TEST_F(RetryPolicyTest, OtherCodesAreNotTriedAgainAndStayAsTheyAre) {
    for (Code code : {Code::kNotFound, Code::kAlreadyExists, Code::kInvalidArgument, Code::kPermissionDenied,
                      Code::kCorrupt, Code::kCancelled, Code::kUnsupported, Code::kConflict, Code::kInternal}) {
        int calls = 0;
        Error error = Fails([&] {
            calls++;
            throw Error(code, "no", "because");
        });
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(error.code, code);
        EXPECT_EQ(error.detail, "because");
    }
    EXPECT_TRUE(clock_.Sleeps().empty());
}

TEST_F(RetryPolicyTest, GivesUpAtTheDeadlineWithFirstAndLastErrorAndCount) {
    int calls = 0;
    Error error = Fails([&] {
        calls++;
        throw Unavailable("attempt " + std::to_string(calls)).WithHint("look at the network").WithSqlstate("53100");
    });
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.message, "could not reach the store");
    EXPECT_EQ(error.hint, "look at the network");
    EXPECT_EQ(error.Sqlstate(), "53100");
    EXPECT_NE(error.detail.find("attempt " + std::to_string(calls) + "; "), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find(std::to_string(calls) + " attempts in 15 min"), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find("could not reach the store (attempt 1)"), std::string::npos) << error.detail;
    EXPECT_EQ(Total(clock_), 15min);    // the last attempt is made at the deadline
    EXPECT_GT(calls, 30);
}

TEST_F(RetryPolicyTest, TimeSpentInAttemptsCounts) {
    int calls = 0;
    Fails([&] {
        calls++;
        clock_.Advance(8min);
        throw Unavailable("slow");
    });
    EXPECT_EQ(calls, 2);
}

TEST_F(RetryPolicyTest, DelaysGrowToTheLongestWithFullJitter) {
    std::vector<SteadyPoint> times;
    Fails([&] {
        times.push_back(clock_.Steady());
        throw Unavailable("503");
    });
    Duration most = 200ms, longest{0};
    std::size_t below_half = 0;
    for (std::size_t i = 1; i < times.size(); i++) {
        auto delay = std::chrono::floor<Duration>(times[i] - times[i - 1]);
        EXPECT_LE(delay, most);
        if (delay < most / 2) below_half++;
        longest = std::max(longest, delay);
        most = std::min<Duration>(most * 2, 30s);
    }
    EXPECT_GT(below_half, times.size() / 5);    // full jitter: about half lie there
    EXPECT_GT(longest, 15s);
}

TEST_F(RetryPolicyTest, WaitsAsLongAsTheStoreAsked) {
    int calls = 0;
    SteadyPoint failed_at;
    policy_.Run([&] {
        if (++calls == 1) {
            failed_at = clock_.Steady();
            throw UnavailableUntil(Unavailable("429"), 7s);
        }
        EXPECT_GE(clock_.Steady() - failed_at, 7s);
        EXPECT_LE(clock_.Steady() - failed_at, 7s + 200ms);
    });
    EXPECT_EQ(calls, 2);
}

TEST_F(RetryPolicyTest, GivesUpAtOnceWhenTheStoreAsksForTooLong) {
    Error error = Fails([&] { throw UnavailableUntil(Unavailable("429"), 16min); });
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_TRUE(clock_.Sleeps().empty());
}

TEST_F(RetryPolicyTest, WaitsInSlicesOfATenthOfASecond) {
    int calls = 0;
    policy_.Run([&] {
        if (++calls == 1) throw UnavailableUntil(Unavailable("429"), 5s);
    });
    for (Duration sleep : clock_.Sleeps()) EXPECT_LE(sleep, 100ms);
}

TEST_F(RetryPolicyTest, CancellationEndsAWaitAndNamesWhatWasTried) {
    int calls = 0;
    Error error = Fails([&] {
        calls++;
        ticker_.Cancel();
        throw Unavailable("503 slow down");
    });
    EXPECT_EQ(error.code, Code::kCancelled);
    EXPECT_NE(error.detail.find("503 slow down"), std::string::npos) << error.detail;
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(clock_.Sleeps().empty());
}

class RetryPolicyLogTest : public RetryPolicyTest {
protected:
    WaitLog log_;
    RetryPolicy policy_{RetrySettings{}, clock_, random_, ticker_, log_};
};

TEST_F(RetryPolicyLogTest, AShortTroubleIsNotTold) {
    int calls = 0;
    policy_.Run([&] {
        if (++calls == 1) throw UnavailableUntil(Unavailable("503"), 2s);
    });
    EXPECT_TRUE(log_.told.empty());
}

TEST_F(RetryPolicyLogTest, ALongOneIsToldWithItsTimesAndItsEnd) {
    int calls = 0;
    policy_.Run([&] {
        calls++;
        EXPECT_EQ(log_.told.size(), static_cast<std::size_t>(calls - 1));    // in the first wait, then at each failure
        if (calls < 4) throw UnavailableUntil(Unavailable(std::to_string(calls)), 10s);
    });
    ASSERT_EQ(log_.told.size(), 4u);
    EXPECT_EQ(log_.told[0],
              "1 attempt since 2026-01-16T08:00:00Z, tried until 2026-01-16T08:15:00Z: could not reach the store (1)");
    EXPECT_EQ(log_.told[2],
              "3 attempts since 2026-01-16T08:00:00Z, tried until 2026-01-16T08:15:00Z: could not reach the store (3)");
    EXPECT_EQ(log_.told[3], "");
}

TEST_F(RetryPolicyLogTest, TheEndIsToldWhenTheLastOfSeveralCallsGoesOn) {
    int outer = 0, inner = 0;
    policy_.Run([&] {
        if (++outer == 1) throw UnavailableUntil(Unavailable("outer"), 5s);
        policy_.Run([&] {
            if (++inner == 1) throw UnavailableUntil(Unavailable("inner"), 5s);
        });
        EXPECT_NE(log_.told.back(), "");    // the outer one has not succeeded yet
    });
    EXPECT_EQ(log_.told.back(), "");
    EXPECT_EQ(std::ranges::count(log_.told, ""), 1);
}

TEST_F(RetryPolicyLogTest, GivingUpEndsTheWaitToo) {
    EXPECT_THROW(policy_.Run([] { throw Unavailable("503"); }), Error);
    ASSERT_FALSE(log_.told.empty());
    EXPECT_EQ(log_.told.back(), "");
}

TEST_F(RetryPolicyTest, CancelledBeforeTheFirstAttempt) {
    ticker_.Cancel();
    int calls = 0;
    EXPECT_EQ(Fails([&] { calls++; }).code, Code::kCancelled);
    EXPECT_EQ(calls, 0);
}

TEST_F(RetryPolicyTest, OtherExceptionsPassThrough) {
    EXPECT_THROW(policy_.Run([] { throw std::bad_alloc(); }), std::bad_alloc);
}

TEST(RetryPolicyOnTheRealClock, CancellationFromAnotherThreadEndsAWait) {
    FlagTicker ticker;
    RetryPolicy policy({.first_delay = 1h, .longest_delay = 1h, .deadline = 24h}, SystemClock(), SystemRandom(),
                       ticker);
    std::atomic<bool> failing{false};
    std::thread canceller([&] {
        while (!failing) std::this_thread::yield();
        ticker.Cancel();
    });
    try {
        policy.Run([&] {
            failing = true;
            throw UnavailableUntil(Unavailable("503"), 1h);
        });
        ADD_FAILURE() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kCancelled);
    }
    canceller.join();
}

}    // namespace
}    // namespace ark
