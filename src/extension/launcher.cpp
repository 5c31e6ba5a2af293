// The launcher: a static background worker that records jobs, starts their workers one at a time where they exclude each
// other, ends what its worker left behind, and asks the tables which schedules are due.
//
// It must survive a database that does not exist (yet) without filling the log. A process can connect only once, so: it
// connects directly; if that failed, the postmaster starts it again and it connects to no database, waits until the name
// appears in pg_database, and ends itself to be started once more.
#include <signal.h>

#include "base/clock.h"
#include "extension/background_worker.h"
#include "extension/catalog.h"
#include "extension/job_worker.h"
#include "extension/queue_worker.h"
#include "extension/settings.h"
#include "extension/submit.h"
#include "extension/tail_worker.h"
#include "extension/wal_sync.h"

extern "C" PGDLLEXPORT void ark_launcher_main(Datum);

namespace ark::pg {
namespace {

constexpr int kIdsAtOnce = 16;
constexpr long kLookEveryMs = 15'000;    // at the schedules, which sessions change without telling
constexpr long kWithoutExtensionMs = 5'000;
constexpr int kStartPatienceMs = 60'000;

BackgroundWorkerHandle *handles[kSlots];
MemoryContext turn_context;
Oid extension = InvalidOid;
TimestampTz looked_at;    // into the store, or since when this process is there

void CheckForStop() {
    if (ShutdownRequestPending) {
        LeaveWalSync();
        proc_exit(1);    // non-zero: otherwise it would never be started again
    }
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
    CHECK_FOR_INTERRUPTS();
}

// True: somebody has called.
bool Wait(long milliseconds) {
    int news = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CheckForStop();
    return (news & WL_LATCH_SET) != 0;
}

// Until somebody calls, and looks meanwhile whether commits shall wait for the store.
void WaitWatching(long milliseconds) {
    TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
    for (;;) {
        long look = KeepWalSync(true);
        TimestampTz now = GetCurrentTimestamp();
        long left = now < end ? TimestampDifferenceMilliseconds(now, end) : 0;
        if (Wait(look >= 0 ? Min(look, left) : left) || GetCurrentTimestamp() >= end) return;
    }
}

void Leave(int, Datum) {
    shared->launcher_pid = 0;
    shared->launcher_latch = nullptr;
    shared->ready = false;
}

void LookForDatabase(void *found) {
    *static_cast<bool *>(found) = OidIsValid(get_database_oid(SettingText("database"), true));
}

void WaitForDatabase() {
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    bool found = false;
    ereport(LOG, (errmsg("pg_ark waits for database \"%s\" (ark.database)", SettingText("database"))));
    for (;;) {
        if (!RunInTransaction(LookForDatabase, &found, nullptr)) proc_exit(1);
        if (found) break;
        KeepWalSync(false);
        Wait(kWithoutExtensionMs);
    }
    shared->connect_directly = true;
    proc_exit(1);
}

char *IdText(int64 job_id) { return psprintf("%lld", static_cast<long long>(job_id)); }

// Says what is lost, and notes which extension it was: another one has other tables.
void Prepare(void *) {
    extension = FindExtension();
    if (!OidIsValid(extension)) return;
    StringInfoData alive;
    initStringInfo(&alive);
    appendStringInfoChar(&alive, '{');
    LWLockAcquire(shared->lock, LW_SHARED);
    for (const JobSlot &slot : shared->slots)
        if (slot.state != JobState::kFree && (!IsFinal(slot.state) || slot.unreported))
            appendStringInfo(&alive, "%s%lld", alive.len > 1 ? "," : "", static_cast<long long>(slot.job_id));
    LWLockRelease(shared->lock);
    appendStringInfoChar(&alive, '}');
    RunQuery(query::kInterruptJobs, {alive.data});
}

void LookForExtension(void *same) {
    *static_cast<bool *>(same) = OidIsValid(extension) && FindExtension() == extension;
}

void ForgetIds() {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->ready = false;
    shared->next_job_id = shared->end_job_id = 0;
    LWLockRelease(shared->lock);
}

void ReserveIds(void *) {
    Row row = RunQuery(query::kReserveJobIds, {psprintf("%d", kIdsAtOnce)});
    int64 first = strtoll(row.values[0], nullptr, 10);
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->next_job_id = first;
    shared->end_job_id = first + kIdsAtOnce;
    LWLockRelease(shared->lock);
}

bool IdsRunOut() {
    LWLockAcquire(shared->lock, LW_SHARED);
    bool out = shared->next_job_id >= shared->end_job_id;
    LWLockRelease(shared->lock);
    return out;
}

void Queue(void *context) {
    auto *slot = static_cast<JobSlot *>(context);
    const JobRequest &request = slot->request;
    auto or_null = [](const char *text) { return text[0] ? text : nullptr; };
    RunQuery(query::kQueueJob,
             {IdText(slot->job_id), request.action, request.verb, request.source, or_null(request.database),
              or_null(request.kind), or_null(request.schedule), request.caller, request.arguments});
}

// Only the launcher moves a slot out of kQueued, so it may read one without the lock.
void RecordQueued(JobSlot &slot) {
    Failure failure{};
    bool given_up = slot.cancel;
    bool recorded = !given_up && RunInTransaction(Queue, &slot, &failure);
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (given_up) {
        slot.state = JobState::kFree;
    } else if (recorded) {
        slot.recorded = true;
    } else {
        slot.state = JobState::kFailed;
        slot.failure = failure;
    }
    if (slot.waiter_latch) SetLatch(slot.waiter_latch);
    LWLockRelease(shared->lock);
}

struct Ending {
    int64 job_id;
    JobState state;
    const Failure *failure;
};

const char *StateSql(JobState state) { return state == JobState::kCancelled ? "cancelled" : "failed"; }

void RecordEnding(void *context) {
    auto *ending = static_cast<Ending *>(context);
    StringInfoData json;
    initStringInfo(&json);
    appendStringInfo(&json, "{\"state\":\"%s\",\"sqlstate\":\"%s\",\"message\":", StateSql(ending->state),
                     unpack_sql_state(ending->failure->sqlstate));
    escape_json(&json, ending->failure->message);
    appendStringInfoString(&json, ",\"detail\":");
    escape_json(&json, ending->failure->detail);
    appendStringInfoString(&json, ",\"hint\":");
    escape_json(&json, ending->failure->hint);
    appendStringInfoChar(&json, '}');
    RunQuery(query::kFinishJob, {IdText(ending->job_id), json.data});
}

// Writes an outcome that no worker will write.
void Conclude(JobSlot &slot, JobState state) {
    Ending ending{slot.job_id, state, &slot.failure};
    if (!RunInTransaction(RecordEnding, &ending, nullptr)) return;    // tried again at the next turn
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    slot.state = state;
    slot.unreported = false;
    if (slot.waiter_latch) SetLatch(slot.waiter_latch);
    LWLockRelease(shared->lock);
}

void CancelQueued(JobSlot &slot) {
    slot.failure = {};
    slot.failure.sqlstate = ERRCODE_QUERY_CANCELED;
    CopyText(slot.failure.message, sizeof slot.failure.message,
             psprintf("job %lld was cancelled", static_cast<long long>(slot.job_id)));
    CopyText(slot.failure.detail, sizeof slot.failure.detail,
             psprintf("%s; it had not begun, nothing changed", slot.cancel_reason));
    Conclude(slot, JobState::kCancelled);
}

void Reap(int index) {
    JobSlot &slot = shared->slots[index];
    pid_t pid;
    bool stopped = handles[index]
                       ? GetBackgroundWorkerPid(handles[index], &pid) == BGWH_STOPPED
                       : slot.state == JobState::kStarting &&
                             TimestampDifferenceExceeds(slot.started_at, GetCurrentTimestamp(), kStartPatienceMs);
    if (stopped && handles[index]) {
        pfree(handles[index]);
        handles[index] = nullptr;
    }
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (stopped && (slot.state == JobState::kStarting || slot.state == JobState::kRunning)) {
        slot.failure = {};
        slot.failure.sqlstate = ERRCODE_INTERNAL_ERROR;
        CopyText(slot.failure.message, sizeof slot.failure.message, "the job's worker process could not be started");
        CopyText(slot.failure.hint, sizeof slot.failure.hint, "The server log says why. Run the job again.");
        slot.state = JobState::kFailed;
        slot.unreported = true;
    }
    bool unreported = IsFinal(slot.state) && slot.unreported;
    LWLockRelease(shared->lock);
    if (unreported) Conclude(slot, slot.state);
}

bool MayStart(const JobSlot &candidate, char *waiting_for, std::size_t size) {
    int heavy = 0;
    for (const JobSlot &slot : shared->slots) {
        if (slot.state != JobState::kStarting && slot.state != JobState::kRunning) continue;
        if (!slot.request.light) heavy++;
        if (candidate.request.exclusive[0] && strcmp(candidate.request.exclusive, slot.request.exclusive) == 0) {
            pg_snprintf(waiting_for, size, "job %lld, which is the same %s", static_cast<long long>(slot.job_id),
                        slot.request.action);
            return false;
        }
    }
    if (candidate.request.light || heavy < SettingInt("max_concurrent_jobs")) return true;
    pg_snprintf(waiting_for, size, "one of %d running jobs to end (ark.max_concurrent_jobs)", heavy);
    return false;
}

JobSlot *OldestQueued(int64 after) {
    JobSlot *oldest = nullptr;
    for (JobSlot &slot : shared->slots)
        if (slot.state == JobState::kQueued && slot.recorded && slot.job_id > after &&
            (!oldest || slot.job_id < oldest->job_id))
            oldest = &slot;
    return oldest;
}

void StartQueued() {
    if (!SettingBool("enabled")) return;
    int64 after = 0;
    while (JobSlot *slot = OldestQueued(after)) {
        after = slot->job_id;
        auto index = static_cast<int>(slot - shared->slots);
        char waiting_for[sizeof slot->waiting_for] = "";
        if (MayStart(*slot, waiting_for, sizeof waiting_for)) {
            LWLockAcquire(shared->lock, LW_EXCLUSIVE);
            slot->state = JobState::kStarting;
            slot->started_at = GetCurrentTimestamp();
            LWLockRelease(shared->lock);
            MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
            handles[index] = StartJobWorker(index, slot->job_id, slot->request.action, MyDatabaseId);
            MemoryContextSwitchTo(before);
            if (handles[index]) continue;
            CopyText(waiting_for, sizeof waiting_for, "a free background worker (max_worker_processes)");
        }
        LWLockAcquire(shared->lock, LW_EXCLUSIVE);
        slot->state = JobState::kQueued;
        CopyText(slot->waiting_for, sizeof slot->waiting_for, waiting_for);
        LWLockRelease(shared->lock);
    }
}

struct Due {
    JobRequest *request;
    int64 job_id;
    Due *next;
};
struct ScheduleTurn {
    Due *due;
    long next_wake_ms;
};

void KeepDue(void *context, const Row &row) {
    auto *turn = static_cast<ScheduleTurn *>(context);
    auto *due = static_cast<Due *>(palloc0(sizeof(Due)));
    due->request = static_cast<JobRequest *>(palloc0(sizeof(JobRequest)));
    due->job_id = strtoll(row.values[0], nullptr, 10);
    ReadJobRequest(row, 1, due->request);
    due->next = turn->due;
    turn->due = due;
}

void AskSchedules(void *context) {
    auto *turn = static_cast<ScheduleTurn *>(context);
    RunQueryRows(query::kScheduleTurn, {}, KeepDue, turn);
    Row row = RunQuery(query::kNextWake, {});
    turn->next_wake_ms = row.values && row.values[0] ? strtol(row.values[0], nullptr, 10) : kLookEveryMs;
}

void AskOwedBackups(void *context) { RunQueryRows(query::kOwedBackupTurn, {}, KeepDue, context); }

void AskLook(void *context) { RunQueryRows(query::kLookTurn, {}, KeepDue, context); }

// In a transaction of its own: schedules run whatever becomes of it. What it has is put before what is due already.
void AskToo(void (*ask)(void *), ScheduleTurn &turn) {
    ScheduleTurn too{nullptr, 0};
    if (!RunInTransaction(ask, &too, nullptr) || !too.due) return;
    too.due->next = turn.due;    // there is one at most
    turn.due = too.due;
}

// Milliseconds until the store is to be looked into for what others did there; -1: never.
long UntilLook() {
    const char *text = SettingText("catalog_refresh_interval");
    if (strtod(text, nullptr) <= 0) return -1;
    Duration every = CallCore([&] { return ParseDuration(text, "ark.catalog_refresh_interval"); });
    auto interval = static_cast<long>(every / std::chrono::milliseconds(1));
    TimestampTz now = GetCurrentTimestamp(), at = TimestampTzPlusMilliseconds(looked_at, interval);
    return now >= at || now < looked_at ? 0 : TimestampDifferenceMilliseconds(now, at) + 1;
}

long RunSchedules() {
    ScheduleTurn turn{nullptr, kLookEveryMs};
    if (!SettingBool("enabled") || !RunInTransaction(AskSchedules, &turn, nullptr)) return kLookEveryMs;
    AskToo(AskOwedBackups, turn);
    if (UntilLook() == 0) {
        AskToo(AskLook, turn);
        looked_at = GetCurrentTimestamp();
    }
    if (long look = UntilLook(); look >= 0) turn.next_wake_ms = Min(turn.next_wake_ms, look);
    for (Due *due = turn.due; due; due = due->next) {
        if (SubmitRecordedJob(due->job_id, *due->request)) continue;
        Failure failure{};
        failure.sqlstate = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
        CopyText(failure.message, sizeof failure.message, "all job slots are taken");
        Ending ending{due->job_id, JobState::kFailed, &failure};
        RunInTransaction(RecordEnding, &ending, nullptr);
    }
    return Max(Min(turn.next_wake_ms, kLookEveryMs), 10L);
}

void SealAudit(void *) { RunQuery(query::kSealAudit, {}); }

void LookAtSlots() {
    for (int i = 0; i < kSlots; i++) {
        JobSlot &slot = shared->slots[i];
        if (slot.state == JobState::kFree) continue;
        if (slot.state == JobState::kQueued && !slot.recorded)
            RecordQueued(slot);
        else if (slot.state == JobState::kQueued && slot.cancel)
            CancelQueued(slot);
        else
            Reap(i);
    }
}

bool SomethingWaits() {
    for (const JobSlot &slot : shared->slots)
        if (slot.state == JobState::kQueued || slot.unreported) return true;
    return false;
}

// One turn; returns how long to wait for the next.
long Turn() {
    bool same = false;
    if (shared->ready && (!RunInTransaction(LookForExtension, &same, nullptr) || !same))
        ForgetIds();    // it was dropped, and maybe made anew
    if (!shared->ready && (!RunInTransaction(Prepare, nullptr, nullptr) || !OidIsValid(extension)))
        return kWithoutExtensionMs;
    if (IdsRunOut() && !RunInTransaction(ReserveIds, nullptr, nullptr)) return kWithoutExtensionMs;
    shared->ready = true;
    LookAtSlots();
    long next = RunSchedules();
    StartQueued();
    RunInTransaction(SealAudit, nullptr, nullptr);
    return SomethingWaits() ? Min(next, 1000L) : next;
}

}    // namespace
}    // namespace ark::pg

void ark_launcher_main(Datum) {
    using namespace ark::pg;
    pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
    FollowSettings();
    if (!shared->connect_directly) WaitForDatabase();
    shared->connect_directly = false;
    BackgroundWorkerInitializeConnection(SettingText("database"), nullptr, 0);
    shared->connect_directly = true;

    before_shmem_exit(Leave, 0);
    shared->launcher_pid = MyProcPid;
    shared->launcher_latch = MyLatch;
    shared->database = MyDatabaseId;
    SetConfigOption("lock_timeout", "10s", PGC_USERSET, PGC_S_OVERRIDE);
    CommitLocally();
    looked_at = GetCurrentTimestamp();
    turn_context = AllocSetContextCreate(TopMemoryContext, "pg_ark turn", ALLOCSET_DEFAULT_SIZES);
    for (;;) {
        MemoryContextSwitchTo(turn_context);
        MemoryContextReset(turn_context);
        pgstat_report_activity(STATE_RUNNING, "looking for work");
        long timeout = Turn();
        for (long again : {KeepTailWorker(), KeepQueueWorker()})
            if (again >= 0) timeout = Min(timeout, again);
        pgstat_report_activity(STATE_IDLE, nullptr);
        WaitWatching(timeout);
    }
}
