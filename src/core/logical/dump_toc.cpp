#include "logical/dump_toc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "logical/child_process.h"
#include "logical/content_framer.h"
#include "pgdata/dump_archive_reader.h"

namespace ark {
namespace {

constexpr int kLockTries = 10;
constexpr std::size_t kMostTableArguments = 500'000;    // bytes; beyond, everything is dumped: it is definitions only

Fd TemporaryFile() {
    std::filesystem::path directory = std::filesystem::temp_directory_path();
    Fd file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file) return file;
    std::string pattern = (directory / "pg_ark.XXXXXX").string();    // a file system without O_TMPFILE
    file = Fd(mkostemp(pattern.data(), O_CLOEXEC));
    if (!file) ThrowErrno(errno, "could not make a temporary file in \"" + directory.string() + "\"");
    unlink(pattern.c_str());
    return file;
}

constexpr std::string_view kKeepQuiet = "-c log_min_messages=panic -c log_min_error_statement=panic";

// As a start-up option, which is judged by the session's user.
bool MayKeepQuiet(Connection &connection) {
    std::string sql = "SELECT r.rolsuper";
    if (connection.server_version_num() >= 150000)
        sql +=
            " OR (pg_catalog.has_parameter_privilege(r.oid, 'log_min_messages', 'SET')"
            " AND pg_catalog.has_parameter_privilege(r.oid, 'log_min_error_statement', 'SET'))";
    return connection.Query(sql + " FROM pg_catalog.pg_roles r WHERE r.rolname = session_user").Bool(0, 0);
}

std::vector<std::string> Arguments(const DumpRequest &request) {
    std::vector<std::string> argv = {request.pg_dump,
                                     "--format=custom",
                                     "--compress=0",
                                     "--no-password",
                                     "--lock-wait-timeout=1500",
                                     "--snapshot=" + request.snapshot,
                                     "--encoding=" + request.encoding,
                                     "--dbname=" + request.conninfo};
    std::size_t length = 0;
    for (const auto &[schema, name] : request.tables) {
        argv.push_back("--table=" + QualifiedName(schema, name));
        length += argv.back().size();
    }
    if (length > kMostTableArguments) argv.resize(argv.size() - request.tables.size());
    return argv;
}

}    // namespace

DumpRequest QuietDump(Connection &connection, std::string pg_dump, const std::string &snapshot,
                      std::function<std::unique_ptr<Connection>()> connect) {
    // The backend's pid makes the name unique among those that run.
    std::string name = fmt::format("pg_ark definitions {}", connection.backend_pid());
    bool quiet = MayKeepQuiet(connection);
    DumpRequest request{.pg_dump = std::move(pg_dump),
                        .conninfo = connection.ChildConninfo(name, quiet ? kKeepQuiet : ""),
                        .password = connection.ChildPassword(),
                        .snapshot = snapshot,
                        .encoding = {},
                        .tables = {},
                        .end_session = {}};
    // With the wait, where the server has it: a session that found its client gone would complain again.
    std::string wait = connection.server_version_num() >= 140000 ? ", 2000" : "";
    if (!quiet)
        request.end_session = [name, wait, connect = std::move(connect)] {
            connect()->Query(fmt::format("SELECT pg_catalog.pg_terminate_backend(a.pid{}) FROM "
                                         "pg_catalog.pg_stat_activity a WHERE a.application_name = $1 AND a.usename = "
                                         "session_user",
                                         wait),
                             {name});
        };
    return request;
}

DumpTocTask::DumpTocTask(DumpRequest request, Candidates reusable)
    : request_(std::move(request)), reusable_(std::move(reusable)) {}

// A courtesy to whoever reads the log: if it fails, pg_dump is ended all the same.
void DumpTocTask::EndSession() {
    if (!request_.end_session) return;
    try {
        request_.end_session();
    } catch (const Error &error) {
        if (error.code == Code::kCancelled) throw;
    }
}

bool DumpTocTask::TryFetch(Ticker &ticker, std::string &complaints) {
    std::vector<std::pair<std::string, Secret>> secrets;
    if (!request_.password.empty()) secrets.emplace_back("PGPASSWORD", request_.password);
    ChildProcess child(Arguments(request_), secrets, ticker);
    spool_ = TemporaryFile();
    auto pull = [&](MutableBytes to) { return child.Read(to); };
    try {
        DumpArchiveReader reader(pull, [&](ByteView bytes) { WriteAll(spool_.get(), bytes, "a temporary file"); });
        archive_version_ = reader.Header().version.ToString();
        for (entries_ = 0; reader.Next(); entries_++) ticker.Check();
        EndSession();
        return true;
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) throw;
        if (int status = child.Wait(); status == 0)
            throw;    // pg_dump thinks that it did well: its archive is at fault
        complaints = child.Complaints();
        return false;
    }
}

// The locks of pg_dump are asked for behind whoever waits for ours: a moment later there may be room (MECHANISMS, the undetected
// deadlock). Its messages are in the server's language, the statement it repeats is not.
void DumpTocTask::Fetch(Ticker &ticker) {
    std::string complaints;
    for (int tries = 0; tries < kLockTries; tries++) {
        if (TryFetch(ticker, complaints)) return;
        if (complaints.find("LOCK TABLE") == std::string::npos)
            throw RepeatExport{RepeatExport::kTables,
                               Error(Code::kInternal, "pg_dump could not read the definitions", complaints)};
    }
    throw RepeatExport{RepeatExport::kLocks,
                       Error(Code::kConflict, "pg_dump could not lock all tables for reading in time", complaints,
                             "another session waits for an exclusive lock; try again when it is through")};
}

void DumpTocTask::Run(Connection &, const std::string &, FrameStore &store) {
    if (lseek(spool_.get(), 0, SEEK_SET) != 0) ThrowErrno(errno, "could not read a temporary file");
    ContentFramer framer(store, reusable_);
    bool header = true;
    DumpArchiveReader reader(PullFromFd(spool_.get(), "a temporary file"), [&](ByteView piece) {
        framer.Add(piece);
        if (std::exchange(header, false)) framer.Cut();    // it holds the time: alone, it lets the rest be reused
    });
    while (reader.Next()) {}
    frames_ = framer.Finish();
    spool_.Reset();
}

void DumpTocTask::Emit(EntryWriter &writer) {
    Json entry = ContentEntry("schema/toc", frames_);
    entry["archive_version"] = archive_version_;
    entry["entries"] = entries_;
    writer.Add(entry);
}

}    // namespace ark
