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
    void Check() {    // throws Error(kCancelled)
        if (Cancelled()) throw Error(Code::kCancelled, "cancelled on request");
    }
};

class FlagTicker : public Ticker {
public:
    bool Cancelled() override { return flag_.load(std::memory_order_relaxed); }
    void Cancel() { flag_.store(true, std::memory_order_relaxed); }

private:
    std::atomic<bool> flag_{false};
};

Ticker &NeverCancelled();

}    // namespace ark
