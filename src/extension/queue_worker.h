// The worker that keeps WAL being copied to stores with ack=async (pg_ark wal-copy), while ark.store names one.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// In the launcher, once a turn. Returns in how many milliseconds to come again, or -1.
long KeepQueueWorker();

}    // namespace ark::pg

extern "C" PGDLLEXPORT void ark_queue_worker_main(Datum);
