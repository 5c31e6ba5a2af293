#include "wal/in_flight.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace ark {
namespace {

using namespace std::chrono_literals;

void Finish(InFlight &flight) {
    while (!flight.Idle()) {
        flight.Await(1ms);
        flight.Settle();
    }
}

bool HasNews(const InFlight &flight) {
    pollfd wait{flight.news(), POLLIN, 0};
    return poll(&wait, 1, 0) == 1;
}

TEST(InFlight, IsTakenUpInTheOrderInWhichItWasBegun) {
    std::atomic<bool> open{false};
    std::atomic<int> done{0};
    std::string order;
    InFlight flight(4);
    for (char name : {'a', 'b', 'c'})
        flight.Begin({.work =
                          [&, name] {
                              while (name == 'a' && !open) std::this_thread::yield();
                              done++;
                          },
                      .then = [&, name] { order += name; }});
    while (done < 2) std::this_thread::yield();
    EXPECT_FALSE(flight.Settle());
    EXPECT_EQ(order, "");
    open = true;
    Finish(flight);
    EXPECT_EQ(order, "abc");
    EXPECT_FALSE(flight.Settle());
}

TEST(InFlight, TellsWhatIsOnItsWay) {
    std::atomic<bool> open{false};
    InFlight flight(2);
    EXPECT_TRUE(flight.Idle());
    EXPECT_FALSE(HasNews(flight));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(flight.HasRoom(), i < 2);
        flight.Begin({.work =
                          [&] {
                              while (!open) std::this_thread::yield();
                          },
                      .then = {},
                      .bytes = 10});
    }
    EXPECT_EQ(flight.bytes(), 30u);
    EXPECT_FALSE(flight.Idle());
    open = true;
    while (!HasNews(flight)) std::this_thread::yield();
    Finish(flight);
    EXPECT_EQ(flight.bytes(), 0u);
    EXPECT_TRUE(flight.HasRoom());
    EXPECT_FALSE(HasNews(flight));
}

TEST(InFlight, OneThatIsAloneHasNothingBesideIt) {
    std::atomic<int> running{0};
    std::atomic<bool> beside{false};
    std::string order;
    InFlight flight(3);
    for (char name : std::string("ab!cd!!e"))
        flight.Begin({.work =
                          [&, name] {
                              running++;
                              std::this_thread::sleep_for(2ms);
                              if (name == '!' && running != 1) beside = true;
                              running--;
                          },
                      .then = [&, name] { order += name; },
                      .alone = name == '!'});
    EXPECT_FALSE(flight.HasRoom());
    Finish(flight);
    EXPECT_FALSE(beside);
    EXPECT_EQ(order, "ab!cd!!e");
}

TEST(InFlight, BehindAFailureNothingBegins) {
    std::string order;
    std::atomic<bool> begun{false};
    InFlight flight(2);
    flight.Begin({.work = [] {}, .then = [&] { order += 'a'; }});
    flight.Begin(
        {.work = [] { throw std::runtime_error("the second"); }, .then = [&] { order += 'b'; }, .alone = true});
    flight.Begin({.work = [&] { begun = true; }, .then = [&] { order += 'c'; }});
    EXPECT_THROW(Finish(flight), std::runtime_error);
    EXPECT_THROW(flight.Settle(), std::runtime_error) << "it stays so";
    EXPECT_EQ(order, "a") << "what came before counts";
    EXPECT_FALSE(begun);
    EXPECT_FALSE(flight.HasRoom());
}

TEST(InFlight, WaitsForWhatIsUnderWayAndForgetsTheRest) {
    std::atomic<int> done{0};
    std::atomic<bool> begun{false};
    {
        InFlight flight(1);
        for (int i = 0; i < 5; i++)
            flight.Begin({.work =
                              [&] {
                                  begun = true;
                                  std::this_thread::sleep_for(5ms);
                                  done++;
                              },
                          .then = [&] { done += 100; }});
        while (!begun) std::this_thread::yield();
    }
    EXPECT_GE(done, 1);
    EXPECT_LT(done, 100);
}

}    // namespace
}    // namespace ark
