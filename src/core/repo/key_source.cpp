// Where a key-encryption key comes from: a file, the environment, or a program.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/file.h"
#include "repo/keys.h"

extern char **environ;

namespace ark {
namespace {

constexpr std::size_t kLongestValue = 4096;

std::string ReadKeyFile(const std::string &path) {
    Fd fd = OpenFile(path, O_RDONLY | O_NONBLOCK);
    struct stat info {};
    if (fstat(fd.get(), &info) != 0) ThrowErrno(errno, fmt::format("could not look at key file \"{}\"", path));
    if (!S_ISREG(info.st_mode))
        throw Error(Code::kInvalidArgument, fmt::format("key file \"{}\" is not a regular file", path));
    if ((info.st_mode & 077) != 0)
        throw Error(Code::kPermissionDenied,
                    fmt::format("key file \"{}\" can be reached by its group or by others", path),
                    fmt::format("Its mode is {:04o}.", info.st_mode & 07777), "Run chmod 0600 on it.");
    if (info.st_uid != geteuid() && info.st_uid != 0)
        throw Error(Code::kPermissionDenied, fmt::format("key file \"{}\" belongs to another user", path),
                    fmt::format("Its owner is uid {}, this process runs as uid {}.", info.st_uid, geteuid()),
                    "Make it owned by the user that runs pg_ark, or by root.");
    std::string value(kLongestValue, '\0');
    value.resize(ReadSome(fd.get(), {reinterpret_cast<std::byte *>(value.data()), value.size()}, path));
    return value;
}

std::string ReadEnvironment(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    if (value == nullptr)
        throw Error(Code::kNotFound, fmt::format("environment variable \"{}\" for the key is not set", name));
    return value;
}

// Words as a shell would split them at spaces, with '…' and "…"; nothing is expanded.
std::vector<std::string> SplitWords(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (char c : text) {
        if (quote != 0) {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t') {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != 0) throw Error(Code::kInvalidArgument, "a quote in the key command is not closed");
    if (in_word) words.push_back(std::move(word));
    if (words.empty()) throw Error(Code::kInvalidArgument, "the key command is empty");
    return words;
}

// A program in its own process group, its output on a pipe. The group is killed when this goes.
class Command {
public:
    explicit Command(const std::vector<std::string> &words) {
        std::array<int, 2> pipe_ends{};
        if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) ThrowErrno(errno, "could not make a pipe");
        out_ = Fd(pipe_ends[0]);
        Fd theirs(pipe_ends[1]);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, theirs.get(), 1);
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        std::vector<char *> arguments;
        for (const std::string &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
        arguments.push_back(nullptr);
        int error = posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0) {
            pid_ = -1;
            ThrowErrno(error, fmt::format("could not run key command \"{}\"", words[0]));
        }
    }
    Command(const Command &) = delete;
    Command &operator=(const Command &) = delete;
    ~Command() {
        if (pid_ < 0) return;
        kill(-pid_, SIGKILL);
        Reap();
    }

    int out() const { return out_.get(); }
    int Wait() { return Reap(); }

private:
    int Reap() {
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
        pid_ = -1;
        return status;
    }

    Fd out_;
    pid_t pid_ = -1;
};

// The first line a program prints; the program must end with status 0 in time.
std::string RunKeyCommand(const std::string &text, Duration timeout) {
    std::vector<std::string> words = SplitWords(text);
    SteadyPoint deadline = SystemClock().Steady() + timeout;
    Command command(words);
    std::string output;
    for (;;) {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SystemClock().Steady()).count();
        pollfd ready{command.out(), POLLIN, 0};
        int n = left > 0 ? poll(&ready, 1, static_cast<int>(left)) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            throw Error(Code::kUnavailable,
                        fmt::format("key command \"{}\" did not end within {}", words[0], HumanDuration(timeout)));
        std::array<std::byte, 1024> block;
        std::size_t got = ReadSome(command.out(), block, words[0]);
        if (got == 0) break;
        output += AsText(ByteView(block).first(got));
        if (output.size() > kLongestValue)
            throw Error(Code::kInvalidArgument, fmt::format("key command \"{}\" printed too much", words[0]));
    }
    if (int status = command.Wait(); status != 0)
        throw Error(Code::kUnavailable, fmt::format("key command \"{}\" failed", words[0]),
                    WIFEXITED(status) ? fmt::format("It ended with status {}.", WEXITSTATUS(status))
                                      : fmt::format("It was ended by signal {}.", WTERMSIG(status)));
    return output.substr(0, output.find('\n'));
}

std::string_view Trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Key ParseKey(std::string_view value, std::string_view reference) {
    try {
        if (value.size() == 64) return Key(HexDecode(value));
        if (value.size() == 44) return Key(Base64Decode(value));
    } catch (const Error &) {
        value = {};    // said below, without the value
    }
    if (reference.starts_with("command:"))
        reference = reference.substr(0, reference.find(' '));    // a token may follow
    throw Error(Code::kInvalidArgument, fmt::format("what \"{}\" gives is not a key", reference), {},
                "A key is 32 bytes written as 64 hexadecimal digits or as base64; pg_ark key init makes one.");
}

}    // namespace

std::string KeyFingerprint(const Key &kek) {
    Bytes named = ToBytes("pg_ark kek 1");
    Append(named, kek.bytes());
    return Sha256Hex(named).substr(0, 16);
}

Key LoadKey(std::string_view reference, Duration command_timeout) {
    std::size_t colon = reference.find(':');
    std::string scheme(reference.substr(0, colon));
    std::string rest(colon == std::string_view::npos ? "" : reference.substr(colon + 1));
    Secret value;
    if (scheme == "file" && !rest.empty())
        value = Secret(ReadKeyFile(rest));
    else if (scheme == "env" && !rest.empty())
        value = Secret(ReadEnvironment(rest));
    else if (scheme == "command")
        value = Secret(RunKeyCommand(rest, command_timeout));
    else    // the text may be a key pasted by mistake, so it is not repeated
        throw Error(Code::kInvalidArgument, "the reference to the key is not understood", {},
                    "Write file:PATH, env:NAME or command:PROGRAM ARGUMENTS.");
    return ParseKey(Trim(value.Reveal()), reference);
}

Key NewKey(Random &random) {
    std::array<std::byte, 32> bytes;
    random.Fill(bytes);
    return Key(bytes);
}

}    // namespace ark
