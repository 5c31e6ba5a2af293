#include "cli/restore_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/output.h"
#include "pgdata/data_directory.h"
#include "physical/file_walk.h"
#include "physical/recovery_settings.h"

namespace ark::cli {

Json SpaceToJson(const ClusterRestorePlan &plan) {
    Json space = Json::array();
    for (const SpaceNeed &need : plan.space)
        space.push_back({{"place", need.place.string()},
                         {"needed_bytes", need.needed},
                         {"there_bytes", need.there},
                         {"free_bytes", need.available}});
    return space;
}

Json TablespacesToJson(const ClusterRestorePlan &plan) {
    Json tablespaces = Json::object();
    for (const auto &[oid, place] : plan.tablespaces) tablespaces[plan.tablespaces_were.at(oid)] = place.string();
    return tablespaces;
}

void TellWork(const ClusterRestored &work, Json &result) {
    result["read_bytes"] = work.files.read;
    result["written_bytes"] = work.files.written;
    result["fetched_bytes"] = work.files.fetched;
    result["removed_files"] = work.extra.files;
    result["removed_bytes"] = work.extra.bytes;
    result["kept_wal_files"] = work.extra.kept_wal;
}

void TellEstimate(std::uint64_t bytes, Duration before, const RestoreRate &rate, Json &result) {
    double per_second = rate.PerSecond();
    if (per_second <= 0) return;
    auto time = before + Duration(static_cast<std::int64_t>(static_cast<double>(bytes) / per_second * 1e6));
    result["measured_bytes"] = rate.bytes;
    result["measured_bytes_per_second"] = static_cast<std::uint64_t>(per_second);
    result["estimated_seconds"] = std::chrono::ceil<std::chrono::seconds>(time).count();
}

// PostgreSQL replays CREATE TABLESPACE where the original has it, and removes what it finds there: on the original's machine, its files.
void WarnOfNewerTablespaces(const Manifest &backup, const ClusterRestorePlan &plan, Json &warnings) {
    std::filesystem::path original = backup.body.value("data_directory", "");
    try {
        if (std::to_string(ReadControl(original).system_identifier) != backup.body.value("system_identifier", ""))
            return;
    } catch (const Error &) {    // it is not here, or not ours to look at
        return;
    }
    Json meanwhile = backup.body.value("new_tablespaces", Json::array());
    auto is_new = [&](const Tablespace &space) {
        return !plan.tablespaces_were.contains(space.oid) ||
               std::any_of(meanwhile.begin(), meanwhile.end(), [&](const Json &oid) { return oid == space.oid; });
    };
    for (const Tablespace &space : TablespacesOf(original))
        if (is_new(space))
            warnings.push_back(fmt::format(
                "tablespace {} was made in \"{}\" after this backup had begun: a recovery that comes to that moment "
                "removes what lies "
                "there, which is the original's on this machine. Restore from a newer backup, or "
                "elsewhere, or only up to "
                "a moment before",
                space.oid, space.location));
}

void WarnOfStandbys(const LeftoverStandbys &standbys, Json &warnings) {
    if (standbys.names.empty()) return;
    std::string back = standbys.automatic
                           ? fmt::format("ALTER SYSTEM SET synchronous_standby_names = {}", ConfValue(standbys.names))
                           : std::string("ALTER SYSTEM RESET synchronous_standby_names");
    warnings.push_back(
        fmt::format("synchronous_standby_names was {}: those standbys follow the original, and commits of the restored "
                    "cluster would wait for them for ever, so it is empty in its postgresql.auto.conf. Once they "
                    "follow this cluster: {}; SELECT pg_reload_conf()",
                    ConfValue(standbys.names), back));
}

void WarnOfWhatIsLeft(const ClusterRestore &request, const ClusterRestored &restored, Json &warnings) {
    for (const std::string &place : restored.extra.unlinked)
        warnings.push_back(
            fmt::format("\"{}\" is a tablespace of what was in {}, and not one of the backup's there: it "
                        "is no part of the cluster any more, and its files are left",
                        place, request.pgdata.string()));
    if (restored.extra.kept_wal > 0)
        warnings.push_back(
            fmt::format("{} WAL files that this server had not archived are in {} now: move them up into pg_wal before "
                        "the start if they shall be replayed, else remove them when all is well",
                        restored.extra.kept_wal, (request.pgdata / kWalBeforeRestore).string()));
    WarnOfStandbys(restored.standbys, warnings);
    if (!std::filesystem::exists(request.pgdata / "postgresql.conf"))
        warnings.push_back(
            "the cluster kept its configuration outside of its data directory, and that is not part of the backup: put "
            "a postgresql.conf, pg_hba.conf and pg_ident.conf where its server will look for them, before it is "
            "started");
}

void PrintWork(const Json &result, std::ostream &out) {
    bool dry_run = result["dry_run"] == true;
    if (result["goes_on"] == true)
        out << (dry_run ? "It would go on with a restore that was interrupted.\n"
                        : "It went on with a restore that was interrupted.\n");
    if (result.contains("read_bytes"))
        out << fmt::format(
            fmt::runtime(
                dry_run ? "It would compare {} of files, write {}, fetch {} from the store and remove {} files.\n"
                        : "{} of files were compared, {} written, {} fetched from the store and {} files removed.\n"),
            BytesOf(result["read_bytes"]), BytesOf(result["written_bytes"]), BytesOf(result["fetched_bytes"]),
            TextOf(result["removed_files"]));
}

void PrintEstimate(const Json &result, std::ostream &out) {
    for (const Json &need : result["space"])
        out << fmt::format("{}: takes {}, of which {} are there; {} are free\n", TextOf(need["place"]),
                           BytesOf(need["needed_bytes"]), BytesOf(need["there_bytes"]), BytesOf(need["free_bytes"]));
    if (result.contains("estimated_seconds"))
        out << fmt::format(
            "It would take about {}: the store gave {} a second just now ({} were read to measure it, and written "
            "nowhere). The replay of WAL comes on top.\n",
            HumanDuration(std::chrono::seconds(result["estimated_seconds"].get<std::int64_t>())),
            BytesOf(result["measured_bytes_per_second"]), BytesOf(result["measured_bytes"]));
}

}    // namespace ark::cli
