#include "logical/whole/definitions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>

#include "logical/child_process.h"

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark definitions";
// The last commit of a restore waits for the disk, and all before it with it.
constexpr const char *kServerOptions = "-c synchronous_commit=off";
constexpr const char *kOptionsBeside = "-c synchronous_commit=off -c max_parallel_maintenance_workers=0";
constexpr const char *kPostData = "post-data";

// What pg_restore --use-list reads.
class EntryList {
public:
    explicit EntryList(const std::vector<std::int32_t> &entries)
        : path_((std::filesystem::temp_directory_path() / "pg_ark_list_XXXXXX").string()) {
        Fd fd(mkostemp(path_.data(), O_CLOEXEC));
        if (!fd) ThrowErrno(errno, fmt::format("could not make a temporary file \"{}\"", path_));
        std::string lines;
        for (std::int32_t id : entries) lines += fmt::format("{};\n", id);
        try {
            WriteAll(fd.get(), AsBytes(lines), path_);
        } catch (const Error &) {
            unlink(path_.c_str());
            throw;
        }
    }
    ~EntryList() { unlink(path_.c_str()); }
    EntryList(const EntryList &) = delete;
    std::string Option() const { return "--use-list=" + path_; }

private:
    std::string path_;
};

}    // namespace

Definitions::Definitions(const DatabaseRestoreRequest &request, const BackupReader &backup, SchemaFile &schema,
                         Connection &target, Ticker &ticker)
    : request_(request),
      program_(FindPgRestore(request.pg_bindir, backup)),
      archive_(schema),
      target_(target),
      ticker_(ticker) {}

void Definitions::Restore(const char *section) { Run(section, {}, kServerOptions, ticker_); }

void Definitions::Restore(const std::vector<std::int32_t> &entries, int jobs) {
    EntryList list(entries);
    std::vector<std::string> options{list.Option()};
    if (jobs > 1) options.push_back(fmt::format("--jobs={}", jobs));
    Run(kPostData, std::move(options), kServerOptions, ticker_);
}

void Definitions::RestoreBeside(const std::vector<std::int32_t> &entries, Ticker &ticker) {
    EntryList list(entries);
    Run(kPostData, {list.Option()}, kOptionsBeside, ticker);
}

void Definitions::Run(const char *section, std::vector<std::string> more, std::string_view server_options,
                      Ticker &ticker) {
    std::vector<std::string> argv{program_, "--exit-on-error", "--no-password", fmt::format("--section={}", section),
                                  "--dbname=" + target_.ChildConninfo(kApplicationName, server_options)};
    std::ranges::move(more, std::back_inserter(argv));
    if (!request_.owners) argv.emplace_back("--no-owner");
    if (!request_.privileges) argv.emplace_back("--no-privileges");
    if (!request_.tablespaces) argv.emplace_back("--no-tablespaces");
    argv.push_back(archive_.path());
    std::vector<std::pair<std::string, Secret>> secrets;
    if (Secret password = target_.ChildPassword(); !password.empty()) secrets.emplace_back("PGPASSWORD", password);
    ChildProcess child(argv, secrets, ticker);
    Bytes ignored(4096);
    while (child.Read(ignored) > 0) {}
    if (int status = child.Wait(); status != 0)
        throw Error(Code::kInternal,
                    fmt::format("pg_restore ended with status {} in section {} of the definitions", status, section),
                    child.Complaints());
}

}    // namespace ark
