// archive_library = 'pg_ark': what the archiver process calls. It hands each file to the engine, and answers true only when the
// store has it. While it waits it serves what the server asks of every process (a DROP DATABASE elsewhere waits for that), gives
// the archiver back every wake-up that it took (the one to shut down would be slept through otherwise), and lets no error escape:
// on 15 that ends the archiver.
#include "base/url.h"
#include "extension/archive_engine.h"
#include "extension/same_disk.h"
#include "extension/settings.h"
#include "extension/shared_state.h"

namespace ark::pg {
namespace {

constexpr long kLookMs = 1'000;
constexpr int kShutdownBudgetMs = 10'000;
// So long one call waits while the store is out of reach. Then the server learns that archiving fails; the engine tries on.
constexpr int kTroublePatienceMs = 60'000;
constexpr int kSameWarningMs = 50'000;

MemoryContext call_context;
TimestampTz stopping_since;    // 0: the server does not shut down
bool woken;

// ---- is it configured

// Core code. A URL that cannot be read is not the question here.
bool FirstStoreIsOnDataDisk(const char *stores) noexcept {
    try {
        std::string first(stores, strcspn(stores, ","));
        first.erase(0, first.find_first_not_of(' '));
        first.erase(first.find_last_not_of(' ') + 1);
        Url url = ParseUrl(first);
        return url.scheme == "file" && OnSameDisk(url.path, DataDir);
    } catch (const std::exception &) {
        return false;
    }
}

// nullptr: it is.
const char *WhyNotConfigured() {
    if (!shared) return "shared_preload_libraries does not name pg_ark: add it and restart the server.";
    if (!SettingBool("enabled")) return "pg_ark is switched off: ark.enabled = on archives again.";
    if (!SettingText("store")[0])
        return "ark.store is not set, and WAL is not archived beside the data directory: set ark.store to the URL of a "
               "store.";
    if (!SettingBool("allow_same_disk_wal") && FirstStoreIsOnDataDisk(SettingText("store")))
        return "ark.store is on the disk of the data directory, which the archive would fill: use another store, or "
               "set "
               "ark.allow_same_disk_wal = on.";
    return nullptr;
}

bool Configured() {
    const char *why = WhyNotConfigured();
    if (shared) {
        LWLockAcquire(shared->lock, LW_EXCLUSIVE);
        shared->archive.archiver_pid = MyProcPid;
        CopyText(shared->archive.why_not, sizeof shared->archive.why_not, why ? why : "");
        LWLockRelease(shared->lock);
    }
    static const char *told = nullptr;
    if (why && !TellWhyNotConfigured(why) && why != told)
        ereport(WARNING, (errmsg("pg_ark archives no WAL"), errdetail_internal("%s", why)));
    told = why;
    return !why;
}

// ---- what others may know

void NoteArchived(const char *file, bool was_ahead) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    ArchiveState &state = shared->archive;
    CopyText(state.last_archived, sizeof state.last_archived, file);
    state.last_archived_at = GetCurrentTimestamp();
    state.archived_count++;
    if (was_ahead) state.ahead_count++;
    state.failing_since = 0;
    state.failure = {};
    LWLockRelease(shared->lock);
}

void NoteFailure(const char *file, const Failure &failure) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    ArchiveState &state = shared->archive;
    CopyText(state.failed, sizeof state.failed, file);
    state.last_failed_at = GetCurrentTimestamp();
    if (!state.failing_since) state.failing_since = state.last_failed_at;
    state.failure = failure;
    LWLockRelease(shared->lock);
}

// Once, although the server asks three times in as many seconds.
void Warn(const char *file, const Failure &failure) {
    static char told[sizeof failure.message];
    static TimestampTz told_at = 0;
    TimestampTz now = GetCurrentTimestamp();
    if (strcmp(told, failure.message) == 0 && !TimestampDifferenceExceeds(told_at, now, kSameWarningMs)) return;
    strlcpy(told, failure.message, sizeof told);
    told_at = now;
    ereport(WARNING, (errcode(failure.sqlstate), errmsg("could not archive WAL file \"%s\": %s", file, failure.message),
                      failure.detail[0] ? errdetail_internal("%s", failure.detail) : 0,
                      failure.hint[0] ? errhint("%s", failure.hint) : 0));
}

// ---- the end of the server

bool IsShutDown() {
    bool whole = false;
    ControlFileData *control = get_controlfile(DataDir, &whole);
    bool down = whole && (control->state == DB_SHUTDOWNED || control->state == DB_SHUTDOWNED_IN_RECOVERY);
    pfree(control);
    return down;
}

// At its end the server has the archiver archive all that waits, however long that takes, and pg_ctl gives up after a minute. The
// archiver does not say that the end has come; pg_control does, since its last checkpoint is written before.
void LookForEnd(bool now) {
    static TimestampTz looked_at = 0;
    TimestampTz time = GetCurrentTimestamp();
    if (stopping_since || (!now && !TimestampDifferenceExceeds(looked_at, time, kLookMs))) return;
    looked_at = time;
    if (ShutdownRequestPending || IsShutDown()) stopping_since = time;
}

void LeaveIfOverBudget(const char *file) {
    if (!stopping_since || !TimestampDifferenceExceeds(stopping_since, GetCurrentTimestamp(), kShutdownBudgetMs))
        return;
    ereport(LOG, (errmsg("WAL file \"%s\" and those behind it are archived after the next start", file),
                  errdetail("The server shuts down, and archiving what waits takes longer than %d seconds.",
                            kShutdownBudgetMs / 1000)));
    proc_exit(0);
}

// ---- one file

Failure TroubleAsFailure(const char *trouble) {
    Failure failure{};
    failure.sqlstate = ERRCODE_IO_ERROR;
    CopyText(failure.message, sizeof failure.message, "the store is out of reach");
    CopyText(failure.detail, sizeof failure.detail, trouble);
    CopyText(failure.hint, sizeof failure.hint,
             "The server keeps its WAL, and archives it when the store is back. SELECT * FROM ark.check_store(); tries "
             "the store.");
    return failure;
}

// Whether the call should end for now, although the engine still tries.
bool GiveUpForNow(const char *file, ArchiveAnswer *answer) {
    static TimestampTz noted = 0;
    TimestampTz since;
    const char *trouble = ArchiveTrouble(&since);
    if (!since) return false;
    if (noted != since) {
        NoteFailure(file, TroubleAsFailure(trouble));
        noted = since;
    }
    // A reload may be the cure, and the archiver heeds it between two calls.
    if (!ConfigReloadPending && !TimestampDifferenceExceeds(since, GetCurrentTimestamp(), kTroublePatienceMs))
        return false;
    answer->failure = TroubleAsFailure(trouble);
    return true;
}

bool ArchiveByEngine(const char *file, const char *path, ArchiveAnswer *answer) {
    LookForEnd(false);
    LeaveIfOverBudget(file);
    EnsureArchiveEngine();
    bool again = false;
    for (;;) {
        AskArchiveEngine(file, path);
        bool woken_now = false;
        ArchiveNews news = WaitForArchiveEngine(kLookMs, answer, &woken_now);
        woken = woken || woken_now;
        CHECK_FOR_INTERRUPTS();
        LookForEnd(woken_now);
        switch (news) {
        case ArchiveNews::kArchived: return true;
        case ArchiveNews::kNotArchived: return false;
        case ArchiveNews::kEnded:
            if (again || answer->failure.sqlstate != ERRCODE_INTERNAL_ERROR) return false;
            again = true;
            ereport(LOG, (errmsg("%s, and is started again", answer->failure.message),
                          errdetail_internal("%s", answer->failure.detail)));
            EnsureArchiveEngine();
            break;
        case ArchiveNews::kNothing:
            LeaveIfOverBudget(file);
            if (GiveUpForNow(file, answer)) return false;
            break;
        }
    }
}

void TakeError(Failure *failure) {
    HOLD_INTERRUPTS();
    MemoryContextSwitchTo(call_context);
    ErrorData *error = CopyErrorData();
    FlushErrorState();
    LWLockReleaseAll();
    pgstat_report_wait_end();
    EndArchiveEngine();
    *failure = {};
    failure->sqlstate = error->sqlerrcode;
    CopyText(failure->message, sizeof failure->message, error->message ? error->message : "");
    CopyText(failure->detail, sizeof failure->detail, error->detail ? error->detail : "");
    CopyText(failure->hint, sizeof failure->hint, error->hint ? error->hint : "");
    RESUME_INTERRUPTS();
}

bool Archive(const char *file, const char *path) {
    if (!call_context)
        call_context = AllocSetContextCreate(TopMemoryContext, "pg_ark archive call", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(call_context);
    auto *answer = static_cast<ArchiveAnswer *>(palloc0(sizeof(ArchiveAnswer)));
    volatile bool archived = false;
    woken = false;
    PG_TRY();
    {
        archived = ArchiveByEngine(file, path, answer);
        if (archived) NoteArchived(file, answer->was_ahead);
    }
    PG_CATCH();
    { TakeError(&answer->failure); }
    PG_END_TRY();
    if (!archived) {
        NoteFailure(file, answer->failure);
        Warn(file, answer->failure);
    }
    MemoryContextSwitchTo(before);
    MemoryContextReset(call_context);
    if (woken) SetLatch(MyLatch);
    return archived;
}

}    // namespace
}    // namespace ark::pg

ARK_ARCHIVE_MODULE(ark::pg::Configured, ark::pg::Archive)
