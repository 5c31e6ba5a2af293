// Threads that do one piece of work after another, each over a connection of its own to the target database.
#pragma once

#include <functional>

#include "logical/restore_database.h"

namespace ark {

// Runs `work` in `count` threads at once; the first to throw stops the others, and that is thrown when all have ended.
void RunWorkers(const DatabaseRestoreRequest &request, int count, Ticker &ticker, Log &log,
                const std::function<void(Connection &, Ticker &)> &work);

}    // namespace ark
