#include "extension/tail_worker.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "extension/catalog.h"
#include "extension/engine_defaults.h"
#include "extension/engine_events.h"
#include "extension/engine_process.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

constexpr int kEndGraceMs = 600;            // the server waits for its workers when it stops
constexpr int kLeaveGraceMs = 2'000;        // mostly an answer comes at once
constexpr long kAgainMs = 2'000;            // after an engine that ended
constexpr long kAgainRefusedMs = 60'000;    // after one that may not, or cannot, ship

BackgroundWorkerHandle *handle;    // in the launcher
TimestampTz started_at, start_after;

EngineProcess engine;
bool leaving = false;    // the engine goes on without us
volatile sig_atomic_t terminate_requested = false;

void HandleTerminate(SIGNAL_ARGS) {
    int saved = errno;
    terminate_requested = true;
    SetLatch(MyLatch);
    errno = saved;
}

bool IsOn(const char *name) {
    const char *value = GetConfigOption(name, true, false);
    return value && strcmp(value, "off") != 0 && strcmp(value, "0") != 0 && value[0];
}

bool ArchivesWithUs() {
    if (!XLogArchivingActive()) return false;
    const char *library = GetConfigOption("archive_library", true, false);
    if (library && strcmp(library, "pg_ark") == 0) return true;
    const char *command = GetConfigOption("archive_command", true, false);
    return command && strstr(command, "wal-push");
}

// A duration that is nothing: "0", "0s", "0 min".
bool IsNothing(const char *duration) { return strtod(duration, nullptr) <= 0; }

bool IsWanted() { return !WhyNoShipping(); }

// A worker that a launcher before this one has started goes on.
bool IsAtWork() {
    LWLockAcquire(shared->lock, LW_SHARED);
    pid_t pid = shared->tail.worker_pid;
    LWLockRelease(shared->lock);
    return pid != 0;
}

void NameSuperuser(void *name) {
    strlcpy(static_cast<char *>(name), GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), NAMEDATALEN);
}

void Start() {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "pg_ark", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "ark_tail_worker_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, "pg_ark wal-ship", sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, "pg_ark wal-ship", sizeof worker.bgw_type);
    worker.bgw_notify_pid = MyProcPid;
    static_assert(sizeof worker.bgw_extra >= NAMEDATALEN);
    if (!RunInTransaction(NameSuperuser, worker.bgw_extra, nullptr)) return;
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) handle = nullptr;
    started_at = GetCurrentTimestamp();
    MemoryContextSwitchTo(before);
}

char *MakeRequest() {
    EngineDefaults defaults{SettingText("store"), DefaultConninfo(MyBgworkerEntry->bgw_extra), ServerBindir()};
    return FormatRequest(0, "wal-ship", "{}", "{}", "[]", defaults);
}

// Small, and the pipe is empty: it fits.
void Write(const char *text) { [[maybe_unused]] ssize_t written = write(engine.to_engine, text, strlen(text)); }

void SetWorker(pid_t pid) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->tail.worker_pid = pid;
    shared->tail.trouble[0] = '\0';
    LWLockRelease(shared->lock);
}

void LeaveEngine(int, Datum) {
    EndEngine(&engine);
    SetWorker(0);
    WakeLauncher();
}

void SetTrouble(const char *trouble) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    CopyText(shared->tail.trouble, sizeof shared->tail.trouble, trouble);
    LWLockRelease(shared->lock);
}

void Tell(const Failure &failure) {
    bool again = strcmp(shared->tail.failure, failure.message) == 0;
    ereport(again ? DEBUG1 : WARNING, (errcode(failure.sqlstate), errmsg("pg_ark ships no WAL: %s", failure.message),
                                       failure.detail[0] ? errdetail("%s", failure.detail) : 0,
                                       failure.hint[0] ? errhint("%s", failure.hint) : 0));
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    CopyText(shared->tail.failure, sizeof shared->tail.failure, failure.message);
    LWLockRelease(shared->lock);
}

void Handle(const Event &event) {
    switch (event.kind) {
    case EventKind::kProgress:
        shared->tail.failure[0] = '\0';
        SetTrouble(strcmp(event.progress.phase, "ship") == 0 ? "" : event.progress.current);
        break;
    case EventKind::kShipped:
        LWLockAcquire(shared->lock, LW_EXCLUSIVE);
        shared->shipped = event.shipped;
        LWLockRelease(shared->lock);
        break;
    case EventKind::kNotice: ereport(LOG, (errmsg("pg_ark wal-ship: %s", event.text))); break;
    case EventKind::kWarning: ereport(WARNING, (errmsg("pg_ark wal-ship: %s", event.text))); break;
    case EventKind::kError:
    case EventKind::kBroken: Tell(event.failure); break;
    case EventKind::kLeaving: leaving = true; break;
    default: break;
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
        if (!IsWanted() || strcmp(MakeRequest(), request) != 0) return true;
    }
    return terminate_requested;
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

void RunTail() {
    MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "pg_ark wal-ship turn", ALLOCSET_DEFAULT_SIZES);
    StringInfoData incoming;
    initStringInfo(&incoming);
    char *request = MakeRequest();
    const char *key = SettingText("encryption_key");
    before_shmem_exit(LeaveEngine, 0);
    SetWorker(MyProcPid);
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->shipped = {};    // it may be another store's
    LWLockRelease(shared->lock);
    SpawnEngine(&engine, EnginePath(), strncmp(key, "env:", 4) == 0 ? key + 4 : "");
    Write(request);
    WaitEventSet *events = MakeWaitEventSet(3);
    AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
    AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
    AddWaitEventToSet(events, WL_SOCKET_READABLE, engine.from_engine, nullptr, nullptr);
    for (bool more = true; more;) {
        MemoryContextReset(turn);
        MemoryContextSwitchTo(turn);
        if (IsToEnd(request)) break;
        WaitEvent event;
        WaitEventSetWait(events, -1, &event, 1, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        more = ReadEvents(&incoming);
    }
    if (!terminate_requested || !ServerStops() || !LeaveEngineBehind(&incoming)) EndWithGrace();
}

}    // namespace

const char *WhyNoShipping() {
    if (!SettingBool("enabled")) return "ark.enabled is off";
    if (!SettingText("store")[0]) return "ark.store is not set";
    if (IsNothing(SettingText("wal_ship_interval"))) return "ark.wal_ship_interval is 0";
    if (!IsOn("max_wal_senders")) return "max_wal_senders is 0";
    return ArchivesWithUs() ? nullptr : "the server does not archive its WAL with pg_ark";
}

long KeepTailWorker() {
    static TimestampTz reloaded_at = 0;
    TimestampTz now = GetCurrentTimestamp();
    if (handle) {
        pid_t pid;
        if (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED) {
            if (!IsWanted()) TerminateBackgroundWorker(handle);
            return -1;
        }
        pfree(handle);
        handle = nullptr;
        // One that was at work for a while was ended by other settings or by an accident, and commits may wait for the next.
        long pause = shared->tail.failure[0] ? kAgainRefusedMs : kAgainMs;
        start_after = TimestampTzPlusMilliseconds(shared->tail.failure[0] ? now : started_at, pause);
    }
    if (reloaded_at != PgReloadTime) start_after = 0;    // other settings may be the cure
    reloaded_at = PgReloadTime;
    if (!IsWanted()) return -1;
    if (IsAtWork()) return kAgainMs;
    if (now < start_after) return TimestampDifferenceMilliseconds(now, start_after) + 1;
    Start();
    if (!handle) start_after = TimestampTzPlusMilliseconds(now, kAgainMs);    // max_worker_processes
    return -1;
}

}    // namespace ark::pg

void ark_tail_worker_main(Datum) {
    using namespace ark::pg;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, HandleTerminate);
    BackgroundWorkerUnblockSignals();
    RunTail();
    proc_exit(0);
}
