// The lines of docs/engine-protocol.md: what the worker writes, and what it reads, as plain memory.
#pragma once

#include "extension/shared_state.h"

namespace ark::pg {

enum class EventKind {
    kHello,
    kProgress,
    kNotice,
    kWarning,
    kStarted,
    kWriting,
    kCommitted,
    kResult,
    kError,
    kArchived,
    kNotArchived,
    kLeaving,
    kShipped,
    kQueue,
    kUnknown,
    kBroken
};

struct Event {
    EventKind kind;
    int protocol;    // hello
    JobProgress progress;
    const char *
        text;    // hello: the engine's version; notice, warning; started: the backup id; result: its message; writing: the transaction
    const char *safety_backup_id;    // writing; "" if there is none
    const char *json;                // result: the object, ASCII, without zero characters
    Failure failure;                 // error, not archived; broken: what is wrong with the line
    bool changed;                    // error
    int64 id;                        // archived, not archived (with failure): of the request
    bool was_ahead;                  // archived
    ShippedState shipped;            // shipped
    QueueState queue;                // queue
};

// Palloc'd in the current memory context. Never raises anything but "out of memory".
Event ParseEvent(const char *line, std::size_t length);

// The first two lines down. `settings`: what the server adds to its own settings.
struct EngineDefaults {
    const char *store, *conninfo, *pg_bindir;    // for settings that are unset
};
char *FormatRequest(int64 job_id, const char *verb, const char *arguments, const char *caller, const char *expects,
                    const EngineDefaults &defaults);
// A later line of a job that archives.
char *FormatArchiveRequest(int64 id, const char *path);
char *FormatCancel(const char *reason);
// The server stops: the engine answers kLeaving and goes on without whoever started it.
const char *FormatFarewell();

// The argument of ark_private.finish_job.
struct Outcome {
    JobState state;
    const char *result;        // JSON, or nullptr
    const Failure *failure;    // or nullptr
    bool changed;
    const char *backup_id;    // as started, or ""
    const char *engine;       // version, or ""
    int64 bytes_read, bytes_stored;
    int warning_count;
    const char *const *warnings;
};
char *FormatOutcome(const Outcome &outcome);

}    // namespace ark::pg
