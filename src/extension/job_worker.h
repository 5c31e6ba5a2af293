// One dynamic background worker runs one job: it writes "running", spawns the engine, listens, and writes the outcome.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// In the launcher. nullptr: max_worker_processes are all in use.
BackgroundWorkerHandle *StartJobWorker(int slot, int64 job_id, const char *action, Oid database);

// Where backups go while ark.store is unset: a directory beside the data directory, and its URL.
char *DefaultStorePath();
char *DefaultStore();

}    // namespace ark::pg

extern "C" PGDLLEXPORT void ark_job_worker_main(Datum slot);
