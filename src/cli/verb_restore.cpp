#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/restore_report.h"
#include "cli/verb.h"
#include "physical/restore_cluster.h"
#include "physical/restore_rate.h"

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

// A directory as it is compared and shown: absolute, and without a slash at its end. What goes up (..) is followed as the system would.
std::filesystem::path DirectoryOf(const std::string &text) {
    std::filesystem::path path = std::filesystem::absolute(text);
    bool goes_up = std::ranges::find(path, std::filesystem::path("..")) != path.end();
    path = goes_up ? std::filesystem::weakly_canonical(path) : path.lexically_normal();
    return path.has_filename() ? path : path.parent_path();
}

// "16390=/mnt/fast,/srv/old=/srv/new".
std::map<std::string, std::filesystem::path> TablespacesOf(const Arguments &arguments) {
    std::map<std::string, std::filesystem::path> map;
    for (const std::string &pair : arguments.List("tablespace_map")) {
        std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0 || pair[equals + 1] != '/')
            throw Error(Code::kInvalidArgument, fmt::format("\"{}\" does not say where a tablespace goes", pair), {},
                        "Give OID=DIRECTORY or OLD=DIRECTORY, with commas between several, and absolute paths.");
        std::string of = pair.substr(0, equals);
        if (of.starts_with('/')) of = DirectoryOf(of).string();
        if (!map.emplace(of, DirectoryOf(pair.substr(equals + 1))).second)
            throw Error(Code::kInvalidArgument, fmt::format("it is said twice where tablespace \"{}\" goes", of), {},
                        "Say it once.");
    }
    return map;
}

// The restored server runs its commands in its own directory.
std::string WithAbsolutePath(const std::string &reference) {
    constexpr std::string_view kFile = "file:";
    if (!reference.starts_with(kFile)) return reference;
    return std::string(kFile) + std::filesystem::absolute(reference.substr(kFile.size())).string();
}

// The path of this program, also where a newer one has taken its place meanwhile.
std::string ProgramPath() {
    constexpr std::string_view kReplaced = " (deleted)";
    std::string path = std::filesystem::read_symlink("/proc/self/exe").string();
    if (path.ends_with(kReplaced) && !std::filesystem::exists(path)) path.resize(path.size() - kReplaced.size());
    return path;
}

// The command with which this program, run by the restored server, finds what this run has found.
std::string RestoreCommand(Engine &engine, const Repository &repository) {
    std::string command = ShellWord(ProgramPath()) + " wal-fetch --quiet";
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

// What was interrupted goes on with its own backup, also if there is a newer one by now. Empty: nothing was.
std::string UnfinishedBackup(const ClusterRestore &request) {
    RestoreDirectory there = LookAtRestoreDirectory(request.pgdata);
    bool ours = there.occupant == Occupant::kUnfinished && there.mark->cluster == request.cluster;
    return ours ? there.mark->backup : std::string();
}

RecoveryChoice Choose(Engine &engine, const std::shared_ptr<Repository> &repository, const ClusterRestore &request,
                      const Arguments &arguments) {
    std::string unfinished = UnfinishedBackup(request);
    if (arguments.Has("restore_point") || unfinished.empty())
        return ChooseRecovery(engine, repository, request.target, arguments.Text("restore_point"));
    try {
        return ChooseRecovery(engine, repository, request.target, unfinished);
    } catch (Error &error) {    // it is gone, or does not reach the target
        if (error.code != Code::kNotFound) throw;
        if (request.delta) return ChooseRecovery(engine, repository, request.target, {});
        throw error.WithHint(
            fmt::format("\"{}\" holds an unfinished restore of backup {}, and the same command goes on with that. To "
                        "restore another one there: --delta. Or give an empty directory.",
                        request.pgdata.string(), unfinished));
    }
}

// Of what is left there of a cluster; empty: nothing.
std::string SystemIdentifierOf(const std::filesystem::path &pgdata) {
    RestoreDirectory there = LookAtRestoreDirectory(pgdata);
    return there.control ? std::to_string(there.control->system_identifier) : std::string();
}

bool OwnsPath(const Repository &repository, const std::filesystem::path &pgdata) {
    std::optional<Writer> owner = NewestWriter(repository);
    return owner && owner->fingerprint == FingerprintOf(pgdata);
}

ClusterRestored Restore(Engine &engine, const ClusterRestore &request, const ClusterRestorePlan &plan,
                        const Manifest &backup, const std::shared_ptr<FrameReader> &frames) {
    try {
        return RestoreCluster(request, plan, backup, frames, engine.ticker(), engine.log());
    } catch (Error &error) {
        if (error.Sqlstate() == "53100") error.WithHint("Free space there.");    // a store's hint would be another
        if (UnfinishedBackup(request) == backup.clear.backup && error.code != Code::kConflict)
            error.hint += fmt::format(
                "{}What was restored so far is in \"{}\", and no server starts on it: the same command again goes on.",
                error.hint.empty() ? "" : " ", request.pgdata.string());
        throw;
    }
}

Json Run(Engine &engine, const Arguments &arguments) {
    ClusterRestore request;
    request.pgdata = arguments.Text("pgdata");
    if (request.pgdata.empty())
        throw Error(Code::kInvalidArgument, "into which directory shall the cluster be restored?", {},
                    "Give --pgdata DIR.");
    request.pgdata = DirectoryOf(request.pgdata.string());
    request.tablespaces = TablespacesOf(arguments);
    request.target = TargetOf(arguments);
    request.jobs = static_cast<int>(engine.config().Int("jobs"));
    request.delta = arguments.Bool("delta");
    bool dry_run = arguments.Bool("dry_run");

    TimePoint started = engine.clock().Now();
    std::shared_ptr<Repository> repository = engine.OpenToRestore(SystemIdentifierOf(request.pgdata));
    request.repository = repository->id();
    request.cluster = repository->cluster().Path();
    request.owns_path = OwnsPath(*repository, request.pgdata);
    RecoveryChoice choice = Choose(engine, repository, request, arguments);
    const BackupSummary &backup = choice.backup;
    const ManifestClear &clear = backup.manifest.clear;
    request.target.reads_ahead = choice.window.end == RecoveryWindow::End::kArchive;
    request.target = Reachable(engine, repository, choice, request.target);
    request.restore_command = RestoreCommand(engine, *repository);
    request.digest_key = engine.Keys(repository)->Get(clear.domain, clear.generation);
    auto frames = std::make_shared<FrameReader>(repository, engine.Keys(repository));
    ClusterRestorePlan plan = PlanClusterRestore(request, backup.manifest, frames);
    Json result{{"state", "done"},
                {"backup_id", clear.backup},
                {"cluster", request.cluster},
                {"pgdata", request.pgdata.string()},
                {"dry_run", dry_run},
                {"window", WindowToJson(choice.window)},
                {"files", plan.files},
                {"bytes", plan.bytes},
                {"goes_on", plan.occupant == Occupant::kUnfinished},
                {"space", SpaceToJson(plan)},
                {"free_bytes", plan.space.front().available},
                {"tablespaces", TablespacesToJson(plan)},
                {"settings", RecoverySettings(request.target, request.restore_command)},
                {"warnings", Json(choice.warnings)},
                {"started_at", FormatTime(started, true)}};
    WarnOfNewerTablespaces(backup.manifest, plan, result["warnings"]);
    if (geteuid() == 0)
        result["warnings"].push_back(
            "run by root, it writes files of root, and PostgreSQL does not run as root: give the directory, and its "
            "tablespaces, to the user that will (chown -R) before the start, or run the command as that user");
    std::string what = fmt::format("{} files, {}", plan.files, HumanBytes(plan.bytes));
    if (dry_run) {
        bool compares = plan.occupant != Occupant::kNothing;
        ClusterRestored would;
        if (compares) would = CompareCluster(request, plan, backup.manifest, frames, engine.ticker(), engine.log());
        Duration compared = engine.clock().Now() - started;
        if (compares) TellWork(would, result);
        TellEstimate(compares ? would.files.written : plan.bytes, compares ? compared : Duration{},
                     MeasureRestoreRate(backup.manifest, frames, request.jobs, engine.clock(), engine.ticker()),
                     result);
        result["message"] =
            fmt::format("backup {} would be restored into {}: {}", clear.backup, request.pgdata.string(), what);
    } else {
        ClusterRestored restored = Restore(engine, request, plan, backup.manifest, frames);
        TellWork(restored, result);
        WarnOfWhatIsLeft(request, restored, result["warnings"]);
        result["message"] =
            fmt::format("backup {} is restored into {}: {}", clear.backup, request.pgdata.string(), what);
    }
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    return result;
}

void Print(const Json &result, std::ostream &out) {
    bool dry_run = result["dry_run"] == true;
    out << TextOf(result["message"]) << '\n';
    PrintWork(result, out);
    for (const auto &[was, is] : result["tablespaces"].items())
        out << fmt::format("tablespace {} {} {}\n", was, dry_run ? "would go to" : "is in", TextOf(is));
    if (dry_run) {
        PrintEstimate(result, out);
        const Json &window = result["window"];
        out << fmt::format("its recovery window on timeline {}: {} ({}) to {} ({})\n", TextOf(window["timeline"]),
                           TextOf(window["from_lsn"]), TextOf(window["window_start"]), TextOf(window["until_lsn"]),
                           TextOf(window["window_end"]));
        out << "postgresql.auto.conf would get:\n" << TextOf(result["settings"]);
        return;
    }
    out << fmt::format(
        "pg_verifybackup -n {} checks it, until it is started: pg_ctl -D {} start. It recovers from the archive then.\n"
        "It is a copy: it archives nothing into this store until it takes over (pg_ark lease take), so if it has an "
        "archive_command, its pg_wal grows meanwhile.\n",
        TextOf(result["pgdata"]), TextOf(result["pgdata"]));
}

}    // namespace

Verb RestoreVerb() {
    return {
        "restore",
        "restore a whole cluster from a base backup, to any moment since",
        "Writes the files into an empty directory and the settings with which the server recovers from the archive up "
        "to the target. "
        "Needs the store and the key alone, and no server; run it as the user that will own the cluster.\n"
        "With --delta into what is left of the same cluster: only what differs is fetched and written, and files that "
        "the backup has not are removed. A restore that was interrupted goes on when the command is run again.\n"
        "Example: pg_ark restore --pgdata /var/lib/postgresql/15/main --target-time '2026-11-27T14:03:00+01:00'",
        {{"pgdata", FlagKind::kText, "DIR", "where to: an empty directory, or one that does not exist"},
         {"delta", FlagKind::kBool, "",
          "write over what DIR holds of the same cluster, whose server is stopped; what is equal stays"},
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
         {"dry_run", FlagKind::kBool, "", "check everything and say what would be done, and about how long it takes"}},
        Run,
        Print,
        ShowsADryRun};
}

}    // namespace ark::cli
