#include "physical/restore_directory.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/shm.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

#include "pgdata/data_directory.h"

namespace ark {
namespace {

constexpr std::string_view kWhat = "a base backup";
// As initdb makes them.
constexpr std::string_view kOwnDirectories[] = {
    "base",        "global",      "pg_commit_ts", "pg_dynshmem",  "pg_logical", "pg_multixact",
    "pg_notify",   "pg_replslot", "pg_serial",    "pg_snapshots", "pg_stat",    "pg_stat_tmp",
    "pg_subtrans", "pg_tblspc",   "pg_twophase",  "pg_wal",       "pg_xact"};
constexpr const char *kOverwritesNothing =
    "A restore overwrites nothing: give an empty directory, or one that does not exist; or --delta, to make the "
    "backup's cluster of a data directory of the same cluster.";

// "It holds base, global, pg_wal and 20 more."
std::string WhatIsIn(const std::filesystem::path &directory) {
    constexpr std::size_t kNamed = 3;
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) names.push_back(entries->path().filename().string());
    std::ranges::sort(names);
    std::string list;
    for (std::size_t i = 0; i < std::min(names.size(), kNamed); i++) list += (i > 0 ? ", " : "") + names[i];
    if (names.size() > kNamed) list += fmt::format(" and {} more", names.size() - kNamed);
    return fmt::format("It holds {}.", list);
}

Error IsNotEmpty(const std::filesystem::path &directory, std::string hint) {
    return Error(Code::kAlreadyExists, fmt::format("directory \"{}\" is not empty", directory.string()),
                 WhatIsIn(directory), std::move(hint));
}

// A mark that says nothing is no content.
bool HoldsAnything(const std::filesystem::path &directory) {
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error))
        if (entries->path().filename() != kRestoreMark) return true;
    if (error && error.value() != ENOENT)
        ThrowErrno(error.value(), fmt::format("could not look into \"{}\"", directory.string()));
    return false;
}

// False where nothing is.
bool IsDirectory(const std::filesystem::path &path) {
    std::error_code error;
    std::filesystem::file_status status = std::filesystem::status(path, error);
    if (std::filesystem::is_directory(status)) return true;
    if (error.value() == ENOTDIR)
        throw Error(Code::kInvalidArgument, fmt::format("there can be no directory \"{}\"", path.string()),
                    "Something above it is none.");
    if (status.type() == std::filesystem::file_type::none)
        ThrowErrno(error.value(), fmt::format("could not look at \"{}\"", path.string()));
    bool is_link = std::filesystem::is_symlink(std::filesystem::symlink_status(path, error));
    if (status.type() == std::filesystem::file_type::not_found && !is_link) return false;
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no directory", path.string()),
                is_link ? "It is a link that leads to none." : "",
                "Give an empty directory, or one that does not exist.");
}

bool IsThere(const std::filesystem::path &path) {
    std::error_code error;
    bool is_there = std::filesystem::exists(path, error);
    if (error && error.value() != ENOENT && error.value() != ENOTDIR)
        ThrowErrno(error.value(), fmt::format("could not look at \"{}\"", path.string()));
    return is_there;
}

void CheckIsSameCluster(const RestoreDirectory &directory, const Manifest &backup) {
    if (!directory.control)
        throw Error(Code::kCorrupt, fmt::format("of which cluster \"{}\" is cannot be told", directory.path.string()),
                    directory.why_not, "--delta writes only over the same cluster. Give an empty directory.");
    std::string system = JsonString(backup.body, "system_identifier", kWhat);
    if (std::to_string(directory.control->system_identifier) != system)
        throw Error(
            Code::kConflict, fmt::format("\"{}\" is the data directory of another cluster", directory.path.string()),
            fmt::format("Its system identifier is {}, the backup's {}.", directory.control->system_identifier, system),
            "--delta writes only over the same cluster. Give its directory, or an empty one.");
    auto major = static_cast<int>(JsonNumber(backup.body, "server_version_num", kWhat) / 10000);
    if (directory.major != major)
        throw Error(Code::kConflict,
                    fmt::format("\"{}\" is of another version than the backup", directory.path.string()),
                    fmt::format("It is of PostgreSQL {}, the backup of {}.", directory.major, major),
                    "Give an empty directory, and start it with the backup's version.");
}

void CheckUnfinished(const RestoreDirectory &directory, const Manifest &backup, const std::string &cluster,
                     bool delta) {
    const RestoreMark &mark = *directory.mark;
    if (mark.cluster == cluster && (delta || mark.backup == backup.clear.backup)) return;
    throw Error(
        Code::kAlreadyExists,
        fmt::format("\"{}\" holds an unfinished restore of another backup", directory.path.string()),
        fmt::format("It is of backup {} of {}.", mark.backup, mark.cluster),
        mark.cluster != cluster
            ? std::string("Give an empty directory.")
            : fmt::format(
                  "To finish it: --restore-point {}. To make it backup {}: --delta. Or give an empty directory.",
                  mark.backup, backup.clear.backup));
}

// Whether anybody is attached to the shared memory that postmaster.pid names in its seventh line (miscinit.c, LOCK_FILE_LINE_SHMEM_KEY):
// sessions may outlive a postmaster that was killed.
bool IsShared(const std::string &postmaster_pid) {
    constexpr int kLine = 7;
    std::istringstream lines(postmaster_pid);
    std::string line;
    for (int i = 0; i < kLine; i++)
        if (!std::getline(lines, line)) return false;
    unsigned long key = 0, id = 0;
    if (!(std::istringstream(line) >> key >> id)) return false;
    struct shmid_ds info {};
    return shmctl(static_cast<int>(id), IPC_STAT, &info) == 0 && info.shm_nattch > 0 &&
           static_cast<unsigned long>(info.shm_perm.__key) == key;
}

}    // namespace

// As the server decides it (miscinit.c, CreateLockFile): whose process is alive is at work.
void CheckServerIsDown(const std::filesystem::path &pgdata) {
    std::string text;
    try {
        text = ReadWholeFile(pgdata / "postmaster.pid");
    } catch (const Error &error) {
        if (error.code == Code::kNotFound) return;
        throw;
    }
    long pid = std::labs(std::strtol(text.c_str(), nullptr, 10));
    if (pid == 0 || (kill(static_cast<pid_t>(pid), 0) != 0 && errno != EPERM)) {
        if (!IsShared(text)) return;
        throw Error(Code::kConflict, fmt::format("processes of a server are still at work on \"{}\"", pgdata.string()),
                    fmt::format("Its postmaster, process {}, is gone; its shared memory is in use.", pid),
                    "End them first: they are the processes of PostgreSQL whose parent is 1.");
    }
    throw Error(Code::kConflict, fmt::format("a server runs on \"{}\"", pgdata.string()),
                fmt::format("Its postmaster.pid names process {}.", pid),
                fmt::format("Stop it: pg_ctl -D {} stop. If that process is none of PostgreSQL, remove postmaster.pid.",
                            pgdata.string()));
}

bool IsThereAndNotEmpty(const std::filesystem::path &directory) {
    if (!IsDirectory(directory)) return false;
    std::error_code error;
    bool empty = std::filesystem::is_empty(directory, error);
    if (!error) return !empty;
    if (error.value() == ENOENT) return false;
    ThrowErrno(error.value(), fmt::format("could not look into \"{}\"", directory.string()));
}

RestoreDirectory LookAtRestoreDirectory(const std::filesystem::path &path) {
    if (path.empty() || !path.is_absolute())
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no absolute path of a directory", path.string()));
    RestoreDirectory directory;
    directory.path = path;
    if (!IsDirectory(path)) return directory;
    bool has_control = IsThere(path / "global" / "pg_control");
    directory.mark = ReadRestoreMark(path);
    if (directory.mark && !has_control) {
        directory.occupant = Occupant::kUnfinished;
    } else if (has_control && IsThere(path / "PG_VERSION")) {
        directory.occupant = Occupant::kCluster;
        directory.major = std::atoi(ReadWholeFile(path / "PG_VERSION").c_str());
        try {
            directory.control = ReadControl(path);
        } catch (const Error &error) {
            directory.why_not = fmt::format("{}: {}", error.message, error.detail);
        }
    } else if (HoldsAnything(path)) {
        directory.occupant = Occupant::kOther;
    }
    return directory;
}

void CheckMayRestoreInto(const RestoreDirectory &directory, const Manifest &backup, const std::string &cluster,
                         bool delta) {
    switch (directory.occupant) {
    case Occupant::kNothing: return;
    case Occupant::kUnfinished: return CheckUnfinished(directory, backup, cluster, delta);
    case Occupant::kOther:
        if (!delta) throw IsNotEmpty(directory.path, kOverwritesNothing);
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no data directory", directory.path.string()),
                    "It holds something, and no PG_VERSION and global/pg_control.",
                    "--delta writes only over a data directory of the same cluster. Give that, or an empty directory.");
    case Occupant::kCluster:
        if (!delta) throw IsNotEmpty(directory.path, kOverwritesNothing);
        CheckIsSameCluster(directory, backup);
        CheckServerIsDown(directory.path);
    }
}

void CheckTablespacePlace(const RestoreDirectory &directory, const Manifest &backup, std::uint32_t oid,
                          const std::filesystem::path &place, bool given) {
    if (!place.is_absolute())
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no absolute path of a directory", place.string()));
    if (!IsThereAndNotEmpty(place)) return;
    std::error_code none;
    if (std::filesystem::read_symlink(directory.path / "pg_tblspc" / std::to_string(oid), none) != place || none)
        throw IsNotEmpty(place, "A tablespace goes into an empty directory: say which with --tablespace-map.");
    if (directory.occupant != Occupant::kCluster || given) return;
    // The links of a copied directory lead to the original's tablespaces.
    std::filesystem::path was = JsonString(backup.body, "data_directory", kWhat);
    if (std::filesystem::weakly_canonical(was) == std::filesystem::weakly_canonical(directory.path)) return;
    throw Error(
        Code::kConflict,
        fmt::format("tablespace \"{}\" may be that of the cluster which was backed up", place.string()),
        fmt::format("That cluster was in \"{}\".", was.string()),
        fmt::format("Say where it goes: --tablespace-map {}=/another/place, or {}={} if it is this directory's.", oid,
                    oid, place.string()));
}

void CheckTablespacesApart(const std::filesystem::path &pgdata,
                           const std::map<std::uint32_t, std::filesystem::path> &places) {
    constexpr const char *kHint = "Say where each goes: --tablespace-map OID=DIRECTORY,…";
    auto real = [](const std::filesystem::path &path) {
        std::filesystem::path found = std::filesystem::weakly_canonical(path);
        return found.has_filename() ? found : found.parent_path();    // without a slash at the end
    };
    std::map<std::filesystem::path, std::uint32_t> taken;
    for (const auto &[oid, place] : places) {
        auto [at, is_new] = taken.try_emplace(real(place), oid);
        if (!is_new)
            throw Error(Code::kInvalidArgument,
                        fmt::format("tablespaces {} and {} cannot both go to \"{}\"", at->second, oid, place.string()),
                        "Their files have the same names.", kHint);
        std::filesystem::path inside = at->first.lexically_relative(real(pgdata));
        std::string first = inside.empty() ? ".." : inside.begin()->string();
        if (first == ".")
            throw Error(Code::kInvalidArgument,
                        fmt::format("tablespace {} cannot go to \"{}\": it is the data directory", oid, place.string()),
                        {}, kHint);
        if (std::ranges::find(kOwnDirectories, first) != std::end(kOwnDirectories))
            throw Error(Code::kInvalidArgument, fmt::format("tablespace {} cannot go to \"{}\"", oid, place.string()),
                        fmt::format("\"{}\" of the data directory is the server's own.", first), kHint);
    }
}

}    // namespace ark
