// The end of a server that is shut down, for whoever it streams its WAL to: a server writes its last WAL when its workers are gone, and then
// waits for them. So long nothing may keep it waiting. A job that the server started is told of it, and outlives its worker; a program that
// was started by hand finds it out, and goes on after it. Thread-safe.
#pragma once

#include <atomic>

#include "base/cancel.h"
#include "base/clock.h"

namespace ark::cli {

class Farewell {
public:
    static constexpr auto kBudget = std::chrono::seconds(5);

    explicit Farewell(Clock &clock) : clock_(clock) {}

    // The job knows what to do then.
    void Allow() noexcept { state_.store(State::kAllowed); }
    // The server stops. False: this job does not go on then.
    bool Begin() noexcept;
    // The server has stopped, or was let go; it will start again.
    void End() noexcept;
    bool begun() const noexcept { return state_.load() == State::kBegun; }
    // Something under way takes longer than the budget, and longer than that since the server stops.
    bool IsOverdue() const noexcept;

    // While one lives something is under way. Of one at a time; `farewell` may be null.
    class Work {
    public:
        explicit Work(Farewell *farewell) noexcept;
        ~Work();
        Work(const Work &) = delete;

    private:
        Farewell *farewell_;
    };

private:
    enum class State { kRefused, kAllowed, kBegun };
    Clock &clock_;
    std::atomic<State> state_{State::kRefused};
    std::atomic<SteadyPoint> begun_at_{SteadyPoint()}, busy_since_{SteadyPoint::max()};    // max(): it is not
};

// Ends what is overdue, too.
class FarewellTicker : public FlagTicker {
public:
    explicit FarewellTicker(const Farewell &farewell) : farewell_(farewell) {}
    bool Cancelled() override { return FlagTicker::Cancelled() || farewell_.IsOverdue(); }

private:
    const Farewell &farewell_;
};

}    // namespace ark::cli
