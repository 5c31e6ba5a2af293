// How a long piece of work learns that it shall end, and tells how far it is.
// Called between blocks and parts, from any thread; cheap enough to call often.
#pragma once

#include <atomic>

#include "base/error.h"

namespace ark {

class Ticker {
public:
    virtual ~Ticker() = default;
    virtual bool Cancelled() = 0;
    // From now on it is too late: Cancelled() stays false. Before a COMMIT, whose outcome must be learnt and told.
    virtual void Close() {}
    void Check() {    // throws Error(kCancelled)
        if (Cancelled()) throw Error(Code::kCancelled, "cancelled on request");
    }
};

class FlagTicker : public Ticker {
public:
    bool Cancelled() override { return state_.load(std::memory_order_relaxed) == State::kCancelled; }
    void Cancel() noexcept { Leave(State::kCancelled); }    // from a signal handler too
    void Close() noexcept override { Leave(State::kClosed); }

private:
    enum class State { kOpen, kCancelled, kClosed };
    void Leave(State to) noexcept {
        State open = State::kOpen;
        state_.compare_exchange_strong(open, to);
    }
    std::atomic<State> state_{State::kOpen};
};

// Another's, which can also be stopped by itself. Thread-safe.
class StoppableTicker : public Ticker {
public:
    explicit StoppableTicker(Ticker &outer) : outer_(outer) {}
    bool Cancelled() override { return stopped_.load(std::memory_order_relaxed) || outer_.Cancelled(); }
    void Stop() { stopped_.store(true, std::memory_order_relaxed); }

private:
    Ticker &outer_;
    std::atomic<bool> stopped_{false};
};

Ticker &NeverCancelled();

}    // namespace ark
