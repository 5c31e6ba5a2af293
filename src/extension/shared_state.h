// What the processes share: the job slots, and a range of job ids handed out by the launcher. One lock guards it all; it is
// held for copies only, never while something waits.
//
// A slot's life: kFree -> kQueued (submitter) -> kStarting (launcher) -> kRunning (worker) -> kDone | kFailed | kCancelled
// (worker; launcher for one that never ran) -> kFree (the next submitter that needs it, once nobody waits for it).
#pragma once

#include "extension/boundary.h"

namespace ark::pg {

constexpr int kSlots = 64;
constexpr int kNotes = 16;
constexpr std::size_t kMaxArguments = 32 << 10;

enum class JobState : int { kFree, kQueued, kStarting, kRunning, kDone, kFailed, kCancelled };
const char *JobStateName(JobState state);    // as in ark.job_history
inline bool IsFinal(JobState state) { return state >= JobState::kDone; }

struct JobProgress {
    char phase[32];
    char current[192];
    int64 done_bytes, total_bytes, stored_bytes, done_items, total_items;
    TimestampTz updated_at;
};

// Something worth saying to whoever waits.
struct Note {
    int level;    // NOTICE or WARNING
    char text[512];
};

// What a job is, as the SQL functions prepare it (ark_private.job_request).
struct JobRequest {
    char action[NAMEDATALEN];
    char verb[32];
    char source[NAMEDATALEN];
    char database[NAMEDATALEN];    // empty: none
    char kind[32];
    char exclusive[3 * NAMEDATALEN];    // jobs with the same text run one after the other; empty: any time
    char schedule[NAMEDATALEN];         // empty: by hand
    bool light;                         // does not count against ark.max_concurrent_jobs
    char caller[2048];                  // JSON
    char arguments[kMaxArguments];      // JSON
};

struct JobSlot {
    JobState state;
    bool recorded;      // its row is committed
    bool cancel;        // somebody asked to end it
    bool unreported;    // final, but the outcome is not in the catalog: the launcher will write it
    char cancel_reason[256];
    char waiting_for[160];
    int64 job_id;
    int64 restore_id;
    char backup_id[64];
    char engine[32];    // version that the engine told
    pid_t worker_pid;
    pid_t engine_pid;
    Latch *worker_latch;
    Latch *waiter_latch;    // points into shared memory for ever; a latch set too often does no harm
    TimestampTz queued_at, started_at;
    JobProgress progress;
    uint64 notes_written;
    Note notes[kNotes];    // note n is at n % kNotes
    Failure failure;       // of kFailed and kCancelled
    bool changed;          // something was committed all the same
    char message[1024];    // of kDone
    JobRequest request;
};

// What the archiver says of itself, since it cannot write tables. Times are 0 where there is none.
struct ArchiveState {
    pid_t archiver_pid, engine_pid;
    char engine[32];
    char why_not[512];    // empty: it is configured
    char last_archived[NAMEDATALEN];
    TimestampTz last_archived_at;
    int64 archived_count;    // since the server started; of these:
    int64 ahead_count;       // stored before they were asked for
    TimestampTz failing_since;
    TimestampTz last_failed_at;
    char failed[NAMEDATALEN];
    Failure failure;                   // of the last attempt; none of it while failing_since is 0
    char last_segment[NAMEDATALEN];    // the last whole one
    TimestampTz last_segment_at;       // when the last of it was written: what was committed until then is archived
    TimestampTz dropping_since;        // ark.archive_backlog_limit lets WAL go that is not archived
};

// How far the WAL of the unfinished segment was shipped, as its engine told last.
struct ShippedState {
    char shipped_until[32];    // a position, or empty
    TimestampTz shipped_at;    // all that was committed until then lies before it; 0: that is not known
};

// A store with ack=async: what its engine told last of the WAL that is copied there.
constexpr int kMostQueues = 8;
struct QueueState {
    char store[NAMEDATALEN];    // empty: none
    char last_copied[NAMEDATALEN];
    TimestampTz copied_until_at;    // when its last segment came into the first store
    int64 waiting_files, waiting_bytes;
    TimestampTz waiting_since;    // when the first of them came there; 0: none waits, or it is not known
    TimestampTz looked_at;        // into both stores
    TimestampTz failing_since;
    char error[1024], hint[512];
};

// Of a process that keeps an engine at its work. Its own to write.
struct KeptState {
    pid_t worker_pid;                         // 0: none
    char failure[sizeof Failure::message];    // why the work is not done, as it was told last
    char trouble[512];                        // what it waits for
    bool again;                               // what it was refused for may be no more
};

// Whether commits wait for the store (ark.wal_sync), as the launcher sees it. kStuck: they do, and should not.
enum class WalSyncPhase : int { kOff, kCatchingUp, kWaiting, kTimedOut, kRefused, kStuck };
struct WalSyncState {
    WalSyncPhase phase;
    TimestampTz since;
    char why[1024], remedy[512];    // of all but kOff and kWaiting
};

struct SharedState {
    LWLock *lock;
    pid_t launcher_pid;
    Latch *launcher_latch;
    Oid database;             // that the launcher is connected to
    bool connect_directly;    // launcher.cpp
    bool ready;               // the extension is there and its interrupted jobs are recorded
    int64 next_job_id, end_job_id;
    KeptState tail, copies;    // of the process that ships WAL, and of the one that copies it to other stores
    WalSyncState wal_sync;
    ArchiveState archive;
    ShippedState shipped;
    QueueState queues[kMostQueues];
    JobSlot slots[kSlots];
};

// nullptr where the library was not preloaded.
extern SharedState *shared;

void InstallSharedStateHooks();    // from _PG_init, while libraries are preloaded

// Raises the error that tells how to preload the library.
void RequireSharedState();
// The slot of a job, or nullptr. The lock must be held.
JobSlot *FindSlot(int64 job_id);
// Holds the lock or not: a hint only.
void WakeLauncher();
// The lock must be held exclusively.
void AddNote(JobSlot &slot, int level, std::string_view text);

}    // namespace ark::pg
