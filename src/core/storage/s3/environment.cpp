#include "storage/s3/environment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "base/file.h"

extern char **environ;

namespace ark::s3 {
namespace {

constexpr std::size_t kLongestOutput = 1 << 20;
constexpr auto kPatience = std::chrono::minutes(1);

// A shell command in a process group of its own, with its standard output in a pipe. Ends the group when it goes.
class Child {
public:
    explicit Child(const std::string &command) {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) ThrowErrno(errno, "could not make a pipe");
        output_ = Fd(ends[0]);
        Fd input(ends[1]);
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, input.get(), 1);
        sigset_t broken_pipe;    // libcurl's user ignores it, a shell's pipeline must not
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setpgroup(&attributes, 0);
        std::array<std::string, 3> words{"sh", "-c", command};
        std::array<char *, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
        int error = posix_spawn(&pid_, "/bin/sh", &actions, &attributes, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        if (error != 0) {
            pid_ = -1;
            ThrowErrno(error, "could not start a shell");
        }
    }
    ~Child() {
        if (pid_ <= 0) return;
        kill(-pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    int output() const { return output_.get(); }

    int Wait() {
        int status = 0;
        pid_t pid = pid_;
        pid_ = -1;
        if (waitpid(pid, &status, 0) != pid) ThrowErrno(errno, "could not wait for a command");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
    Fd output_;
};

std::string RunCommand(const std::string &command, Ticker &ticker) {
    Child child(command);
    std::string out;
    auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        ticker.Check();
        if (std::chrono::steady_clock::now() > end)
            throw Error(Code::kUnavailable, "the command of credential_process did not end", "waited for one minute");
        pollfd ready{child.output(), POLLIN, 0};
        if (poll(&ready, 1, 100) <= 0) continue;
        std::array<std::byte, 4096> block;
        std::size_t n = ReadSome(child.output(), block, "the output of credential_process");
        if (n == 0) break;
        out += AsText(ByteView(block).first(n));
        if (out.size() > kLongestOutput)
            throw Error(Code::kInvalidArgument, "the command of credential_process writes too much");
    }
    if (int status = child.Wait(); status != 0)
        throw Error(Code::kPermissionDenied, "the command of credential_process failed",
                    fmt::format("exit status {}", status), "Run the command by hand as the user that runs pg_ark.");
    return out;
}

// Services are often started without HOME.
std::optional<std::string> HomeOfUser() {
    passwd entry{};
    passwd *found = nullptr;
    std::array<char, 16 << 10> space{};
    if (getpwuid_r(geteuid(), &entry, space.data(), space.size(), &found) != 0 || found == nullptr) return std::nullopt;
    return found->pw_dir;
}

}    // namespace

Environment ProcessEnvironment(Ticker &ticker) {
    Environment environment;
    environment.variable = [](const std::string &name) -> std::optional<std::string> {
        const char *value = std::getenv(name.c_str());
        if (value != nullptr && *value != 0) return value;
        return name == "HOME" ? HomeOfUser() : std::nullopt;
    };
    environment.file = [](const std::string &path) -> std::optional<std::string> {
        try {
            return ReadWholeFile(path, 1 << 20);
        } catch (const Error &error) {
            if (error.code == Code::kNotFound) return std::nullopt;
            throw;
        }
    };
    environment.run = [&ticker](const std::string &command) { return RunCommand(command, ticker); };
    return environment;
}

}    // namespace ark::s3
