// A clock that stands still until somebody sleeps. Safe for concurrent use.
#pragma once

#include <mutex>
#include <vector>

#include "base/clock.h"

namespace ark::test {

class FakeClock : public Clock {
public:
    explicit FakeClock(TimePoint start = ParseTime("2026-01-16T08:00:00Z")) : now_(start) {}

    TimePoint Now() override {
        std::lock_guard lock(mutex_);
        return now_;
    }
    SteadyPoint Steady() override {
        std::lock_guard lock(mutex_);
        return steady_;
    }
    void Sleep(Duration time) override {
        std::lock_guard lock(mutex_);
        sleeps_.push_back(time);
        now_ += time;
        steady_ += time;
    }

    void Advance(Duration time) {    // time that passes without a sleep
        std::lock_guard lock(mutex_);
        now_ += time;
        steady_ += time;
    }
    std::vector<Duration> Sleeps() const {
        std::lock_guard lock(mutex_);
        return sleeps_;
    }

private:
    mutable std::mutex mutex_;
    TimePoint now_;
    SteadyPoint steady_{std::chrono::hours(1)};
    std::vector<Duration> sleeps_;
};

}    // namespace ark::test
