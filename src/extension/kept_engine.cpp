#include "extension/kept_engine.h"

#include <fcntl.h>
#include <unistd.h>

#include "extension/background_worker.h"
#include "extension/catalog.h"
#include "extension/engine_defaults.h"
#include "extension/engine_process.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

constexpr int kEndGraceMs = 600;            // the server waits for its workers when it stops
constexpr int kLeaveGraceMs = 2'000;        // mostly an answer comes at once
constexpr long kAgainMs = 2'000;            // after an engine that ended
constexpr long kAgainRefusedMs = 60'000;    // after one that may not, or cannot, do its work

EngineProcess engine;
const KeptEngine *kept_engine;
bool leaving = false;    // the engine goes on without us

KeptState &State() { return shared->*kept_engine->state; }

void NameSuperuser(void *name) {
    strlcpy(static_cast<char *>(name), GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), NAMEDATALEN);
}

void Start(const KeptEngine &kept, KeptWorker *kept_worker) {
    BackgroundWorker worker = DescribeWorker(kept.function, kept.name);
    worker.bgw_notify_pid = MyProcPid;
    static_assert(sizeof worker.bgw_extra >= NAMEDATALEN);
    if (!RunInTransaction(NameSuperuser, worker.bgw_extra, nullptr)) return;
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    if (!RegisterDynamicBackgroundWorker(&worker, &kept_worker->handle)) kept_worker->handle = nullptr;
    kept_worker->started_at = GetCurrentTimestamp();
    MemoryContextSwitchTo(before);
}

// A worker that a launcher before this one has started goes on.
bool IsAtWork(const KeptState &state) {
    LWLockAcquire(shared->lock, LW_SHARED);
    pid_t pid = state.worker_pid;
    LWLockRelease(shared->lock);
    return pid != 0;
}

bool TakeAgain(const KeptEngine &kept) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    bool again = (shared->*kept.state).again;
    (shared->*kept.state).again = false;
    LWLockRelease(shared->lock);
    return again;
}

char *MakeRequest() {
    EngineDefaults defaults{SettingText("store"), DefaultConninfo(MyBgworkerEntry->bgw_extra), ServerBindir()};
    return FormatRequest(0, kept_engine->verb, "{}", "{}", "[]", defaults);
}

// Small, and the pipe is empty: it fits.
void Write(const char *text) { [[maybe_unused]] ssize_t written = write(engine.to_engine, text, strlen(text)); }

void SetWorker(pid_t pid) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    State().worker_pid = pid;
    State().trouble[0] = '\0';
    LWLockRelease(shared->lock);
}

void LeaveEngine(int, Datum) {
    EndEngine(&engine);
    SetWorker(0);
    WakeLauncher();
}

void Tell(const Failure &failure) {
    bool again = strcmp(State().failure, failure.message) == 0;
    ereport(
        again ? DEBUG1 : WARNING,
        (errcode(failure.sqlstate), errmsg("%s: %s", kept_engine->trouble, failure.message),
         failure.detail[0] ? errdetail("%s", failure.detail) : 0, failure.hint[0] ? errhint("%s", failure.hint) : 0));
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    CopyText(State().failure, sizeof State().failure, failure.message);
    LWLockRelease(shared->lock);
}

void NoteWork(const Event &event) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    State().failure[0] = '\0';
    if (event.kind == EventKind::kProgress)
        CopyText(State().trouble, sizeof State().trouble,
                 strcmp(event.progress.phase, "waiting for the store") == 0 ? event.progress.current : "");
    LWLockRelease(shared->lock);
    if (event.kind != EventKind::kProgress) kept_engine->handle(event);
}

void Handle(const Event &event) {
    switch (event.kind) {
    case EventKind::kNotice: ereport(LOG, (errmsg("%s: %s", kept_engine->name, event.text))); break;
    case EventKind::kWarning: ereport(WARNING, (errmsg("%s: %s", kept_engine->name, event.text))); break;
    case EventKind::kError:
    case EventKind::kBroken: Tell(event.failure); break;
    case EventKind::kHello: break;
    case EventKind::kLeaving: leaving = true; break;
    default: NoteWork(event);
    }
}

// False: nothing more comes.
bool ReadEvents(StringInfo incoming) {
    for (;;) {
        char block[8 << 10];
        ssize_t n = read(engine.from_engine, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return false;
        appendBinaryStringInfo(incoming, block, static_cast<int>(n));
        while (auto *end = static_cast<char *>(memchr(incoming->data, '\n', static_cast<std::size_t>(incoming->len)))) {
            auto length = static_cast<int>(end - incoming->data);
            Handle(ParseEvent(incoming->data, static_cast<std::size_t>(length)));
            incoming->len -= length + 1;
            std::memmove(incoming->data, end + 1, static_cast<std::size_t>(incoming->len));
        }
        CHECK_FOR_INTERRUPTS();
    }
}

// Whether it shall end: the server stops, or its settings are others now, and the launcher starts another.
bool IsToEnd(const char *request) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
        if (!kept_engine->is_wanted() || strcmp(MakeRequest(), request) != 0) return true;
    }
    return ShutdownRequestPending;
}

void EndWithGrace() {
    Write(FormatCancel("the server asks it to end"));
    TimestampTz kill_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEndGraceMs);
    while (!ReapEngine(&engine) && GetCurrentTimestamp() < kill_at) {
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
    EndEngine(&engine);
}

// As the postmaster notes it before it ends its children.
bool ServerStops() {
    char text[MAXPGPATH + 512];
    int fd = BasicOpenFile("postmaster.pid", O_RDONLY);
    if (fd < 0) return false;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[Max(size, 0)] = '\0';
    const char *line = text;
    for (int number = 1; number < LOCK_FILE_LINE_PM_STATUS && line; number++) {
        line = strchr(line, '\n');
        if (line) line++;
    }
    return line && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

// The last WAL is written when all workers are gone: the engine stays for it. False: it does not.
bool LeaveEngineBehind(StringInfo incoming) {
    Write(FormatFarewell());
    TimestampTz end_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kLeaveGraceMs);
    while (!leaving && GetCurrentTimestamp() < end_at) {
        if (!ReadEvents(incoming)) return false;
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
    if (leaving) ReleaseEngine(&engine);
    return leaving;
}

void Run() {
    MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "pg_ark engine turn", ALLOCSET_DEFAULT_SIZES);
    StringInfoData incoming;
    initStringInfo(&incoming);
    char *request = MakeRequest();
    before_shmem_exit(LeaveEngine, 0);
    SetWorker(MyProcPid);
    kept_engine->begin();
    SpawnEngine(&engine);
    Write(request);
    WaitEventSet *events = MakeEngineEvents(engine);
    for (bool more = true; more;) {
        MemoryContextReset(turn);
        MemoryContextSwitchTo(turn);
        if (IsToEnd(request)) break;
        WaitEvent event;
        WaitEventSetWait(events, -1, &event, 1, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        more = ReadEvents(&incoming);
    }
    bool stays = kept_engine->outlives_server && ShutdownRequestPending && ServerStops();
    if (!stays || !LeaveEngineBehind(&incoming)) EndWithGrace();
}

}    // namespace

long KeepEngine(const KeptEngine &kept, KeptWorker *worker) {
    const KeptState &state = shared->*kept.state;
    TimestampTz now = GetCurrentTimestamp();
    if (worker->handle) {
        pid_t pid;
        if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED) {
            if (!kept.is_wanted()) TerminateBackgroundWorker(worker->handle);
            return -1;
        }
        pfree(worker->handle);
        worker->handle = nullptr;
        // One that was at work for a while was ended by other settings or by an accident, and commits may wait for the next.
        worker->start_after = state.failure[0] ? TimestampTzPlusMilliseconds(now, kAgainRefusedMs)
                                               : TimestampTzPlusMilliseconds(worker->started_at, kAgainMs);
    }
    // Other settings may be the cure, or that the path was taken over.
    if (worker->reloaded_at != PgReloadTime || TakeAgain(kept)) worker->start_after = 0;
    worker->reloaded_at = PgReloadTime;
    if (!kept.is_wanted()) return -1;
    if (IsAtWork(state)) return kAgainMs;
    if (now < worker->start_after) return TimestampDifferenceMilliseconds(now, worker->start_after) + 1;
    Start(kept, worker);
    if (worker->handle) return -1;
    worker->start_after = TimestampTzPlusMilliseconds(now, kAgainMs);    // max_worker_processes
    return kAgainMs;
}

void RunKeptEngine(const KeptEngine &kept) {
    kept_engine = &kept;
    pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
    FollowSettings();
    Run();
    proc_exit(0);
}

}    // namespace ark::pg
