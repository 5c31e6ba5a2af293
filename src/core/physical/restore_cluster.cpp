#include "physical/restore_cluster.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file.h"
#include "pgdata/control_file.h"
#include "pgdata/restored_mark.h"
#include "physical/restored_manifest.h"

namespace ark {
namespace {

constexpr std::string_view kWhat = "a base backup";

// By its oid, by where it was, or where it was.
std::optional<std::filesystem::path> GivenPlaceOf(const ClusterRestore &request, std::uint32_t oid,
                                                  const std::string &location) {
    for (const std::string &key : {std::to_string(oid), location})
        if (auto at = request.tablespaces.find(key); at != request.tablespaces.end()) return at->second;
    return std::nullopt;
}

std::string TablespaceList(const std::map<std::uint32_t, std::string> &tablespaces) {
    std::string list;
    for (const auto &[oid, location] : tablespaces)
        list += fmt::format("{}{} in \"{}\"", list.empty() ? "" : ", ", oid, location);
    return list.empty() ? "It has none." : fmt::format("It has {}.", list);
}

std::vector<SpaceRoot> SpaceRootsOf(const ClusterRestore &request, const ClusterRestorePlan &plan,
                                    const Manifest &backup, const std::shared_ptr<FrameReader> &frames) {
    bool is_new = plan.occupant == Occupant::kNothing;
    std::vector<SpaceRoot> roots{{request.pgdata, plan.bytes, is_new ? 0 : BytesBelow(request.pgdata)}};
    std::vector<std::filesystem::path> places{request.pgdata};
    for (const auto &[oid, place] : plan.tablespaces) {
        roots.push_back({place, 0, is_new ? 0 : BytesBelow(place)});
        places.push_back(place);
    }
    if (ShareAFileSystem(places)) return roots;
    std::map<std::uint32_t, std::uint64_t> bytes = BytesByTablespace(backup, frames);
    roots.front().needed = bytes[0];
    std::size_t next = 1;
    for (const auto &[oid, place] : plan.tablespaces) roots[next++].needed = bytes[oid];
    return roots;
}

void MakeDirectory(const std::filesystem::path &directory, mode_t mode) {
    std::filesystem::create_directories(directory);
    if (chmod(directory.c_str(), mode) != 0)
        ThrowErrno(errno, fmt::format("could not set the mode of \"{}\"", directory.string()));
}

FilesRestore FilesOf(const ClusterRestore &request, const ClusterRestorePlan &plan) {
    FilesRestore files{request.pgdata, plan.tablespaces, request.jobs};
    if (plan.occupant != Occupant::kNothing) files.compare = request.digest_key;
    files.keep_wal = request.owns_path;
    return files;
}

// From here on no server starts. One that was just started gets it back.
void RemoveControl(const std::filesystem::path &pgdata) {
    std::filesystem::path control = pgdata / "global" / "pg_control";
    Bytes was = ToBytes(ReadWholeFile(control));
    std::filesystem::remove(control);
    SyncDirectory(control.parent_path());
    try {
        CheckServerIsDown(pgdata);
    } catch (const Error &) {
        WriteFileAtomically(control, was, 0600);
        throw;
    }
}

// Returns the standbys that its commits would have waited for.
LeftoverStandbys WriteRecoveryFiles(const ClusterRestore &request, const Manifest &backup) {
    std::filesystem::path conf = request.pgdata / "postgresql.auto.conf";
    std::string settings = std::filesystem::exists(conf) ? WithoutRecoverySettings(ReadWholeFile(conf)) : std::string();
    LeftoverStandbys standbys = FindLeftoverStandbys(request.pgdata, settings);
    if (!standbys.names.empty()) settings = WithoutStandbys(settings);
    settings += fmt::format("# pg_ark restore, from backup {}. Without effect once the recovery has ended.\n",
                            backup.clear.backup) +
                RecoverySettings(request.target, request.restore_command);
    WriteFileAtomically(conf, AsBytes(settings), 0600);
    std::filesystem::remove(request.pgdata / "standby.signal");
    WriteFileAtomically(request.pgdata / "recovery.signal", {}, 0600);
    std::filesystem::create_directories(request.pgdata / "pg_wal" / "archive_status");
    WriteRestoredMark(
        request.pgdata,
        RestoredFrom{.repository = request.repository, .cluster = request.cluster, .backup = backup.clear.backup},
        SystemRandom());
    return standbys;
}

}    // namespace

ClusterRestorePlan PlanClusterRestore(const ClusterRestore &request, const Manifest &backup,
                                      const std::shared_ptr<FrameReader> &frames) {
    if (backup.clear.kind != "physical")
        throw Error(Code::kInvalidArgument,
                    fmt::format("backup {} is {}, not of a whole cluster", backup.clear.backup, backup.clear.kind), {},
                    "A database comes back with pg_ark restore-database, tables with pg_ark restore-entities.");
    CheckRecoveryTarget(request.target);
    ClusterRestorePlan plan;
    plan.files = JsonNumber(backup.body, "files", kWhat);
    plan.bytes = JsonNumber(backup.body, "plain_bytes", kWhat);
    plan.tablespaces_were = TablespacesOfBackup(backup, frames);
    for (const auto &[oid, location] : plan.tablespaces_were)
        plan.tablespaces[oid] = GivenPlaceOf(request, oid, location).value_or(location);
    for (const auto &[key, place] : request.tablespaces) {
        bool known = false;
        for (const auto &[oid, location] : plan.tablespaces_were)
            known = known || key == std::to_string(oid) || key == location;
        if (!known)
            throw Error(Code::kInvalidArgument,
                        fmt::format("backup {} has no tablespace \"{}\"", backup.clear.backup, key),
                        TablespaceList(plan.tablespaces_were),
                        "Tablespaces are named by oid or by the directory where they were.");
    }
    CheckTablespacesApart(request.pgdata, plan.tablespaces);
    RestoreDirectory directory = LookAtRestoreDirectory(request.pgdata);
    CheckMayRestoreInto(directory, backup, request.cluster, request.delta);
    plan.occupant = directory.occupant;
    for (const auto &[oid, place] : plan.tablespaces)
        CheckTablespacePlace(directory, backup, oid, place,
                             GivenPlaceOf(request, oid, plan.tablespaces_were.at(oid)).has_value());
    plan.space = SpaceNeedsOf(SpaceRootsOf(request, plan, backup, frames));
    CheckSpace(plan.space);
    return plan;
}

ClusterRestored CompareCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                               const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log) {
    FilesRestore files = FilesOf(request, plan);
    files.pretend = true;
    ClusterRestored would;
    if (files.compare) would.extra = RemoveExtraFiles(files, backup, frames, ticker);
    would.files = RestoreFiles(files, backup, frames, ticker, log);
    return would;
}

ClusterRestored RestoreCluster(const ClusterRestore &request, const ClusterRestorePlan &plan, const Manifest &backup,
                               const std::shared_ptr<FrameReader> &frames, Ticker &ticker, Log &log) {
    MakeDirectory(request.pgdata, static_cast<mode_t>(JsonNumber(backup.body, "data_directory_mode", kWhat)));
    for (const auto &[oid, place] : plan.tablespaces) MakeDirectory(place, 0700);
    RestoreMarkFile mark(request.pgdata, {request.cluster, backup.clear.backup});
    FilesRestore files = FilesOf(request, plan);
    Bytes pg_control = SmallContent(backup, frames, "stop/pg_control"),
          label = SmallContent(backup, frames, "stop/backup_label");
    ParseControlFile(pg_control);
    if (plan.occupant == Occupant::kCluster) RemoveControl(request.pgdata);
    ClusterRestored restored;
    if (files.compare) restored.extra = RemoveExtraFiles(files, backup, frames, ticker);
    RestoredManifest manifest(request.pgdata, backup);
    restored.files =
        RestoreFiles(files, backup, frames, ticker, log, [&](const RestoredFile &file) { manifest.Add(file); });
    // The links are made already, so that a tablespace map is not needed; it would make them again where they were.
    WriteFileAtomically(request.pgdata / "backup_label", label, 0600);
    manifest.Add("backup_label", label, backup.clear.finished);
    manifest.Add("global/pg_control", pg_control, backup.clear.finished);
    manifest.Finish();
    restored.standbys = WriteRecoveryFiles(request, backup);
    FinishFiles(files, pg_control);
    mark.Remove();
    return restored;
}

}    // namespace ark
