// Threads that do one piece of work after another, each over a connection of its own to the target database.
#pragma once

#include <functional>

#include "logical/restore_database.h"

namespace ark {

// Cancelled when the other is, or when stopped.
class StoppableTicker : public Ticker {
public:
    explicit StoppableTicker(Ticker &other) : other_(other) {}
    bool Cancelled() override { return stopped_.load(std::memory_order_relaxed) || other_.Cancelled(); }
    void Stop() { stopped_.store(true, std::memory_order_relaxed); }

private:
    Ticker &other_;
    std::atomic<bool> stopped_{false};
};

// Runs `work` in `count` threads at once; the first to throw stops the others, and that is thrown when all have ended.
void RunWorkers(const DatabaseRestoreRequest &request, int count, Ticker &ticker, Log &log,
                const std::function<void(Connection &, Ticker &)> &work);

}    // namespace ark
