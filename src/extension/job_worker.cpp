#include "extension/job_worker.h"

#include <signal.h>
#include <unistd.h>

#include "extension/background_worker.h"
#include "extension/catalog.h"
#include "extension/engine_defaults.h"
#include "extension/engine_events.h"
#include "extension/engine_process.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

constexpr int kCancelGraceMs = 600;       // then the engine is killed: whoever cancels waits less than a second
constexpr int kCommitGraceMs = 10'000;    // while it commits a restore, so that it can say how that ended
constexpr int kShutdownCommitGraceMs = 3'000;
constexpr int kEndGraceMs = 5'000;    // between the end of its output and its exit
constexpr int kMostWarnings = 100;

struct Job {
    JobSlot *slot;
    int64 job_id;
    const char *arguments;
    const char *expects;    // JSON: the repositories that the catalog knows
    EngineProcess engine;
    StringInfoData incoming;
    char *outgoing;
    std::size_t outgoing_left;
    bool end_of_output;
    TimestampTz kill_at;    // 0: nobody wants it dead
    bool killed;
    bool in_commit;
    bool greeted;
    const char *result;    // JSON
    const char *result_message;
    Failure failure;            // message set: it failed
    const char *transaction;    // of a restore that writes
    bool changed;               // it is committed
    const char *warnings[kMostWarnings];
    int warning_count;
    char cancel_reason[256];    // set: the end was asked for
    int64 bytes_read, bytes_stored;
};
Job job;

void WakeOthers() {    // the lock is held
    if (job.slot->waiter_latch) SetLatch(job.slot->waiter_latch);
    WakeLauncher();
}

// The last act of this process, however it comes about.
void LeaveSlot(int, Datum) {
    EndEngine(&job.engine);
    LWLockReleaseAll();    // an error may have come while the lock was held
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (job.slot->job_id == job.job_id) {
        if (!IsFinal(job.slot->state)) {
            Failure &failure = job.slot->failure;
            failure.sqlstate = ERRCODE_INTERNAL_ERROR;
            CopyText(failure.message, sizeof failure.message, "the job's worker process ended before the job");
            CopyText(failure.hint, sizeof failure.hint, "The server log says why. Run the job again.");
            job.slot->state = JobState::kFailed;
            job.slot->unreported = true;
        }
        job.slot->worker_latch = nullptr;
        job.slot->worker_pid = job.slot->engine_pid = 0;
        WakeOthers();
    }
    LWLockRelease(shared->lock);
}

void AttachSlot(int index) {
    std::memset(static_cast<void *>(&job), 0, sizeof job);
    job.slot = &shared->slots[index];
    std::memcpy(&job.job_id, MyBgworkerEntry->bgw_extra, sizeof job.job_id);
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    bool ours = job.slot->job_id == job.job_id && job.slot->state == JobState::kStarting;
    if (ours) {
        job.slot->state = JobState::kRunning;
        job.slot->worker_pid = MyProcPid;
        job.slot->worker_latch = MyLatch;
        job.slot->started_at = GetCurrentTimestamp();
        job.slot->waiting_for[0] = '\0';
    }
    LWLockRelease(shared->lock);
    if (!ours) proc_exit(1);    // it was given up meanwhile
    before_shmem_exit(LeaveSlot, 0);
}

char *IdText() { return psprintf("%lld", static_cast<long long>(job.job_id)); }

struct Begun {
    Row row;
    char *superuser;
};

void Begin(void *context) {
    auto *begun = static_cast<Begun *>(context);
    begun->row = RunQuery(query::kBeginJob, {IdText()});
    begun->superuser = GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false);
}

void StartEngine(const Begun &begun) {
    const JobRequest &request = job.slot->request;    // nobody changes it while the job runs
    EngineDefaults defaults{DefaultStore(), DefaultConninfo(begun.superuser), ServerBindir()};
    job.outgoing = FormatRequest(job.job_id, request.verb, job.arguments, request.caller, job.expects, defaults);
    job.outgoing_left = strlen(job.outgoing);
    SpawnEngine(&job.engine);
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    job.slot->engine_pid = job.engine.pid;
    LWLockRelease(shared->lock);
}

void WriteRequest() {
    while (job.outgoing_left > 0) {
        ssize_t written = write(job.engine.to_engine, job.outgoing, job.outgoing_left);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            if (errno != EAGAIN) job.outgoing_left = 0;    // it does not listen any more: its end will say why
            return;
        }
        job.outgoing += written;
        job.outgoing_left -= static_cast<std::size_t>(written);
    }
}

void Fail(int sqlstate, const char *message, const char *detail, const char *hint) {
    if (job.failure.message[0]) return;    // the first reason counts
    job.failure.sqlstate = sqlstate;
    CopyText(job.failure.message, sizeof job.failure.message, message);
    CopyText(job.failure.detail, sizeof job.failure.detail, detail);
    CopyText(job.failure.hint, sizeof job.failure.hint, hint);
}

void Kill() {
    SignalEngine(&job.engine, SIGKILL);
    job.killed = true;
    job.kill_at = 0;
}

void Greet(const Event &event) {
    job.greeted = true;
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    CopyText(job.slot->engine, sizeof job.slot->engine, event.text);
    LWLockRelease(shared->lock);
    if (event.protocol == 1) return;
    Fail(ERRCODE_FEATURE_NOT_SUPPORTED, psprintf("the engine speaks protocol %d, this server speaks 1", event.protocol),
         "",
         event.protocol > 1 ? "Restart the server: it runs an older library than is installed."
                            : "Upgrade the engine program: it is older than the server's library.");
    Kill();
}

bool IsRestore() { return strcmp(job.slot->request.verb, "restore-entities") == 0; }

// So that even after a crash of the server it is known whether the restore was committed, and how to undo it.
void NoteTransaction(void *safety_backup_id) {
    auto *safety = static_cast<const char *>(safety_backup_id);
    RunQuery(query::kNoteTransaction, {IdText(), job.transaction, safety[0] ? safety : nullptr});
}

void AskIfCommitted(void *committed) {
    Row row = RunQuery(query::kWasCommitted, {IdText()});
    *static_cast<bool *>(committed) = row.values && row.values[0] && row.values[0][0] == 't';
}

// What works for the owner of the path alone may be let now.
void NoteOwner() {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->tail.again = shared->copies.again = true;
    LWLockRelease(shared->lock);
    WakeLauncher();
}

void Handle(const Event &event) {
    if (!job.greeted && event.kind != EventKind::kHello && event.kind != EventKind::kBroken) return;
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    switch (event.kind) {
    case EventKind::kProgress:
        job.slot->progress = event.progress;
        job.slot->progress.updated_at = GetCurrentTimestamp();
        job.in_commit = strcmp(event.progress.phase, "commit") == 0 && IsRestore();
        job.bytes_read = event.progress.done_bytes;
        job.bytes_stored = event.progress.stored_bytes;
        break;
    case EventKind::kNotice: AddNote(*job.slot, NOTICE, event.text); break;
    case EventKind::kWarning:
        AddNote(*job.slot, WARNING, event.text);
        if (job.warning_count < kMostWarnings) job.warnings[job.warning_count++] = event.text;
        break;
    case EventKind::kCommitted:
        job.slot->changed = true;    // so whoever cancels learns at once that it is too late
        if (job.slot->waiter_latch) SetLatch(job.slot->waiter_latch);
        break;
    case EventKind::kStarted: CopyText(job.slot->backup_id, sizeof job.slot->backup_id, event.text); break;
    default: break;
    }
    LWLockRelease(shared->lock);
    switch (event.kind) {
    case EventKind::kHello: Greet(event); break;
    case EventKind::kCommitted: job.changed = true; break;
    case EventKind::kWriting:
        job.transaction = event.text;
        RunInTransaction(NoteTransaction, const_cast<char *>(event.safety_backup_id), nullptr);
        break;
    case EventKind::kResult:
        job.result = event.json;
        job.result_message = event.text;
        if (strcmp(job.slot->request.verb, "lease") == 0) NoteOwner();
        break;
    case EventKind::kError:
        job.changed |= event.changed;
        Fail(event.failure.sqlstate, event.failure.message, event.failure.detail, event.failure.hint);
        break;
    case EventKind::kBroken:
        Fail(event.failure.sqlstate, event.failure.message, "",
             "The library and the engine program may be of different versions: compare ark.status with pg_ark "
             "--version.");
        Kill();
        break;
    default: break;
    }
}

void ReadEvents() {
    for (;;) {
        char block[32 << 10];
        ssize_t n = read(job.engine.from_engine, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            job.end_of_output = true;
            return;
        }
        appendBinaryStringInfo(&job.incoming, block, static_cast<int>(n));
        int begin = 0;
        while (auto *end = static_cast<char *>(
                   memchr(job.incoming.data + begin, '\n', static_cast<std::size_t>(job.incoming.len - begin)))) {
            auto length = static_cast<int>(end - (job.incoming.data + begin));
            Handle(ParseEvent(job.incoming.data + begin, static_cast<std::size_t>(length)));
            begin += length + 1;
        }
        if (begin > 0) {
            std::memmove(job.incoming.data, job.incoming.data + begin,
                         static_cast<std::size_t>(job.incoming.len - begin));
            job.incoming.len -= begin;
        }
        CHECK_FOR_INTERRUPTS();
    }
}

// Says the end to the engine once, and sets the time after which it is killed.
void AskToEnd(const char *reason, bool shutdown) {
    if (job.cancel_reason[0]) return;
    if (job.changed && !shutdown) return;    // too late: what is left is to tidy up
    CopyText(job.cancel_reason, sizeof job.cancel_reason, reason);
    int grace = !job.in_commit && !job.changed ? kCancelGraceMs : shutdown ? kShutdownCommitGraceMs : kCommitGraceMs;
    job.kill_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), grace);
    if (job.outgoing_left > 0) return Kill();    // it never read its request
    job.outgoing = FormatCancel(reason);
    job.outgoing_left = strlen(job.outgoing);
    WriteRequest();
}

void LookForRequests() {
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
        if (!SettingBool("enabled")) AskToEnd("pg_ark was switched off (ark.enabled)", false);
    }
    if (ShutdownRequestPending) AskToEnd("the server or this worker was asked to stop", true);
    if (QueryCancelPending) {
        QueryCancelPending = false;
        AskToEnd("the worker was cancelled", false);
    }
    char reason[256] = "";
    LWLockAcquire(shared->lock, LW_SHARED);
    if (job.slot->cancel)
        CopyText(reason, sizeof reason, job.slot->cancel_reason[0] ? job.slot->cancel_reason : "it was cancelled");
    LWLockRelease(shared->lock);
    if (reason[0]) AskToEnd(reason, false);
    CHECK_FOR_INTERRUPTS();
}

long Patience() {
    long timeout = job.outgoing_left > 0 ? 50 : 10'000;
    if (job.kill_at) timeout = Min(timeout, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), job.kill_at) + 1);
    return timeout;
}

bool PastDeadline() { return job.kill_at && GetCurrentTimestamp() >= job.kill_at; }

void ListenToEngine() {
    WaitEventSet *events = MakeEngineEvents(job.engine);
    while (!job.end_of_output) {
        WriteRequest();
        LookForRequests();
        if (PastDeadline()) Kill();
        WaitEvent event;
        WaitEventSetWait(events, Patience(), &event, 1, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        ReadEvents();
    }
    FreeWaitEventSet(events);
    if (!job.kill_at) job.kill_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEndGraceMs);
    while (!ReapEngine(&job.engine)) {
        LookForRequests();
        if (PastDeadline()) Kill();
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
}

// An engine that was killed while it wrote, or that lost the server, cannot say how its transaction ended: the server can.
void LearnIfCommitted() {
    if (job.changed || !job.transaction) return;
    RunInTransaction(AskIfCommitted, &job.changed, nullptr);
}

JobState Judge() {
    if (job.result && !job.failure.message[0])
        return JobState::kDone;    // even if its end was asked for: it was too late
    job.result = nullptr;
    LearnIfCommitted();
    if (job.changed) {
        auto restore_id = static_cast<long long>(job.slot->restore_id);
        Fail(ERRCODE_INTERNAL_ERROR, "the engine ended before it could tell an outcome", job.cancel_reason, "");
        CopyText(job.failure.detail, sizeof job.failure.detail,
                 psprintf("Restore %lld was committed%s%s", restore_id, job.failure.detail[0] ? "; " : ".",
                          job.failure.detail));
        CopyText(job.failure.hint, sizeof job.failure.hint,
                 psprintf("To undo: SELECT * FROM ark.undo_restore(%lld);", restore_id));
        return JobState::kFailed;
    }
    if (job.cancel_reason[0]) {
        job.failure = {};
        Fail(ERRCODE_QUERY_CANCELED, psprintf("job %lld was cancelled", static_cast<long long>(job.job_id)),
             psprintf("%s; nothing changed", job.cancel_reason), "");
        return JobState::kCancelled;
    }
    char how[256];
    DescribeEnd(&job.engine, how, sizeof how);
    if (IsRestore()) strlcat(how, " Nothing changed.", sizeof how);
    Fail(ERRCODE_INTERNAL_ERROR, "the engine ended without telling an outcome", how,
         "The server log holds what it wrote to standard error.");
    return JobState::kFailed;
}

void Finish(void *outcome) { RunQuery(query::kFinishJob, {IdText(), static_cast<const char *>(outcome)}); }

void Conclude(JobState state) {
    Outcome outcome{state,          job.result,          state == JobState::kDone ? nullptr : &job.failure,
                    job.changed,    job.slot->backup_id, job.slot->engine,
                    job.bytes_read, job.bytes_stored,    job.warning_count,
                    job.warnings};
    char *text = FormatOutcome(outcome);
    Failure failure{};
    bool recorded = false;
    for (int attempt = 0; attempt < 3 && !recorded; attempt++) {
        if (attempt > 0) pg_usleep(300'000);
        recorded = RunInTransaction(Finish, text, &failure);
    }
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (recorded) {
        job.slot->state = state;
        job.slot->failure = job.failure;
    } else {
        job.slot->state = JobState::kFailed;
        job.slot->unreported = true;
        CopyText(failure.hint, sizeof failure.hint,
                 state == JobState::kDone
                     ? "The job itself was done. SELECT * FROM ark.rebuild_catalog(); reads the store."
                     : "");
        job.slot->failure = failure;
    }
    job.slot->changed = job.changed || state == JobState::kDone;
    CopyText(job.slot->message, sizeof job.slot->message, job.result_message ? job.result_message : "");
    WakeOthers();
    LWLockRelease(shared->lock);
}

// False: it could not be started or listened to, and job.failure says why.
bool RunEngine(const Begun &begun) {
    MemoryContext context = CurrentMemoryContext;
    volatile bool ended = true;
    PG_TRY();
    {
        StartEngine(begun);
        ListenToEngine();
    }
    PG_CATCH();
    {
        LWLockReleaseAll();
        MemoryContextSwitchTo(context);
        EmitErrorReport();
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        job.failure = {};
        Fail(error->sqlerrcode, error->message ? error->message : "", error->detail ? error->detail : "",
             error->hint ? error->hint : "");
        ended = false;
    }
    PG_END_TRY();
    return ended;
}

void RunJob() {
    Begun begun{};
    Failure failure{};
    if (!RunInTransaction(Begin, &begun, &failure)) {
        job.failure = failure;
        return Conclude(JobState::kFailed);
    }
    if (!begun.row.values) elog(ERROR, "job %lld has no row", static_cast<long long>(job.job_id));
    job.arguments = begun.row.values[0];
    job.expects = begun.row.values[2];
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    job.slot->restore_id = begun.row.values[1] ? strtoll(begun.row.values[1], nullptr, 10) : 0;
    LWLockRelease(shared->lock);
    pgstat_report_activity(STATE_RUNNING, psprintf("%s %s", job.slot->request.action, job.slot->request.database));

    pqsignal(SIGTERM, SignalHandlerForShutdownRequest);    // from here on a stop first ends the engine and is recorded
    bool ended = RunEngine(begun);
    EndEngine(&job.engine);
    pqsignal(SIGTERM, die);
    Conclude(ended ? Judge() : JobState::kFailed);
}

}    // namespace

BackgroundWorkerHandle *StartJobWorker(int slot, int64 job_id, const char *action, Oid database) {
    BackgroundWorker worker = DescribeWorker("ark_job_worker_main", "pg_ark job", BGWORKER_BACKEND_DATABASE_CONNECTION);
    pg_snprintf(worker.bgw_name, sizeof worker.bgw_name, "pg_ark job %lld: %s", static_cast<long long>(job_id), action);
    worker.bgw_main_arg = Int32GetDatum(slot);
    worker.bgw_notify_pid = MyProcPid;
    std::memcpy(worker.bgw_extra, &job_id, sizeof job_id);
    std::memcpy(worker.bgw_extra + sizeof job_id, &database, sizeof database);
    BackgroundWorkerHandle *handle = nullptr;
    return RegisterDynamicBackgroundWorker(&worker, &handle) ? handle : nullptr;
}

}    // namespace ark::pg

void ark_job_worker_main(Datum slot) {
    using namespace ark::pg;
    pqsignal(SIGTERM, die);
    FollowSettings();
    Oid database;
    std::memcpy(&database, MyBgworkerEntry->bgw_extra + sizeof(int64), sizeof database);
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    CommitLocally();
    AttachSlot(DatumGetInt32(slot));
    initStringInfo(&job.incoming);
    RunJob();
    proc_exit(0);
}
