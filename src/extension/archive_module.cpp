// archive_library = 'pg_ark': what the archiver process calls. It hands each file to the engine, and answers true only when the
// store has it. While it waits it serves what the server asks of every process (a DROP DATABASE elsewhere waits for that), gives
// the archiver back every wake-up that it took (the one to shut down would be slept through otherwise), and lets no error escape:
// on 15 that ends the archiver.
#include <sys/stat.h>

#include <algorithm>

#include "base/url.h"
#include "extension/archive_engine.h"
#include "extension/archive_limit.h"
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
bool AStoreIsOnDataDisk(const char *stores) noexcept {
    for (std::string_view left = stores; !left.empty();) {
        std::string one(left.substr(0, left.find(',')));
        left.remove_prefix(std::min(one.size() + 1, left.size()));
        try {
            one.erase(0, one.find_first_not_of(' '));
            one.erase(one.find_last_not_of(' ') + 1);
            Url url = ParseUrl(one);
            if (url.scheme == "file" && OnSameDisk(url.path, DataDir)) return true;
        } catch (const std::exception &) {
            continue;
        }
    }
    return false;
}

// nullptr: it is.
const char *WhyNotConfigured() {
    if (!shared) return "shared_preload_libraries does not name pg_ark: add it and restart the server.";
    if (!SettingBool("enabled")) return "pg_ark is switched off: ark.enabled = on archives again.";
    if (!SettingText("store")[0])
        return "ark.store is not set, and WAL is not archived beside the data directory: set ark.store to the URL of a "
               "store.";
    if (!SettingBool("allow_same_disk_wal") && AStoreIsOnDataDisk(SettingText("store")))
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

// When the last of a file was written; 0: it is not there.
TimestampTz WrittenAt(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return 0;
    return time_t_to_timestamptz(info.st_mtim.tv_sec) + info.st_mtim.tv_nsec / 1000;
}

bool IsSegment(const char *file) { return strlen(file) == 24 && strspn(file, "0123456789ABCDEF") == 24; }

void NoteArchived(const char *file, const char *path, bool was_ahead) {
    TimestampTz written_at = IsSegment(file) ? WrittenAt(path) : 0;
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    ArchiveState &state = shared->archive;
    CopyText(state.last_archived, sizeof state.last_archived, file);
    state.last_archived_at = GetCurrentTimestamp();
    state.archived_count++;
    if (IsSegment(file)) {
        CopyText(state.last_segment, sizeof state.last_segment, file);
        state.last_segment_at = written_at;
    }
    if (was_ahead) state.ahead_count++;
    state.failing_since = 0;
    state.failure = {};
    state.dropping_since = 0;
    LWLockRelease(shared->lock);
}

bool MayGiveUp(const Failure &failure) {
    if (!MayGiveUpAfter(failure)) return false;
    LWLockAcquire(shared->lock, LW_SHARED);
    TimestampTz since = shared->archive.failing_since;
    LWLockRelease(shared->lock);
    return since && TimestampDifferenceExceeds(since, GetCurrentTimestamp(), BacklogPatienceMs()) &&
           IsOverBacklogLimit();
}

void NoteGivenUp() {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (!shared->archive.dropping_since) shared->archive.dropping_since = GetCurrentTimestamp();
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
    if (!ConfigReloadPending && !MayGiveUp(TroubleAsFailure(trouble)) &&
        !TimestampDifferenceExceeds(since, GetCurrentTimestamp(), kTroublePatienceMs))
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
        TimestampTz in_trouble;
        ArchiveTrouble(&in_trouble);
        bool is_full = in_trouble && MayGiveUp(TroubleAsFailure(""));
        ArchiveNews news = WaitForArchiveEngine(is_full ? 0 : kLookMs, answer, &woken_now);
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
    volatile bool archived = false, given_up = false;
    woken = false;
    PG_TRY();
    {
        archived = ArchiveByEngine(file, path, answer);
        if (archived) NoteArchived(file, path, answer->was_ahead);
    }
    PG_CATCH();
    { TakeError(&answer->failure); }
    PG_END_TRY();
    if (!archived) {
        NoteFailure(file, answer->failure);
        Warn(file, answer->failure);
        PG_TRY();
        {
            if (MayGiveUp(answer->failure)) {
                GiveUpWal(file, answer->failure);
                NoteGivenUp();
                given_up = true;
            }
        }
        PG_CATCH();
        {
            TakeError(&answer->failure);
            Warn(file, answer->failure);
        }
        PG_END_TRY();
    }
    MemoryContextSwitchTo(before);
    MemoryContextReset(call_context);
    if (woken) SetLatch(MyLatch);
    return archived || given_up;
}

}    // namespace
}    // namespace ark::pg

ARK_ARCHIVE_MODULE(ark::pg::Configured, ark::pg::Archive)
