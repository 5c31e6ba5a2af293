#include "extension/submit.h"

#include "extension/settings.h"

namespace ark::pg {
namespace {

constexpr int kLauncherPatienceMs = 30'000;

[[noreturn]] void LauncherIsSilent() {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the launcher of pg_ark does not answer"),
                    errdetail("It restarts by itself every 5 seconds; the server log says why it ends."),
                    errhint("Check that max_worker_processes leaves room for it, and that ark.database is the database "
                            "of the extension.")));
    pg_unreachable();
}

void WaitALittle() {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 200, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

// The lock must be held. A slot that nobody uses, or the oldest outcome that nobody waits for.
JobSlot *SlotToUse() {
    JobSlot *oldest = nullptr;
    for (JobSlot &slot : shared->slots) {
        if (slot.state == JobState::kFree) return &slot;
        if (IsFinal(slot.state) && !slot.waiter_latch && !slot.unreported && (!oldest || slot.job_id < oldest->job_id))
            oldest = &slot;
    }
    return oldest;
}

// The lock must be held.
void Fill(JobSlot &slot, int64 job_id, const JobRequest &request, bool recorded) {
    std::memset(static_cast<void *>(&slot), 0, sizeof slot);
    slot.request = request;
    slot.job_id = job_id;
    slot.queued_at = GetCurrentTimestamp();
    slot.recorded = recorded;
    slot.state = JobState::kQueued;
}

// A job that its submitter gives up before anything of it was written.
void ForgetUnrecorded(int, Datum job_id) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    JobSlot *slot = FindSlot(DatumGetInt64(job_id));
    if (slot) {
        slot->waiter_latch = nullptr;
        if (slot->state == JobState::kQueued && !slot->recorded) slot->cancel = true;
    }
    LWLockRelease(shared->lock);
}

int64 Enqueue(const JobRequest &request) {
    for (int waited = 0;; waited++) {
        int64 job_id = 0;
        LWLockAcquire(shared->lock, LW_EXCLUSIVE);
        bool has_id = shared->ready && shared->next_job_id < shared->end_job_id;
        JobSlot *slot = has_id ? SlotToUse() : nullptr;
        if (slot) {
            job_id = shared->next_job_id++;
            Fill(*slot, job_id, request, false);
            slot->waiter_latch = MyLatch;
        }
        WakeLauncher();
        LWLockRelease(shared->lock);
        if (job_id) return job_id;
        if (has_id)
            ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                            errmsg("%d jobs are queued or running already", kSlots),
                            errhint("See ark.progress; ark.cancel_job(job_id) ends one.")));
        if (waited * 200 > kLauncherPatienceMs) LauncherIsSilent();
        WaitALittle();
    }
}

}    // namespace

void ReadJobRequest(const Row &row, int first, JobRequest *request) {
    auto text = [&](int column, char *to, std::size_t size) {
        const char *value = row.values[first + column] ? row.values[first + column] : "";
        if (strlen(value) >= size)
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                            errmsg("the arguments of a job are limited to %zu bytes", size - 1),
                            errhint("Name fewer entities, or make one entity of them with ark.set_entity().")));
        strlcpy(to, value, size);
    };
    text(0, request->action, sizeof request->action);
    text(1, request->verb, sizeof request->verb);
    text(2, request->source, sizeof request->source);
    text(3, request->database, sizeof request->database);
    text(4, request->kind, sizeof request->kind);
    text(5, request->exclusive, sizeof request->exclusive);
    text(6, request->schedule, sizeof request->schedule);
    request->light = row.values[first + 7] && row.values[first + 7][0] == 't';
    text(8, request->caller, sizeof request->caller);
    text(9, request->arguments, sizeof request->arguments);
}

void RequireRunningLauncher() {
    RequireSharedState();
    if (RecoveryInProgress())
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("jobs cannot be started on a standby"),
                 errdetail("Their history could not be written here."),
                 errhint("Call it on the primary, or run the program pg_ark by hand: it works without SQL.")));
    if (!SettingBool("enabled"))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("pg_ark is switched off"),
                        errhint("Set ark.enabled = on and reload the configuration.")));
    if (strcmp(get_database_name(MyDatabaseId), SettingText("database")) != 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("jobs are started in database \"%s\", not in \"%s\"", SettingText("database"),
                               get_database_name(MyDatabaseId)),
                        errdetail("The launcher is connected to the database that ark.database names."),
                        errhint("Connect to it, or set ark.database and restart the server.")));
}

int64 SubmitJob(const JobRequest &request, bool waits) {
    int64 job_id = Enqueue(request);
    bool recorded = false;
    Failure failure{};
    PG_ENSURE_ERROR_CLEANUP(ForgetUnrecorded, Int64GetDatum(job_id));
    {
        for (int waited = 0; !recorded && !failure.message[0]; waited++) {
            LWLockAcquire(shared->lock, LW_SHARED);
            JobSlot *slot = FindSlot(job_id);
            if (slot && slot->state == JobState::kFailed && !slot->recorded) failure = slot->failure;
            recorded = slot && slot->recorded;
            LWLockRelease(shared->lock);
            if (recorded || failure.message[0]) break;
            if (!slot || waited * 200 > kLauncherPatienceMs) LauncherIsSilent();
            WaitALittle();
        }
    }
    PG_END_ENSURE_ERROR_CLEANUP(ForgetUnrecorded, Int64GetDatum(job_id));
    if (!waits || failure.message[0]) ForgetUnrecorded(0, Int64GetDatum(job_id));
    if (failure.message[0]) Raise(failure);
    return job_id;
}

bool SubmitRecordedJob(int64 job_id, const JobRequest &request) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    JobSlot *slot = SlotToUse();
    if (slot) Fill(*slot, job_id, request, true);
    LWLockRelease(shared->lock);
    return slot != nullptr;
}

bool CancelJob(int64 job_id, const char *reason) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    JobSlot *slot = FindSlot(job_id);
    bool found = slot && !IsFinal(slot->state);
    if (found) {
        slot->cancel = true;
        CopyText(slot->cancel_reason, sizeof slot->cancel_reason, reason);
        if (slot->worker_latch) SetLatch(slot->worker_latch);
        WakeLauncher();
    }
    LWLockRelease(shared->lock);
    return found;
}

}    // namespace ark::pg
