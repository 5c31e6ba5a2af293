// A dynamic background worker that keeps an engine running which has no end of its own, while the settings ask for it. Server code: no
// C++ objects.
#pragma once

#include "extension/engine_events.h"

namespace ark::pg {

struct KeptEngine {
    const char *name;        // of the process: "pg_ark wal-copy"
    const char *function;    // the worker's main function
    const char *verb;
    const char *trouble;    // what is told when it ends with an error: "pg_ark copies no WAL"
    KeptState SharedState::*state;
    bool outlives_server;    // it stays for what a server writes that stops
    bool (*is_wanted)();
    void (*begin)();                  // before an engine is started; what it clears in shared memory
    void (*handle)(const Event &);    // what it tells, but for progress, notices, warnings and errors
};

// The launcher's part.
struct KeptWorker {
    BackgroundWorkerHandle *handle;
    TimestampTz started_at, start_after, reloaded_at;
};
// Once a turn: starts the worker, or ends it. Returns in how many milliseconds to come again, or -1.
long KeepEngine(const KeptEngine &kept, KeptWorker *worker);

// The whole of the worker; does not return.
[[noreturn]] void RunKeptEngine(const KeptEngine &kept);

}    // namespace ark::pg
