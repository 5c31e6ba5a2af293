#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "physical/restore_cluster.h"

namespace ark::cli {
namespace {

RecoveryTarget TargetOf(const Arguments &arguments) {
    using enum RecoveryTarget::Kind;
    RecoveryTarget target;
    int targets = 0;
    for (auto [name, kind] :
         {std::pair("target_time", kTime), std::pair("target_lsn", kLsn), std::pair("target_name", kName),
          std::pair("target_xid", kXid), std::pair("target", kImmediate)}) {
        if (!arguments.Has(name)) continue;
        targets++;
        target.kind = kind;
        target.value = arguments.Text(name);
    }
    if (targets > 1)
        throw Error(Code::kInvalidArgument, "a recovery has one target", {},
                    "Give one of --target-time, --target-lsn, --target-name, --target-xid and --target immediate.");
    if (target.kind == kImmediate && target.value != "immediate")
        throw Error(Code::kInvalidArgument, fmt::format("there is no target \"{}\"", target.value), {},
                    "It is immediate, or one of --target-time, --target-lsn, --target-name and --target-xid.");
    target.inclusive = arguments.Bool("target_inclusive", true);
    target.timeline = arguments.Text("target_timeline", "latest");
    target.action = arguments.Text("target_action", "promote");
    CheckRecoveryTarget(target);
    return target;
}

// "16390=/mnt/fast,/srv/old=/srv/new".
std::map<std::string, std::filesystem::path> TablespacesOf(const Arguments &arguments) {
    std::map<std::string, std::filesystem::path> map;
    for (const std::string &pair : arguments.List("tablespace_map")) {
        std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0 || pair[equals + 1] != '/')
            throw Error(Code::kInvalidArgument, fmt::format("\"{}\" does not say where a tablespace goes", pair), {},
                        "Give OID=DIRECTORY or OLD=DIRECTORY, with commas between several, and absolute paths.");
        map[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return map;
}

// The restored server runs its commands in its own directory.
std::string WithAbsolutePath(const std::string &reference) {
    constexpr std::string_view kFile = "file:";
    if (!reference.starts_with(kFile)) return reference;
    return std::string(kFile) + std::filesystem::absolute(reference.substr(kFile.size())).string();
}

// The command with which this program, run by the restored server, finds what this run has found.
std::string RestoreCommand(Engine &engine, const Repository &repository) {
    std::string command = ShellWord(std::filesystem::read_symlink("/proc/self/exe").string()) + " wal-fetch --quiet";
    auto add = [&](const char *flag, const std::string &value) {
        if (!value.empty()) command += fmt::format(" {}={}", flag, ShellWord(value));
    };
    add("--store", engine.config().Text("store"));
    add("--cluster", repository.cluster().Path());
    add("--encryption-key", WithAbsolutePath(engine.config().Text("encryption_key")));
    std::string escaped;    // the server replaces %p and the like
    for (char c : command) escaped += c == '%' ? "%%" : std::string(1, c);
    return escaped + " %f %p";
}

BackupSummary Choose(Engine &engine, const std::shared_ptr<Repository> &repository, const Arguments &arguments,
                     const RecoveryTarget &target) {
    if (arguments.Has("restore_point")) return engine.Find(repository, arguments.Text("restore_point"), {}, "physical");
    std::vector<BackupSummary> backups = ListBackups(*repository, engine.Keys(repository).get(), engine.clock().Now());
    if (const BackupSummary *chosen = ChooseBackup(backups, target)) return *chosen;
    std::string oldest;
    for (const BackupSummary &backup : backups)
        if (backup.manifest.clear.kind == "physical" && backup.manifest.readable())
            oldest = fmt::format("The oldest base backup ended at {} ({}).", FormatTime(backup.manifest.clear.finished),
                                 JsonString(backup.manifest.body, "stop_lsn", "a base backup"));
    throw Error(Code::kNotFound,
                fmt::format("{} has no base backup that reaches back to the target", repository->cluster().Path()),
                oldest,
                oldest.empty() ? "Take one with pg_ark backup --kind physical." : "A later target can be reached.");
}

Json Run(Engine &engine, const Arguments &arguments) {
    ClusterRestore request;
    request.pgdata = arguments.Text("pgdata");
    if (request.pgdata.empty())
        throw Error(Code::kInvalidArgument, "into which directory shall the cluster be restored?", {},
                    "Give --pgdata DIR.");
    request.pgdata = std::filesystem::absolute(request.pgdata).lexically_normal();
    request.tablespaces = TablespacesOf(arguments);
    request.target = TargetOf(arguments);
    request.jobs = static_cast<int>(engine.config().Int("jobs"));
    bool dry_run = arguments.Bool("dry_run");

    TimePoint started = engine.clock().Now();
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    BackupSummary backup = Choose(engine, repository, arguments, request.target);
    request.restore_command = RestoreCommand(engine, *repository);
    auto frames = std::make_shared<FrameReader>(repository, engine.Keys(repository));
    ClusterRestorePlan plan = PlanClusterRestore(request, backup.manifest, frames);
    if (!dry_run) RestoreCluster(request, plan, backup.manifest, frames, engine.ticker(), engine.log());

    Json tablespaces = Json::object();
    for (const auto &[oid, place] : plan.tablespaces) tablespaces[plan.tablespaces_were.at(oid)] = place.string();
    Json warnings = Json::array();
    if (!dry_run && !std::filesystem::exists(request.pgdata / "postgresql.conf"))
        warnings.push_back(
            "the cluster kept its configuration outside of its data directory, and that is not part of the backup: put "
            "a "
            "postgresql.conf, pg_hba.conf and pg_ident.conf where its server will look for them, before it is started");
    std::string what = fmt::format("{} files, {}", plan.files, HumanBytes(plan.bytes));
    return {{"state", "done"},
            {"backup_id", backup.manifest.clear.backup},
            {"cluster", repository->cluster().Path()},
            {"pgdata", request.pgdata.string()},
            {"dry_run", dry_run},
            {"files", plan.files},
            {"bytes", plan.bytes},
            {"free_bytes", plan.free_bytes},
            {"tablespaces", tablespaces},
            {"warnings", warnings},
            {"settings", RecoverySettings(request.target, request.restore_command)},
            {"started_at", FormatTime(started, true)},
            {"finished_at", FormatTime(engine.clock().Now(), true)},
            {"message", dry_run ? fmt::format("backup {} would be restored into {}: {}", backup.manifest.clear.backup,
                                              request.pgdata.string(), what)
                                : fmt::format("backup {} is restored into {}: {}", backup.manifest.clear.backup,
                                              request.pgdata.string(), what)}};
}

void Print(const Json &result, std::ostream &out) {
    out << TextOf(result["message"]) << '\n';
    for (const auto &[was, is] : result["tablespaces"].items())
        out << fmt::format("tablespace {} {} {}\n", was, result["dry_run"] == true ? "would go to" : "is in",
                           TextOf(is));
    if (result["dry_run"] == true) {
        out << "postgresql.auto.conf would get:\n" << TextOf(result["settings"]);
        return;
    }
    out << fmt::format(
        "Start it: pg_ctl -D {} start. It recovers from the archive then.\n"
        "It is a copy: it archives nothing into this store until it takes over (pg_ark lease take), so if it has an "
        "archive_command, its pg_wal grows meanwhile.\n",
        TextOf(result["pgdata"]));
}

}    // namespace

Verb RestoreVerb() {
    return {
        "restore",
        "restore a whole cluster from a base backup, to any moment since",
        "Writes the files into an empty directory and the settings with which the server recovers from the archive up "
        "to the target. "
        "Needs the store and the key alone, and no server; run it as the user that will own the cluster.\n"
        "Example: pg_ark restore --pgdata /var/lib/postgresql/15/main --target-time '2026-11-27T14:03:00+01:00'",
        {{"pgdata", FlagKind::kText, "DIR", "where to: an empty directory, or one that does not exist"},
         {"restore_point", FlagKind::kText, "ID",
          "a base backup: id, label or latest (default: the newest that reaches the target)"},
         {"target_time", FlagKind::kText, "TIME", "recover up to this moment (2026-11-27T14:03:00+01:00)"},
         {"target_lsn", FlagKind::kText, "LSN", "up to this position"},
         {"target_name", FlagKind::kText, "NAME", "up to this named restore point"},
         {"target_xid", FlagKind::kText, "XID", "up to this transaction"},
         {"target", FlagKind::kText, "WORD", "immediate: only as far as is needed to be consistent"},
         {"target_inclusive", FlagKind::kBool, "", "whether the target itself is still recovered (default: it is)"},
         {"target_timeline", FlagKind::kText, "WORD", "latest (default), current or a number"},
         {"target_action", FlagKind::kText, "WORD", "what the server does there: promote (default), pause or shutdown"},
         {"tablespace_map", FlagKind::kList, "LIST",
          "where tablespaces go: OID=DIR,/old/place=/new/place (default: where they were)"},
         {"dry_run", FlagKind::kBool, "", "check everything and say what would be done"}},
        Run,
        Print};
}

}    // namespace ark::cli
