#include "physical/restore_cluster.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file.h"
#include "pgdata/control_file.h"

namespace ark {
namespace {

constexpr std::string_view kWhat = "a base backup";

bool IsThereAndNotEmpty(const std::filesystem::path &directory) {
    std::error_code error;
    bool empty = std::filesystem::is_empty(directory, error);
    if (!error) return !empty;
    if (error.value() == ENOENT) return false;
    ThrowErrno(error.value(), fmt::format("could not look into \"{}\"", directory.string()));
}

void CheckIsEmpty(const std::filesystem::path &directory) {
    if (directory.empty() || !directory.is_absolute())
        throw Error(Code::kInvalidArgument,
                    fmt::format("\"{}\" is no absolute path of a directory", directory.string()));
    if (IsThereAndNotEmpty(directory))
        throw Error(Code::kAlreadyExists, fmt::format("directory \"{}\" is not empty", directory.string()), {},
                    "A restore overwrites nothing: give an empty directory, or one that does not exist.");
}

std::uint64_t FreeBytesAt(std::filesystem::path directory) {
    std::error_code error;
    while (!std::filesystem::exists(directory, error) && directory.has_relative_path())
        directory = directory.parent_path();
    std::filesystem::space_info space = std::filesystem::space(directory, error);
    return error ? 0 : space.available;
}

// By its oid, by where it was, or where it was.
std::filesystem::path PlaceOf(const ClusterRestore &request, std::uint32_t oid, const std::string &location) {
    for (const std::string &key : {std::to_string(oid), location})
        if (auto at = request.tablespaces.find(key); at != request.tablespaces.end()) return at->second;
    return location;
}

void CheckReaches(const RecoveryTarget &target, const Manifest &backup) {
    if (target.kind == RecoveryTarget::Kind::kTime && ParseMoment(target.value) < backup.clear.finished)
        throw Error(Code::kInvalidArgument,
                    fmt::format("{} lies before the end of backup {}", target.value, backup.clear.backup),
                    fmt::format("The backup ended at {}.", FormatTime(backup.clear.finished)),
                    "Choose an earlier backup (pg_ark list --kind physical), or a later target.");
    std::string stop = JsonString(backup.body, "stop_lsn", kWhat);
    if (target.kind == RecoveryTarget::Kind::kLsn && ParseLsn(target.value) < ParseLsn(stop))
        throw Error(
            Code::kInvalidArgument,
            fmt::format("position {} lies before the end of backup {}", target.value, backup.clear.backup),
            fmt::format("The backup ended at {}: a cluster restored from it is consistent from there on.", stop),
            "Choose an earlier backup (pg_ark list --kind physical), or a later target.");
}

void MakeDirectory(const std::filesystem::path &directory, mode_t mode) {
    std::filesystem::create_directories(directory);
    if (chmod(directory.c_str(), mode) != 0)
        ThrowErrno(errno, fmt::format("could not set the mode of \"{}\"", directory.string()));
}

}    // namespace

const BackupSummary *ChooseBackup(const std::vector<BackupSummary> &backups, const RecoveryTarget &target) {
    for (const BackupSummary &backup : backups) {
        if (backup.manifest.clear.kind != "physical" || !backup.error.empty() || !backup.manifest.readable()) continue;
        if (target.kind == RecoveryTarget::Kind::kLsn &&
            ParseLsn(target.value) < ParseLsn(JsonString(backup.manifest.body, "stop_lsn", kWhat)))
            continue;
        if (target.kind == RecoveryTarget::Kind::kTime && ParseMoment(target.value) < backup.manifest.clear.finished)
            continue;
        return &backup;
    }
    return nullptr;
}

ClusterRestorePlan PlanClusterRestore(const ClusterRestore &request, const Manifest &backup,
                                      const std::shared_ptr<FrameReader> &frames) {
    if (backup.clear.kind != "physical")
        throw Error(Code::kInvalidArgument,
                    fmt::format("backup {} is {}, not of a whole cluster", backup.clear.backup, backup.clear.kind), {},
                    "A database comes back with pg_ark restore-database, tables with pg_ark restore-entities.");
    CheckRecoveryTarget(request.target);
    CheckReaches(request.target, backup);
    ClusterRestorePlan plan;
    plan.files = JsonNumber(backup.body, "files", kWhat);
    plan.bytes = JsonNumber(backup.body, "plain_bytes", kWhat);
    plan.tablespaces_were = TablespacesOfBackup(backup, frames);
    for (const auto &[oid, location] : plan.tablespaces_were) plan.tablespaces[oid] = PlaceOf(request, oid, location);
    for (const auto &[key, place] : request.tablespaces) {
        bool known = false;
        for (const auto &[oid, location] : plan.tablespaces_were)
            known = known || key == std::to_string(oid) || key == location;
        if (!known)
            throw Error(Code::kInvalidArgument,
                        fmt::format("backup {} has no tablespace \"{}\"", backup.clear.backup, key), {},
                        "Tablespaces are named by oid or by the directory where they were.");
    }
    CheckIsEmpty(request.pgdata);
    for (const auto &[oid, place] : plan.tablespaces) CheckIsEmpty(place);
    plan.free_bytes = FreeBytesAt(request.pgdata);
    if (plan.tablespaces.empty() && plan.free_bytes < plan.bytes)
        throw Error(Code::kUnavailable,
                    fmt::format("there is too little space for the cluster at \"{}\"", request.pgdata.string()),
                    fmt::format("It has {}, and {} are free.", HumanBytes(plan.bytes), HumanBytes(plan.free_bytes)),
                    "Its WAL needs space too.")
            .WithSqlstate("53100");
    return plan;
}

FilesRestored RestoreCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                             const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log) {
    MakeDirectory(request.pgdata, static_cast<mode_t>(JsonNumber(backup.body, "data_directory_mode", kWhat)));
    for (const auto &[oid, place] : plan.tablespaces) MakeDirectory(place, 0700);
    FilesRestore files{request.pgdata, plan.tablespaces, request.jobs};
    Bytes pg_control = SmallContent(backup, frames, "stop/pg_control");
    ParseControlFile(pg_control);
    FilesRestored restored = RestoreFiles(files, backup, frames, ticker, log);
    // The links are made already, so that a tablespace map is not needed; it would make them again where they were.
    WriteFileAtomically(request.pgdata / "backup_label", SmallContent(backup, frames, "stop/backup_label"), 0600);
    std::filesystem::path conf = request.pgdata / "postgresql.auto.conf";
    std::string settings = std::filesystem::exists(conf) ? WithoutRecoverySettings(ReadWholeFile(conf)) : std::string();
    settings += fmt::format("# pg_ark restore, from backup {}. Without effect once the recovery has ended.\n",
                            backup.clear.backup) +
                RecoverySettings(request.target, request.restore_command);
    WriteFileAtomically(conf, AsBytes(settings), 0600);
    WriteFileAtomically(request.pgdata / "recovery.signal", {}, 0600);
    FinishFiles(files, pg_control);
    return restored;
}

}    // namespace ark
