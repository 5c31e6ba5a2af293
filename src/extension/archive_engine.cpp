#include "extension/archive_engine.h"

#include <signal.h>
#include <unistd.h>

#include "extension/engine_events.h"
#include "extension/engine_process.h"

namespace ark::pg {
namespace {

constexpr int kEndGraceMs = 500;    // to take back what was half sent

struct ArchiveEngine {
    EngineProcess process;
    WaitEventSet *events;
    MemoryContext context;    // of what follows
    char *request;            // that it was started with
    StringInfoData incoming;
    StringInfoData outgoing;
    int64 asked;    // id of the question that is open; 0: none
    int64 last_id;
    char asked_file[NAMEDATALEN];
    bool greeted;
    bool has_failure;    // it said why it ends
    Failure failure;
    char trouble[1024];
    TimestampTz trouble_since;
};
ArchiveEngine engine;

void NoteEngine(pid_t pid, const char *version) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->archive.archiver_pid = MyProcPid;
    shared->archive.engine_pid = pid;
    if (version) CopyText(shared->archive.engine, sizeof shared->archive.engine, version);
    LWLockRelease(shared->lock);
}

void EndAtExit(int, Datum) {
    EndArchiveEngine();
    LWLockReleaseAll();    // an error may have come while the lock was held
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->archive.archiver_pid = shared->archive.engine_pid = 0;
    LWLockRelease(shared->lock);
}

char *RequestText() {
    EngineDefaults defaults{"", "", ""};    // it needs no connection, and there is a store
    return FormatRequest(0, "wal-push", "{\"serve\":true}", "{}", "[]", defaults);
}

void Start(char *request) {
    static bool registered = false;
    if (!registered) before_shmem_exit(EndAtExit, 0);
    registered = true;
    engine.context = AllocSetContextCreate(TopMemoryContext, "pg_ark archive engine", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(engine.context);
    engine.request = pstrdup(request);
    initStringInfo(&engine.incoming);
    initStringInfo(&engine.outgoing);
    appendStringInfoString(&engine.outgoing, request);
    MemoryContextSwitchTo(before);
    SpawnEngine(&engine.process);
    engine.events = MakeEngineEvents(engine.process);
    NoteEngine(engine.process.pid, nullptr);
}

void Write() {
    int sent = 0;
    while (sent < engine.outgoing.len) {
        ssize_t n = write(engine.process.to_engine, engine.outgoing.data + sent,
                          static_cast<std::size_t>(engine.outgoing.len - sent));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) sent = engine.outgoing.len;    // it does not listen: its end will say why
        if (n < 0) break;
        sent += static_cast<int>(n);
    }
    std::memmove(engine.outgoing.data, engine.outgoing.data + sent,
                 static_cast<std::size_t>(engine.outgoing.len - sent));
    engine.outgoing.len -= sent;
}

void Fail(const Failure &failure) {
    if (engine.has_failure) return;
    engine.has_failure = true;
    engine.failure = failure;
}

void Greet(const Event &event) {
    engine.greeted = true;
    NoteEngine(engine.process.pid, event.text);
    if (event.protocol == 1) return;
    Failure failure{};
    failure.sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
    CopyText(failure.message, sizeof failure.message,
             psprintf("the engine speaks protocol %d, this server speaks 1", event.protocol));
    CopyText(failure.hint, sizeof failure.hint,
             event.protocol > 1 ? "Restart the server: it runs an older library than is installed."
                                : "Upgrade the engine program: it is older than the server's library.");
    Fail(failure);
    SignalEngine(&engine.process, SIGKILL);
}

void NoteProgress(const JobProgress &progress) {
    bool waits = strcmp(progress.phase, "waiting for the store") == 0;
    if (waits && !engine.trouble_since) engine.trouble_since = GetCurrentTimestamp();
    if (!waits) engine.trouble_since = 0;
    CopyText(engine.trouble, sizeof engine.trouble, waits ? progress.current : "");
}

ArchiveNews Handle(const Event &event, ArchiveAnswer *answer) {
    switch (event.kind) {
    case EventKind::kHello: Greet(event); break;
    case EventKind::kProgress: NoteProgress(event.progress); break;
    case EventKind::kNotice: ereport(LOG, (errmsg("pg_ark: %s", event.text))); break;
    case EventKind::kWarning: ereport(WARNING, (errmsg("pg_ark: %s", event.text))); break;
    case EventKind::kBroken:
        Fail(event.failure);
        SignalEngine(&engine.process, SIGKILL);
        break;
    case EventKind::kError: Fail(event.failure); break;
    case EventKind::kArchived:
    case EventKind::kNotArchived:
        if (event.id != engine.asked) break;    // a question that was given up
        engine.asked = 0;
        answer->was_ahead = event.was_ahead;
        answer->failure = event.failure;
        return event.kind == EventKind::kArchived ? ArchiveNews::kArchived : ArchiveNews::kNotArchived;
    default: break;
    }
    return ArchiveNews::kNothing;
}

// A line that was read whole and not handled yet, taken out of the buffer; nullptr if there is none.
char *TakeLine() {
    auto *end = static_cast<char *>(memchr(engine.incoming.data, '\n', static_cast<std::size_t>(engine.incoming.len)));
    if (!end) return nullptr;
    auto length = static_cast<int>(end - engine.incoming.data);
    char *line = pnstrdup(engine.incoming.data, static_cast<Size>(length));
    std::memmove(engine.incoming.data, end + 1, static_cast<std::size_t>(engine.incoming.len - length - 1));
    engine.incoming.len -= length + 1;
    return line;
}

// False at the end of its output.
bool Read() {
    for (;;) {
        char block[32 << 10];
        ssize_t n = read(engine.process.from_engine, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return false;
        MemoryContext before = MemoryContextSwitchTo(engine.context);
        appendBinaryStringInfo(&engine.incoming, block, static_cast<int>(n));
        MemoryContextSwitchTo(before);
    }
}

void DescribeItsEnd(ArchiveAnswer *answer) {
    for (int waited = 0; !ReapEngine(&engine.process) && waited < kEndGraceMs; waited += 10) pg_usleep(10'000);
    if (!engine.process.reaped) SignalEngine(&engine.process, SIGKILL);
    while (!ReapEngine(&engine.process)) pg_usleep(10'000);
    answer->failure = engine.failure;
    if (engine.has_failure) return;
    char how[256];
    DescribeEnd(&engine.process, how, sizeof how);
    answer->failure = {};
    answer->failure.sqlstate = ERRCODE_INTERNAL_ERROR;
    CopyText(answer->failure.message, sizeof answer->failure.message, "the engine that archives WAL ended");
    CopyText(answer->failure.detail, sizeof answer->failure.detail, how);
    CopyText(answer->failure.hint, sizeof answer->failure.hint,
             "It is started again. The server log holds what it wrote to standard error.");
}

}    // namespace

void EnsureArchiveEngine() {
    char *request = RequestText();
    if (engine.process.pid > 0 && strcmp(request, engine.request) == 0) return;
    EndArchiveEngine();
    Start(request);
}

void AskArchiveEngine(const char *file, const char *path) {
    if (engine.asked && strcmp(engine.asked_file, file) == 0) return;
    strlcpy(engine.asked_file, file, sizeof engine.asked_file);
    engine.asked = ++engine.last_id;
    char *line = FormatArchiveRequest(engine.asked, path);
    MemoryContext before = MemoryContextSwitchTo(engine.context);
    appendStringInfoString(&engine.outgoing, line);
    MemoryContextSwitchTo(before);
    Write();
}

ArchiveNews WaitForArchiveEngine(long milliseconds, ArchiveAnswer *answer, bool *woken) {
    Write();
    if (engine.outgoing.len > 0) milliseconds = Min(milliseconds, 50);
    WaitEvent event;
    int events = WaitEventSetWait(engine.events, milliseconds, &event, 1, PG_WAIT_EXTENSION);
    if (events > 0 && (event.events & WL_LATCH_SET)) {
        ResetLatch(MyLatch);
        *woken = true;
    }
    bool goes_on = Read();
    while (char *line = TakeLine()) {
        ArchiveNews news = Handle(ParseEvent(line, strlen(line)), answer);
        if (news != ArchiveNews::kNothing) return news;
    }
    if (goes_on) return ArchiveNews::kNothing;
    DescribeItsEnd(answer);
    EndArchiveEngine();
    return ArchiveNews::kEnded;
}

const char *ArchiveTrouble(TimestampTz *since) {
    *since = engine.trouble_since;
    return engine.trouble;
}

void EndArchiveEngine() {
    if (engine.process.pid > 0) {
        CloseRequestPipe(&engine.process);
        for (int waited = 0; !ReapEngine(&engine.process) && waited < kEndGraceMs; waited += 10) pg_usleep(10'000);
        EndEngine(&engine.process);
    }
    if (engine.events) FreeWaitEventSet(engine.events);
    if (engine.context) MemoryContextDelete(engine.context);
    int64 last_id = engine.last_id;
    engine = {};
    engine.last_id = last_id;
}

}    // namespace ark::pg
