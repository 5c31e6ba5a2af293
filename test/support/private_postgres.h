// A PostgreSQL cluster of the test's own: in a directory under TMPDIR, reached over a socket in it only, gone with the
// program. Servers refuse to run as root, so as root it runs as the user "postgres".
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace ark::test {

class PrivatePostgres {
public:
    // One cluster for the whole test program, started at first use.
    static PrivatePostgres &Shared();

    // `settings` are lines of postgresql.conf, `initdb` flags of that program.
    explicit PrivatePostgres(const std::vector<std::string> &settings = {},
                             const std::vector<std::string> &initdb = {});
    // One that has no data directory yet: put one where data_directory() says, then Adopt() it.
    static std::unique_ptr<PrivatePostgres> WithoutData();
    // One that streams from `primary`; it may not have replayed everything yet.
    // `copying` are flags of pg_basebackup.
    static std::unique_ptr<PrivatePostgres> StandbyOf(const PrivatePostgres &primary,
                                                      const std::vector<std::string> &settings = {},
                                                      const std::vector<std::string> &copying = {});
    // Gives what is in directory() to the server's user, starts it, and waits until a recovery has ended.
    void Adopt(const std::vector<std::string> &settings);
    ~PrivatePostgres();
    PrivatePostgres(const PrivatePostgres &) = delete;

    // As the superuser "postgres", or another role; trusted without a password.
    std::string Conninfo(std::string_view database = "postgres", std::string_view role = "postgres") const;
    // Runs statements and returns the first column of the last result's first row.
    std::string Sql(std::string_view database, std::string_view sql, std::string_view role = "postgres") const;
    // A new database named after `stem`; `with` is appended to CREATE DATABASE.
    std::string CreateDatabase(std::string_view stem, std::string_view with = "") const;
    // Runs one of PostgreSQL's programs (psql, pg_restore, …) against this server and returns what it printed; throws with what it printed if it fails.
    std::string Run(std::string_view program, const std::vector<std::string> &arguments) const;

    const std::filesystem::path &directory() const { return directory_; }
    std::filesystem::path data_directory() const { return directory_ / "data"; }
    std::filesystem::path log() const { return directory_ / "log"; }
    static std::string Bindir();
    void Start();
    void Stop(int signal);    // SIGINT: fast shutdown, SIGQUIT: immediate

private:
    struct NoData {};
    explicit PrivatePostgres(NoData);
    void Configure(const std::vector<std::string> &settings) const;

    std::filesystem::path directory_;
    pid_t pid_ = 0;
};

}    // namespace ark::test
