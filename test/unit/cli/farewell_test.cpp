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

}    // namespace
}    // namespace ark::cli
