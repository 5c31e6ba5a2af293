// Waiting for a job: its progress by NOTICE, and the difference between ending the wait and ending the job.
#include "extension/submit.h"

namespace ark::pg {
namespace {

constexpr int kNoticeEveryMs = 5'000;
constexpr int kCancelPatienceMs = 20'000;    // longer than the worker gives an engine that is committing

struct Seen {
    JobState state;
    char waiting_for[160];
    JobProgress progress;
    uint64 notes_written;
    Note notes[kNotes];
    Failure failure;
    bool changed;
    int64 restore_id;
};

bool Look(int64 job_id, Seen *seen) {
    LWLockAcquire(shared->lock, LW_SHARED);
    JobSlot *slot = FindSlot(job_id);
    if (slot) {
        seen->state = slot->state;
        std::memcpy(seen->waiting_for, slot->waiting_for, sizeof seen->waiting_for);
        seen->progress = slot->progress;
        seen->notes_written = slot->notes_written;
        std::memcpy(seen->notes, slot->notes, sizeof seen->notes);
        seen->failure = slot->failure;
        seen->changed = slot->changed;
        seen->restore_id = slot->restore_id;
    }
    LWLockRelease(shared->lock);
    return slot != nullptr;
}

void SetWaiter(int64 job_id, Latch *latch) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (JobSlot *slot = FindSlot(job_id)) slot->waiter_latch = latch;
    LWLockRelease(shared->lock);
}

void StopWaiting(int, Datum job_id) { SetWaiter(DatumGetInt64(job_id), nullptr); }

void TellNotes(const Seen &seen, uint64 *told) {
    uint64 oldest = seen.notes_written > kNotes ? seen.notes_written - kNotes : 0;
    if (*told < oldest) *told = oldest;
    for (; *told < seen.notes_written; ++*told) {
        const Note &note = seen.notes[*told % kNotes];
        ereport(note.level, (errmsg_internal("%s", note.text)));
    }
}

char *Megabytes(int64 bytes) { return psprintf("%.1f MB", static_cast<double>(bytes) / 1e6); }

void TellProgress(int64 job_id, const Seen &seen) {
    const JobProgress &progress = seen.progress;
    if (seen.state == JobState::kQueued || seen.state == JobState::kStarting)
        ereport(NOTICE, (errmsg("job %lld is queued%s%s", static_cast<long long>(job_id),
                                seen.waiting_for[0] ? ": waiting for " : "", seen.waiting_for)));
    else if (progress.total_bytes > 0)
        ereport(NOTICE,
                (errmsg("job %lld: %s, %d %% of %s, %s stored%s%s", static_cast<long long>(job_id), progress.phase,
                        static_cast<int>(100.0 * static_cast<double>(progress.done_bytes) /
                                         static_cast<double>(progress.total_bytes)),
                        Megabytes(progress.total_bytes), Megabytes(progress.stored_bytes),
                        progress.current[0] ? ", " : "", progress.current)));
    else if (progress.phase[0])
        ereport(NOTICE, (errmsg("job %lld: %s, %s%s%s", static_cast<long long>(job_id), progress.phase,
                                Megabytes(progress.done_bytes), progress.current[0] ? ", " : "", progress.current)));
}

[[noreturn]] void RaiseAfterCancel(int64 job_id, const Seen &seen) {
    auto id = static_cast<long long>(job_id);
    bool over = IsFinal(seen.state);
    bool committed = seen.changed || seen.state == JobState::kDone;
    ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement due to user request"),
                    !over && !committed ? errdetail("Job %lld was asked to end and has not answered yet.", id)
                    : !committed        ? errdetail("Job %lld was cancelled: nothing changed.", id)
                    : seen.restore_id
                        ? errdetail("Too late: restore %lld was committed.", static_cast<long long>(seen.restore_id))
                        : errdetail("Too late: job %lld had finished.", id),
                    !over && !committed ? errhint("SELECT * FROM ark.job_history WHERE job_id = %lld;", id)
                    : committed && seen.restore_id
                        ? errhint("SELECT * FROM ark.undo_restore(%lld);", static_cast<long long>(seen.restore_id))
                        : 0));
    pg_unreachable();
}

// A cancel that a person asked for, as opposed to a timeout: the job ends too.
void CancelAndRaise(int64 job_id) {
    QueryCancelPending = false;
    CancelJob(job_id, "the waiting statement was cancelled");
    Seen seen{};
    TimestampTz begun = GetCurrentTimestamp();
    while (Look(job_id, &seen) && !IsFinal(seen.state) && !seen.changed) {
        if (QueryCancelPending || TimestampDifferenceExceeds(begun, GetCurrentTimestamp(), kCancelPatienceMs)) break;
        CHECK_FOR_INTERRUPTS();    // pg_terminate_backend still works
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 500, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
    QueryCancelPending = false;
    RaiseAfterCancel(job_id, seen);
}

void CheckInterrupts(int64 job_id) {
    if (QueryCancelPending && !ProcDiePending && InterruptHoldoffCount == 0 && QueryCancelHoldoffCount == 0) {
        if (get_timeout_indicator(LOCK_TIMEOUT, false) || get_timeout_indicator(STATEMENT_TIMEOUT, false))
            ereport(NOTICE,
                    (errmsg("the statement ends here, job %lld goes on", static_cast<long long>(job_id)),
                     errhint("SELECT * FROM ark.progress; later SELECT * FROM ark.job_history WHERE job_id = %lld;",
                             static_cast<long long>(job_id))));
        else
            CancelAndRaise(job_id);
    }
    CHECK_FOR_INTERRUPTS();
}

void WaitUntilFinal(int64 job_id, Seen *seen) {
    uint64 told = 0;
    TimestampTz last_notice = GetCurrentTimestamp();
    for (;;) {
        if (!Look(job_id, seen)) elog(ERROR, "job %lld has no slot any more", static_cast<long long>(job_id));
        TellNotes(*seen, &told);
        if (IsFinal(seen->state)) return;
        TimestampTz now = GetCurrentTimestamp();
        if (TimestampDifferenceExceeds(last_notice, now, kNoticeEveryMs)) {
            TellProgress(job_id, *seen);
            last_notice = now;
        }
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CheckInterrupts(job_id);
    }
}

}    // namespace

void WaitForJob(int64 job_id) {
    auto *seen = static_cast<Seen *>(palloc0(sizeof(Seen)));
    SetWaiter(job_id, MyLatch);
    PG_ENSURE_ERROR_CLEANUP(StopWaiting, Int64GetDatum(job_id));
    WaitUntilFinal(job_id, seen);
    PG_END_ENSURE_ERROR_CLEANUP(StopWaiting, Int64GetDatum(job_id));
    StopWaiting(0, Int64GetDatum(job_id));
    if (seen->state == JobState::kDone) return;
    Failure failure = seen->failure;
    if (!failure.message[0]) {
        failure.sqlstate = ERRCODE_INTERNAL_ERROR;
        CopyText(failure.message, sizeof failure.message, "the job ended without saying why");
    }
    Raise(failure);
}

}    // namespace ark::pg
