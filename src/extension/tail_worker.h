// One dynamic background worker keeps the engine that ships WAL (pg_ark wal-ship) running, while the settings ask for one.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// Which of the settings keeps WAL from being shipped, or nullptr.
const char *WhyNoShipping();

// In the launcher, once a turn: starts the worker, or ends it. Returns in how many milliseconds to come again, or -1.
long KeepTailWorker();

}    // namespace ark::pg

extern "C" PGDLLEXPORT void ark_tail_worker_main(Datum);
