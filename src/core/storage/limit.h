// A limit on bytes a second over all threads that share it, reading and writing together.
#pragma once

#include <mutex>

#include "storage/storage.h"

namespace ark {

// Hands out time on one line: each piece of at most 16 KiB takes its slot in the order of asking, so that many threads
// get equal shares. An idle quarter of a second is credited, no more. Safe for concurrent use.
class RateLimit {
public:
    RateLimit(std::uint64_t bytes_per_second, Clock &clock, Ticker &ticker);    // > 0

    // Returns when `bytes` may have passed. Throws kCancelled within 100 ms of a cancellation.
    void Take(std::uint64_t bytes);

private:
    SteadyPoint Reserve(std::uint64_t bytes);

    std::uint64_t rate_;
    Clock &clock_;
    Ticker &ticker_;
    std::mutex mutex_;
    SteadyPoint next_{};    // when the line is free again
};

StoragePtr MakeLimitStorage(StoragePtr inner, std::shared_ptr<RateLimit> limit);

}    // namespace ark
