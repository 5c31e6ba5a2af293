#include "cli/farewell.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace ark::cli {
namespace {

using namespace std::chrono_literals;

TEST(Farewell, IsForJobsThatKnowIt) {
    test::FakeClock clock;
    Farewell farewell(clock);
    EXPECT_FALSE(farewell.Begin());
    EXPECT_FALSE(farewell.begun());
    farewell.Allow();
    EXPECT_FALSE(farewell.begun());
    EXPECT_TRUE(farewell.Begin());
    EXPECT_TRUE(farewell.begun());
}

TEST(Farewell, NothingUnderWayTakesLongerThanTheBudget) {
    test::FakeClock clock;
    Farewell farewell(clock);
    farewell.Allow();
    Farewell::Work(nullptr);
    {
        Farewell::Work before(&farewell);
        clock.Advance(1h);
        EXPECT_FALSE(farewell.IsOverdue()) << "the server runs";
        farewell.Begin();
        EXPECT_FALSE(farewell.IsOverdue());
        clock.Advance(Farewell::kBudget);
        EXPECT_FALSE(farewell.IsOverdue());
        clock.Advance(1ms);
        EXPECT_TRUE(farewell.IsOverdue());
    }
    clock.Advance(1h);
    EXPECT_FALSE(farewell.IsOverdue()) << "it may wait for the server's last checkpoint as long as that takes";
    Farewell::Work after(&farewell);
    EXPECT_FALSE(farewell.IsOverdue());
    clock.Advance(Farewell::kBudget + 1ms);
    EXPECT_TRUE(farewell.IsOverdue());
}

TEST(Farewell, EndsForOneWhoseServerComesBack) {
    test::FakeClock clock;
    Farewell farewell(clock);
    FarewellTicker ticker(farewell);
    farewell.End();
    EXPECT_FALSE(farewell.Begin()) << "it does not know what to do then";
    farewell.Allow();
    farewell.Begin();
    {
        Farewell::Work work(&farewell);
        EXPECT_FALSE(ticker.Cancelled());
        clock.Advance(Farewell::kBudget + 1ms);
        EXPECT_TRUE(ticker.Cancelled()) << "what is overdue is let go";
    }
    farewell.End();
    EXPECT_FALSE(farewell.begun());
    Farewell::Work work(&farewell);
    clock.Advance(1h);
    EXPECT_FALSE(ticker.Cancelled());
    EXPECT_TRUE(farewell.Begin()) << "and it may stop again";
    ticker.Cancel();
    EXPECT_TRUE(ticker.Cancelled());
}

}    // namespace
}    // namespace ark::cli
