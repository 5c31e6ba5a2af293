#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

constexpr const char *kNagios = "nagios";

// Exit codes and texts as Nagios plugins have them: 0 OK, 1 WARNING, 2 CRITICAL. (Of faults: plugin.h.)
Json Judge(const Json &newest, TimePoint now, Duration warn, Duration critical) {
    if (newest.is_null()) return {{"code", 2}, {"text", "CRITICAL: there is no backup"}};
    Duration age = now - ParseTime(newest["finished_at"].get<std::string>());
    std::string text = fmt::format("newest backup {} is {} old", TextOf(newest["backup_id"]), HumanDuration(age));
    if (newest["restorable"] == false)
        return {{"code", 2}, {"text", "CRITICAL: " + text + " and cannot be restored: " + TextOf(newest["why_not"])}};
    if (age > critical) return {{"code", 2}, {"text", "CRITICAL: " + text}};
    if (age > warn) return {{"code", 1}, {"text", "WARNING: " + text}};
    return {{"code", 0}, {"text", "OK: " + text}};
}

// Without the WAL up to its end a base backup is none.
void AskForItsWal(Json &backup, const Recovery &recovery) {
    std::string missing;
    for (const RecoveryWindow &window : recovery.windows) {
        if (window.backup != TextOf(backup["backup_id"])) continue;
        if (window.Opens()) return;
        missing = window.missing.Text();
    }
    if (missing.empty()) return;
    backup["restorable"] = false;
    backup["why_not"] = fmt::format("WAL segment {} is missing", missing);
}

Json Run(Engine &engine, const Arguments &arguments) {
    bool nagios = arguments.Bool(kNagios);
    if (nagios) engine.Hurry();    // what asks waits for seconds only, and asks again
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    std::shared_ptr<KeyRing> keys =
        engine.ConfiguredKey() || !repository->encrypted() ? engine.Keys(repository) : nullptr;
    TimePoint now = engine.clock().Now();
    std::vector<BackupSummary> backups = ListBackups(*repository, keys.get(), now);
    Json newest;
    std::uint64_t new_bytes = 0;
    for (const BackupSummary &backup : backups) {
        const std::string &kind = backup.manifest.clear.kind;
        if (newest.is_null() && (kind == "logical" || kind == "physical"))
            newest = BackupToJson(backup, *repository, engine.StoreName());
        new_bytes += backup.manifest.clear.new_bytes;
    }
    if (newest.is_object() && newest["kind"] == "physical" && keys)
        AskForItsWal(newest, ReadRecovery(engine, repository));
    std::optional<Writer> writer = NewestWriter(*repository);
    Json result{{"state", "done"},
                {"cluster", repository->cluster().Path()},
                {"store", engine.StoreName()},
                {"stores", Json::array({engine.Store()->Describe()})},
                {"not_written", engine.UnwrittenStores()},
                {"backups", backups.size()},
                {"newest", newest},
                {"bytes_stored", new_bytes},
                {"open_backups", OpenBackups(*repository).size()},
                {"writer", writer ? Json(writer->host) : Json()},
                {"epoch", writer ? Json(writer->epoch) : Json()},
                {"encrypted", repository->encrypted()},
                {"key", engine.ConfiguredKey() ? Json(KeyFingerprint(*engine.ConfiguredKey())) : Json()}};
    Json verdict = Judge(newest, now, ParseDuration(arguments.Text("warn", "25 h"), "warn"),
                         ParseDuration(arguments.Text("critical", "48 h"), "critical"));
    if (std::string unwritten = engine.Unwritten(); !unwritten.empty()) {
        int code = std::max(verdict["code"].get<int>(), 1);
        std::string text = verdict["text"].get<std::string>();
        if (text.starts_with("OK: ")) text.replace(0, 2, "WARNING");
        verdict = {{"code", code}, {"text", text + "; " + unwritten}};
    }
    result["verdict"] = verdict;
    result["message"] = verdict["text"];
    if (nagios) result["exit_code"] = verdict["code"];
    return result;
}

void Print(const Json &result, std::ostream &out) {
    out << TextOf(result["message"]) << '\n';
    if (result.contains("exit_code")) return;
    out << fmt::format(
        "cluster    {}\nstore      {}\nbackups    {} ({} stored)\nopen       {}\nwriter     {}\nencrypted  {}\n",
        TextOf(result["cluster"]), TextOf(result["stores"]), TextOf(result["backups"]), BytesOf(result["bytes_stored"]),
        TextOf(result["open_backups"]), TextOf(result["writer"]), TextOf(result["encrypted"]));
}

}    // namespace

Verb StatusVerb() {
    return {"status",
            "what the store knows of this cluster: newest backup, size, who writes",
            "With --nagios: one line, and exit status 0 (OK), 1 (WARNING) or 2 (CRITICAL) by the age of the newest "
            "logical or base backup. A store that does not answer within seconds, or not as it should, is CRITICAL; a "
            "wrong argument, or a fault of pg_ark itself, is 3 (UNKNOWN).",
            {{kNagios, FlagKind::kBool, "", "one line and a monitoring plugin's exit status"},
             {"warn", FlagKind::kText, "TIME", "age of the newest backup that warns (default: 25 h)"},
             {"critical", FlagKind::kText, "TIME", "age that is critical (default: 48 h)"}},
            Run,
            Print,
            ShowsAlways,
            ExitCodeOf,
            kNagios};
}

}    // namespace ark::cli
