// Whether commits shall wait for the store (ark.wal_sync): when it is given up, and when it has caught up. Pure: positions and the time
// in, what to do out. Plain memory, for server code that may hold no C++ objects.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ark {

class StoreWatch {
public:
    enum class Verdict { kNothing, kTakeOut, kPutIn };

    // Once a second. `named`: commits wait for the store; `flushed`: the server's own log; `stored`: what of it the store has, 0 while
    // nothing is shipped; `patience`: how long commits may wait, 0 for ever.
    Verdict Look(SteadyPoint now, bool named, std::uint64_t flushed, std::uint64_t stored, Duration patience);
    void Forget() { *this = StoreWatch(); }

    bool behind() const { return behind_; }    // at the last look: commits may have waited since then
    SteadyPoint since() const { return since_; }

private:
    void Begin(SteadyPoint now, std::uint64_t flushed);

    bool begun_ = false, named_ = false, behind_ = false;
    std::uint64_t target_ = 0;    // what the server had at `since_`
    SteadyPoint since_{};
};

}    // namespace ark
