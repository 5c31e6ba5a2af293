#include "logical/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

namespace ark {
namespace {

constexpr int kTickMs = 100;
constexpr auto kPatience = std::chrono::seconds(1);    // between asking a child to end and making it

// Between fork and exec only what POSIX allows a threaded program; everything was prepared before.
[[noreturn]] void BecomeProgram(char **argv, char **environment, int output, int complaints, int failure,
                                pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD}) signal(number, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(126);    // which died before the line above
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(complaints, STDERR_FILENO) >= 0)
        execve(argv[0], argv, environment);
    int error = errno;
    if (write(failure, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

std::vector<char *> Pointers(std::vector<std::string> &texts) {
    std::vector<char *> pointers;
    for (std::string &text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

}    // namespace

ChildProcess::ChildProcess(const std::vector<std::string> &argv,
                           const std::vector<std::pair<std::string, Secret>> &secrets, Ticker &ticker)
    : ticker_(ticker), name_(std::filesystem::path(argv.at(0)).filename()) {
    std::vector<std::string> words = argv, variables;
    for (char **variable = environ; *variable; variable++) variables.emplace_back(*variable);
    for (const auto &secret : secrets) {
        const std::string assigned = secret.first + "=";
        std::erase_if(variables, [&](const std::string &known) { return known.starts_with(assigned); });
        variables.push_back(assigned + secret.second.Reveal());
    }
    std::vector<char *> word_pointers = Pointers(words), variable_pointers = Pointers(variables);

    int output[2], failure[2];
    if (pipe2(output, O_CLOEXEC) != 0) ThrowErrno(errno, "could not make a pipe for \"" + name_ + "\"");
    output_ = Fd(output[0]);
    Fd output_end(output[1]);
    if (pipe2(failure, O_CLOEXEC) != 0) ThrowErrno(errno, "could not make a pipe for \"" + name_ + "\"");
    Fd failure_start(failure[0]), failure_end(failure[1]);
    complaints_ = Fd(memfd_create("complaints", MFD_CLOEXEC));
    if (!complaints_) ThrowErrno(errno, "could not keep the complaints of \"" + name_ + "\"");

    pid_t self = getpid();
    pid_ = fork();
    if (pid_ == 0)
        BecomeProgram(word_pointers.data(), variable_pointers.data(), output_end.get(), complaints_.get(),
                      failure_end.get(), self);
    if (pid_ < 0) {
        pid_ = 0;
        ThrowErrno(errno, "could not start \"" + name_ + "\"");
    }
    for (std::string &variable : variables) std::fill(variable.begin(), variable.end(), '\0');
    failure_end.Reset();
    int error = 0;
    if (read(failure_start.get(), &error, sizeof error) == sizeof error) {
        Wait();
        ThrowErrno(error, "could not start \"" + argv[0] + "\"");
    }
}

ChildProcess::~ChildProcess() { Stop(); }

std::size_t ChildProcess::Read(MutableBytes to) {
    for (;;) {
        ticker_.Check();
        pollfd waiting{output_.get(), POLLIN, 0};
        if (poll(&waiting, 1, kTickMs) > 0) return ReadSome(output_.get(), to, name_);
    }
}

int ChildProcess::Wait() {
    if (pid_ == 0) return 0;
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void ChildProcess::Stop() noexcept {
    if (pid_ == 0) return;
    kill(pid_, SIGTERM);    // first: a closed pipe would end pg_dump before it has told its server
    output_.Reset();
    auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (waitpid(pid_, nullptr, WNOHANG) != 0) {
            pid_ = 0;
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    kill(pid_, SIGKILL);
    Wait();
}

std::string ChildProcess::Complaints(std::size_t limit) const {
    off_t size = lseek(complaints_.get(), 0, SEEK_END);
    off_t from = std::max<off_t>(0, size - static_cast<off_t>(limit));
    std::string text(static_cast<std::size_t>(size - from), '\0');
    ssize_t got = pread(complaints_.get(), text.data(), text.size(), from);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}    // namespace ark
