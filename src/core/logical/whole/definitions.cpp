#include "logical/whole/definitions.h"

#include <fmt/format.h>

#include "logical/child_process.h"

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark definitions";
// The last commit of a restore waits for the disk, and all before it with it.
constexpr const char *kServerOptions = "-c synchronous_commit=off";

}    // namespace

Definitions::Definitions(const DatabaseRestoreRequest &request, const BackupReader &backup, SchemaFile &schema,
                         Connection &target, Ticker &ticker)
    : request_(request),
      program_(FindPgRestore(request.pg_bindir, backup)),
      archive_(schema),
      target_(target),
      ticker_(ticker) {}

void Definitions::Restore(const char *section, int jobs) {
    std::vector<std::string> argv{program_, "--exit-on-error", "--no-password", fmt::format("--section={}", section),
                                  "--dbname=" + target_.ChildConninfo(kApplicationName, kServerOptions)};
    if (jobs > 1) argv.push_back(fmt::format("--jobs={}", jobs));
    if (!request_.owners) argv.emplace_back("--no-owner");
    if (!request_.privileges) argv.emplace_back("--no-privileges");
    if (!request_.tablespaces) argv.emplace_back("--no-tablespaces");
    argv.push_back(archive_.path());
    std::vector<std::pair<std::string, Secret>> secrets;
    if (Secret password = target_.ChildPassword(); !password.empty()) secrets.emplace_back("PGPASSWORD", password);
    ChildProcess child(argv, secrets, ticker_);
    Bytes ignored(4096);
    while (child.Read(ignored) > 0) {}
    if (int status = child.Wait(); status != 0)
        throw Error(Code::kInternal,
                    fmt::format("pg_restore ended with status {} in section {} of the definitions", status, section),
                    child.Complaints());
}

}    // namespace ark
