#include "storage/limit.h"

#include <gtest/gtest.h>

#include <thread>

#include "storage/memory_storage.h"
#include "support/fake_clock.h"
#include "support/pattern_source.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

double Seconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

TEST(RateLimitTest, BothDirectionsPassAtTheRate) {
    FakeClock clock;
    auto limit = std::make_shared<RateLimit>(1'000'000, clock, NeverCancelled());
    StoragePtr storage = MakeLimitStorage(MakeMemoryStorage(clock), limit);
    TimePoint start = clock.Now();
    PatternSource source(10'000'000, 1);
    storage->Put("a", source, PutMode::kCreate);
    EXPECT_NEAR(Seconds(clock.Now() - start), 10, 0.3);
    start = clock.Now();
    ReadAll(*storage->Open("a", {}));
    EXPECT_NEAR(Seconds(clock.Now() - start), 10, 0.3);
}

TEST(RateLimitTest, AnIdleTimeIsCreditedForAQuarterOfASecondOnly) {
    FakeClock clock;
    RateLimit limit(1'000'000, clock, NeverCancelled());
    clock.Advance(1h);
    TimePoint start = clock.Now();
    limit.Take(250'000);
    EXPECT_EQ(clock.Now(), start);
    limit.Take(1'000'000);
    EXPECT_NEAR(Seconds(clock.Now() - start), 1, 0.01);
}

TEST(RateLimitTest, WaitsAreCancelled) {
    FakeClock clock;
    FlagTicker ticker;
    RateLimit limit(1'000, clock, ticker);
    ticker.Cancel();
    EXPECT_THROW(limit.Take(1'000'000), Error);
    for (Duration sleep : clock.Sleeps()) EXPECT_LE(sleep, 100ms);
}

TEST(RateLimitTest, ThreadsShareEqually) {
    FlagTicker ticker;
    RateLimit limit(20'000'000, SystemClock(), ticker);
    std::array<std::atomic<std::uint64_t>, 4> taken{};
    auto start = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < taken.size(); i++)
            threads.emplace_back([&, i] {
                std::uint64_t block = i == 0 ? 1'000'000 : 70'000;    // a greedy one gets no more
                try {
                    for (;;) {
                        limit.Take(block);
                        taken[i] += block;
                    }
                } catch (const Error &) {}
            });
        std::this_thread::sleep_for(1500ms);
        ticker.Cancel();
    }
    double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::uint64_t sum = 0;
    for (auto &t : taken) sum += t;
    EXPECT_LE(static_cast<double>(sum), 20'000'000 * (spent + 0.3));
    EXPECT_GE(static_cast<double>(sum), 20'000'000 * spent * 0.5);
    for (auto &t : taken) {
        EXPECT_GT(static_cast<double>(t), static_cast<double>(sum) / 4 * 0.5);
        EXPECT_LT(static_cast<double>(t), static_cast<double>(sum) / 4 * 1.7);
    }
}

}    // namespace
}    // namespace ark::test
