#include "physical/restore_directory.h"

#include <fmt/format.h>
#include <signal.h>

#include <cerrno>
#include <cstdlib>

#include "pgdata/data_directory.h"

namespace ark {
namespace {

constexpr std::string_view kWhat = "a base backup";
constexpr const char *kOverwritesNothing =
    "A restore overwrites nothing: give an empty directory, or one that does not exist; or --delta, to make the "
    "backup's cluster of a data directory of the same cluster.";

Error IsNotEmpty(const std::filesystem::path &directory, std::string hint) {
    return Error(Code::kAlreadyExists, fmt::format("directory \"{}\" is not empty", directory.string()), {},
                 std::move(hint));
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
    if (pid == 0 || (kill(static_cast<pid_t>(pid), 0) != 0 && errno != EPERM)) return;
    throw Error(Code::kConflict, fmt::format("a server runs on \"{}\"", pgdata.string()),
                fmt::format("Its postmaster.pid names process {}.", pid),
                fmt::format("Stop it: pg_ctl -D {} stop. If that process is none of PostgreSQL, remove postmaster.pid.",
                            pgdata.string()));
}

bool IsThereAndNotEmpty(const std::filesystem::path &directory) {
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
    bool has_control = std::filesystem::exists(path / "global" / "pg_control");
    directory.mark = ReadRestoreMark(path);
    if (directory.mark && !has_control) {
        directory.occupant = Occupant::kUnfinished;
    } else if (has_control && std::filesystem::exists(path / "PG_VERSION")) {
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

}    // namespace ark
