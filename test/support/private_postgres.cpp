#include "support/private_postgres.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "server/connection.h"

namespace ark::test {
namespace {

constexpr int kPort = 54329;    // names the socket only

const passwd *ServerUser() { return geteuid() == 0 ? getpwnam("postgres") : nullptr; }

// Starts a program as the server's user; what it prints goes to `out`. It dies with us.
pid_t Spawn(const std::vector<std::string> &argv, const std::filesystem::path &out) {
    std::vector<char *> words;
    for (const std::string &word : argv) words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    const passwd *user = ServerUser();
    int log = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pid_t child = fork();
    if (child == 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, STDIN_FILENO);
        if (user &&
            (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
            _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGQUIT);
        if (chdir("/") != 0) _exit(126);
        execv(words[0], words.data());
        _exit(127);
    }
    close(log);
    return child;
}

int WaitFor(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return status;
}

std::string ReadText(const std::filesystem::path &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void Must(const std::vector<std::string> &argv, const std::filesystem::path &out) {
    if (WaitFor(Spawn(argv, out)) != 0) throw std::runtime_error(argv[0] + " failed:\n" + ReadText(out));
}

}    // namespace

PrivatePostgres &PrivatePostgres::Shared() {
    static PrivatePostgres shared;
    return shared;
}

std::string PrivatePostgres::Bindir() {
    if (const char *given = std::getenv("PG_BINDIR")) return given;
    std::string newest;
    for (const auto &entry : std::filesystem::directory_iterator("/usr/lib/postgresql"))
        if (std::filesystem::exists(entry.path() / "bin/postgres"))
            newest = std::max(newest, (entry.path() / "bin").string());
    if (newest.empty()) throw std::runtime_error("no PostgreSQL server under /usr/lib/postgresql; set PG_BINDIR");
    return newest;
}

PrivatePostgres::PrivatePostgres(NoData) {
    std::string pattern = (std::filesystem::temp_directory_path() / "pg_ark_test.XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("could not make a directory for a test server");
    directory_ = pattern;
    if (const passwd *user = ServerUser(); user && chown(pattern.c_str(), user->pw_uid, user->pw_gid) != 0)
        throw std::runtime_error("could not give the test server its directory");
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
}

PrivatePostgres::PrivatePostgres(const std::vector<std::string> &settings, const std::vector<std::string> &initdb)
    : PrivatePostgres(NoData()) {
    std::vector<std::string> argv = {
        Bindir() + "/initdb",     "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D",
        data_directory().string()};
    argv.insert(argv.end(), initdb.begin(), initdb.end());
    Must(argv, log());
    Configure(settings);
    Start();
}

std::unique_ptr<PrivatePostgres> PrivatePostgres::WithoutData() {
    return std::unique_ptr<PrivatePostgres>(new PrivatePostgres(NoData()));
}

std::unique_ptr<PrivatePostgres> PrivatePostgres::StandbyOf(const PrivatePostgres &primary,
                                                            const std::vector<std::string> &settings,
                                                            const std::vector<std::string> &copying) {
    std::unique_ptr<PrivatePostgres> standby = WithoutData();
    std::vector<std::string> arguments = {"--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--pgdata",
                                          standby->data_directory().string()};
    arguments.insert(arguments.end(), copying.begin(), copying.end());
    primary.Run("pg_basebackup", arguments);
    standby->Configure(settings);
    standby->Start();
    return standby;
}

void PrivatePostgres::Adopt(const std::vector<std::string> &settings) {
    Configure(settings);
    if (const passwd *user = ServerUser())
        for (const auto &entry : std::filesystem::recursive_directory_iterator(directory_))
            if (lchown(entry.path().c_str(), user->pw_uid, user->pw_gid) != 0)
                throw std::runtime_error("could not give the test server " + entry.path().string());
    Start();
    for (int tries = 0; Sql("postgres", "SELECT pg_is_in_recovery()") != "f"; tries++) {
        if (tries == 1200) throw std::runtime_error("the recovery does not end:\n" + ReadText(log()));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

void PrivatePostgres::Configure(const std::vector<std::string> &settings) const {
    std::ofstream conf(data_directory() / "postgresql.conf", std::ios::app);
    conf << "listen_addresses = ''\nport = " << kPort << "\nunix_socket_directories = '" << directory_.string()
         << "'\nfsync = off\nmax_connections = 60\nshared_buffers = 64MB\nlog_min_messages = warning\nautovacuum = "
            "off\n";
    for (const std::string &line : settings) conf << line << '\n';
}

void PrivatePostgres::Start() {
    pid_ = Spawn({Bindir() + "/postgres", "-D", data_directory().string()}, log());
    for (int tries = 0; tries < 600; tries++) {
        try {
            Connection(Conninfo(), "", "private_postgres", NeverCancelled(), SilentLog());
            return;
        } catch (const Error &) {
            if (int status = 0; waitpid(pid_, &status, WNOHANG) != 0) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
    throw std::runtime_error("the test server did not start:\n" + ReadText(log()));
}

void PrivatePostgres::Stop(int signal) {
    if (pid_ == 0) return;
    kill(pid_, signal);
    WaitFor(pid_);
    pid_ = 0;
}

PrivatePostgres::~PrivatePostgres() {
    Stop(SIGQUIT);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string PrivatePostgres::Conninfo(std::string_view database, std::string_view role) const {
    return "host=" + directory_.string() + " port=" + std::to_string(kPort) + " user=" + std::string(role) +
           " dbname=" + std::string(database);
}

std::string PrivatePostgres::Sql(std::string_view database, std::string_view sql, std::string_view role) const {
    Connection connection(Conninfo(database, role), "", "private_postgres", NeverCancelled(), SilentLog());
    Result result = connection.Query(sql);
    return result.rows() > 0 ? result.String(0, 0) : "";
}

std::string PrivatePostgres::CreateDatabase(std::string_view stem, std::string_view with) const {
    static std::atomic<int> number{0};
    std::string name = std::string(stem) + "_" + std::to_string(++number);
    Sql("postgres", "CREATE DATABASE " + QuoteIdentifier(name) + " " + std::string(with));
    return name;
}

std::string PrivatePostgres::Run(std::string_view program, const std::vector<std::string> &arguments) const {
    static std::atomic<int> number{0};
    std::filesystem::path out = directory_ / ("out." + std::to_string(++number));
    std::vector<std::string> argv = {Bindir() + "/" + std::string(program),
                                     "-h",
                                     directory_.string(),
                                     "-p",
                                     std::to_string(kPort),
                                     "-U",
                                     "postgres"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Must(argv, out);
    std::string text = ReadText(out);
    std::filesystem::remove(out);
    return text;
}

}    // namespace ark::test
