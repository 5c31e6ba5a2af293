#include "extension/engine_process.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extension/settings.h"

extern char **environ;

namespace ark::pg {
namespace {

constexpr const char *kExact[] = {"PATH",        "HOME",      "LANG",      "TZ",         "http_proxy",
                                  "https_proxy", "no_proxy",  "all_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                                  "NO_PROXY",    "ALL_PROXY", "TMPDIR"};
constexpr const char *kPrefixes[] = {"AWS_", "SSL_CERT_"};

bool IsAllowed(const char *entry, const char *keep_variable) {
    const char *equals = strchr(entry, '=');
    if (!equals) return false;
    auto length = static_cast<std::size_t>(equals - entry);
    auto is = [&](const char *name) { return strlen(name) == length && strncmp(entry, name, length) == 0; };
    for (const char *name : kExact)
        if (is(name)) return true;
    for (const char *prefix : kPrefixes)
        if (strncmp(entry, prefix, strlen(prefix)) == 0) return true;
    return keep_variable[0] && is(keep_variable);
}

bool Has(char **variables, int count, const char *name) {
    std::size_t length = strlen(name);
    for (int i = 0; i < count; i++)
        if (strncmp(variables[i], name, length) == 0 && variables[i][length] == '=') return true;
    return false;
}

// Built before the fork: between fork and exec nothing may allocate.
char **MakeEnvironment(const char *keep_variable) {
    int total = 0;
    while (environ[total]) total++;
    auto **variables = static_cast<char **>(palloc(sizeof(char *) * static_cast<std::size_t>(total + 3)));
    int count = 0;
    for (int i = 0; i < total; i++)
        if (IsAllowed(environ[i], keep_variable)) variables[count++] = environ[i];
    if (!Has(variables, count, "PATH")) variables[count++] = pstrdup("PATH=/usr/local/bin:/usr/bin:/bin");
    if (!Has(variables, count, "HOME"))    // where ~/.aws/credentials is looked for
        if (struct passwd *user = getpwuid(geteuid())) variables[count++] = psprintf("HOME=%s", user->pw_dir);
    variables[count] = nullptr;
    return variables;
}

void CloseAllAbove(int last_kept, int limit) {
#ifdef CLOSE_RANGE_UNSHARE
    if (close_range(static_cast<unsigned>(last_kept) + 1, ~0U, 0) == 0) return;
#endif
    for (int fd = last_kept + 1; fd < limit; fd++) close(fd);
}

// In the child: system calls only.
[[noreturn]] void BecomeEngine(const char *path, char **variables, int input, int output, pid_t parent,
                               int descriptor_limit) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);    // the worker died before the line above
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(input, 0);
    dup2(output, 1);
    CloseAllAbove(2, descriptor_limit);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // A postmaster may protect itself from the out-of-memory killer; the engine is what shall go first.
    int oom = open("/proc/self/oom_score_adj", O_WRONLY);
    if (oom >= 0) {
        [[maybe_unused]] ssize_t written = write(oom, "0\n", 2);
        close(oom);
    }
    char *const arguments[] = {const_cast<char *>("pg_ark"), const_cast<char *>("job"), nullptr};
    execve(path, arguments, variables);
    _exit(127);
}

void ClosePipe(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

}    // namespace

void SpawnEngine(EngineProcess *engine) {
    const char *path = EnginePath(), *key = SettingText("encryption_key");
    const char *keep_variable = strncmp(key, "env:", 4) == 0 ? key + 4 : "";
    *engine = {.pid = 0, .to_engine = -1, .from_engine = -1, .status = 0, .reaped = false};
    if (access(path, X_OK) != 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("could not find the engine program \"%s\": %m", path),
                        errhint("Install the program pg_ark beside the server's programs (make install does).")));
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not make a pipe for the engine: %m")));
    if (pipe2(up, O_CLOEXEC) != 0) {
        int saved = errno;
        close(down[0]);
        close(down[1]);
        errno = saved;
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not make a pipe for the engine: %m")));
    }
    char **variables = MakeEnvironment(keep_variable);
    pid_t self = getpid();
    auto limit = static_cast<int>(sysconf(_SC_OPEN_MAX));
    // Blocked across the fork, so that no handler of the server runs in the child.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) BecomeEngine(path, variables, down[0], up[1], self, limit);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, nullptr);
    close(down[0]);
    close(up[1]);
    if (pid < 0) {
        close(down[1]);
        close(up[0]);
        errno = saved;
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not start the engine: %m")));
    }
    setpgid(pid, pid);    // here too: whoever comes first, it is done before a signal is sent
    engine->pid = pid;
    engine->to_engine = down[1];
    engine->from_engine = up[0];
    fcntl(engine->to_engine, F_SETFL, O_NONBLOCK);
    fcntl(engine->from_engine, F_SETFL, O_NONBLOCK);
}

WaitEventSet *MakeEngineEvents(const EngineProcess &engine) {
    WaitEventSet *events = MakeWaitEventSet(3);
    AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
    AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
    AddWaitEventToSet(events, WL_SOCKET_READABLE, engine.from_engine, nullptr, nullptr);
    return events;
}

void CloseRequestPipe(EngineProcess *engine) { ClosePipe(&engine->to_engine); }

void SignalEngine(EngineProcess *engine, int signal) {
    if (engine->pid > 0) kill(-engine->pid, signal);
}

bool ReapEngine(EngineProcess *engine) {
    if (engine->pid <= 0 || engine->reaped) return true;
    pid_t ended = waitpid(engine->pid, &engine->status, WNOHANG);
    engine->reaped = ended == engine->pid || (ended < 0 && errno == ECHILD);
    return engine->reaped;
}

void EndEngine(EngineProcess *engine) {
    if (engine->pid <= 0) return;
    SignalEngine(engine, SIGKILL);    // its own children too, which may have outlived it
    while (!engine->reaped) {
        pid_t ended = waitpid(engine->pid, &engine->status, 0);
        if (ended < 0 && errno == EINTR) continue;
        engine->reaped = true;
    }
    ClosePipe(&engine->to_engine);
    ClosePipe(&engine->from_engine);
    engine->pid = 0;
}

void ReleaseEngine(EngineProcess *engine) {
    ClosePipe(&engine->to_engine);
    ClosePipe(&engine->from_engine);
    engine->pid = 0;
}

void DescribeEnd(const EngineProcess *engine, char *text, std::size_t size) {
    if (WIFSIGNALED(engine->status))
        pg_snprintf(text, size, "The engine was ended by signal %d (%s).", WTERMSIG(engine->status),
                    pg_strsignal(WTERMSIG(engine->status)));
    else if (WIFEXITED(engine->status) && WEXITSTATUS(engine->status) == 127)
        pg_snprintf(text, size, "The engine program could not be run (exit status 127).");
    else
        pg_snprintf(text, size, "The engine exited with status %d.", WEXITSTATUS(engine->status));
}

}    // namespace ark::pg
