#include "extension/kept_engine.h"

#include <signal.h>
#include <unistd.h>

#include "extension/catalog.h"
#include "extension/engine_defaults.h"
#include "extension/engine_process.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

constexpr int kEndGraceMs = 600;            // the server waits for its workers when it stops
constexpr long kAgainMs = 5'000;            // after an engine that ended
constexpr long kAgainRefusedMs = 60'000;    // after one that may not, or cannot, do its work

EngineProcess engine;
const KeptEngine *kept_engine;
volatile sig_atomic_t terminate_requested = false;

void HandleTerminate(SIGNAL_ARGS) {
    int saved = errno;
    terminate_requested = true;
    SetLatch(MyLatch);
    errno = saved;
}

void NameSuperuser(void *name) {
    strlcpy(static_cast<char *>(name), GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), NAMEDATALEN);
}

void Start(const KeptEngine &kept, KeptWorker *kept_worker) {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "pg_ark", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, kept.function, sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, kept.name, sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, kept.name, sizeof worker.bgw_type);
    worker.bgw_notify_pid = MyProcPid;
    static_assert(sizeof worker.bgw_extra >= NAMEDATALEN);
    if (!RunInTransaction(NameSuperuser, worker.bgw_extra, nullptr)) return;
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    if (!RegisterDynamicBackgroundWorker(&worker, &kept_worker->handle)) kept_worker->handle = nullptr;
    MemoryContextSwitchTo(before);
}

char *MakeRequest() {
    EngineDefaults defaults{SettingText("store"), DefaultConninfo(MyBgworkerEntry->bgw_extra), ServerBindir()};
    return FormatRequest(0, kept_engine->verb, "{}", "{}", "[]", defaults);
}

// Small, and the pipe is empty: it fits.
void Write(const char *text) { [[maybe_unused]] ssize_t written = write(engine.to_engine, text, strlen(text)); }

void LeaveEngine(int, Datum) { EndEngine(&engine); }

void Tell(const Failure &failure) {
    bool again = strcmp(kept_engine->failure(), failure.message) == 0;
    ereport(
        again ? DEBUG1 : WARNING,
        (errcode(failure.sqlstate), errmsg("%s: %s", kept_engine->trouble, failure.message),
         failure.detail[0] ? errdetail("%s", failure.detail) : 0, failure.hint[0] ? errhint("%s", failure.hint) : 0));
    CopyText(kept_engine->failure(), sizeof failure.message, failure.message);
}

void Handle(const Event &event) {
    switch (event.kind) {
    case EventKind::kNotice: ereport(LOG, (errmsg("%s: %s", kept_engine->name, event.text))); break;
    case EventKind::kWarning: ereport(WARNING, (errmsg("%s: %s", kept_engine->name, event.text))); break;
    case EventKind::kError:
    case EventKind::kBroken: Tell(event.failure); break;
    case EventKind::kHello: break;
    default: kept_engine->failure()[0] = '\0'; kept_engine->handle(event);
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

void Run() {
    MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "pg_ark engine turn", ALLOCSET_DEFAULT_SIZES);
    StringInfoData incoming;
    initStringInfo(&incoming);
    char *request = MakeRequest();
    const char *key = SettingText("encryption_key");
    before_shmem_exit(LeaveEngine, 0);
    kept_engine->begin();
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
    EndWithGrace();
}

}    // namespace

long KeepEngine(const KeptEngine &kept, KeptWorker *worker) {
    TimestampTz now = GetCurrentTimestamp();
    if (worker->handle) {
        pid_t pid;
        if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED) {
            if (!kept.is_wanted()) TerminateBackgroundWorker(worker->handle);
            return -1;
        }
        pfree(worker->handle);
        worker->handle = nullptr;
        worker->start_after = TimestampTzPlusMilliseconds(now, kept.failure()[0] ? kAgainRefusedMs : kAgainMs);
    }
    if (!kept.is_wanted()) return -1;
    if (now < worker->start_after) return TimestampDifferenceMilliseconds(now, worker->start_after) + 1;
    Start(kept, worker);
    if (!worker->handle) {    // max_worker_processes
        worker->start_after = TimestampTzPlusMilliseconds(now, kAgainMs);
        return kAgainMs;
    }
    return -1;
}

void RunKeptEngine(const KeptEngine &kept) {
    kept_engine = &kept;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, HandleTerminate);
    BackgroundWorkerUnblockSignals();
    Run();
    proc_exit(0);
}

}    // namespace ark::pg
