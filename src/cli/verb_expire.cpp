#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/stores.h"
#include "cli/verb.h"
#include "repo/sweep.h"
#include "retention/apply.h"
#include "schedule/time_zone.h"
#include "wal/expire.h"

namespace ark::cli {
namespace {

// The policy given, else the newest that was ever given: it is an event, because a restored database must not forget it.
std::optional<Policy> PolicyOf(Engine &engine, const std::shared_ptr<Repository> &repository, const Json &given,
                               bool dry_run) {
    std::vector<Event> events = ReadEvents(*repository, "cluster", engine.Keys(repository).get());
    Json kept;
    for (const Event &event : events)
        if (event.type == "policy" && event.body.is_object() && event.body.contains("policy"))
            kept = event.body["policy"];
    if (given.is_null()) return kept.is_null() ? std::nullopt : std::optional(ParsePolicy(nlohmann::json(kept)));
    Policy policy = ParsePolicy(nlohmann::json(given));
    if (!dry_run && kept != given)
        WriteEvent(*repository, engine.ClusterKey(repository),
                   {.subject = "cluster", .type = "policy", .body = {{"by", engine.Actor()}, {"policy", given}}},
                   engine.clock(), engine.random());
    return policy;
}

struct BaseBackups {
    std::set<BackupId>
        left_behind;    // the cluster did not go on from their branch: no window of theirs is on the owner's timeline
    std::set<BackupId> without_wal;    // none of their windows opens
};

// One that was restored says where it left its parent, also before the store has its history.
bool GoesOnFrom(const Writer &owner, const RecoveryWindow &window) {
    const std::optional<RestoreOrigin> &origin = owner.restored_from;
    return window.timeline.value == owner.timeline ||
           (origin && window.timeline == origin->timeline && window.from <= origin->at);
}

BaseBackups LookAtBases(Engine &engine, const std::shared_ptr<Repository> &repository) {
    Recovery recovery = ReadRecovery(engine, repository);
    std::optional<Writer> owner = NewestWriter(*repository);
    BaseBackups out;
    for (const BaseBackup &backup : recovery.bases) out.left_behind.insert(backup.id);
    out.without_wal = out.left_behind;
    for (const RecoveryWindow &window : recovery.windows) {
        if (!window.Opens()) continue;
        out.without_wal.erase(window.backup);
        if (!owner || GoesOnFrom(*owner, window)) out.left_behind.erase(window.backup);
    }
    if (out.left_behind.size() == recovery.bases.size())
        out.left_behind.clear();    // the owner's history has not come yet
    return out;
}

BackupInfo ForRetention(const BackupSummary &backup, const BaseBackups &bases) {
    const Json &body = backup.manifest.body;
    BackupInfo out;
    out.id = backup.manifest.clear.backup;
    out.sequence = backup.manifest.clear.sequence;
    out.kind = backup.manifest.clear.kind;
    if (backup.manifest.readable()) {
        out.source = body.value("source", "");
        out.database = body.value("database", "");
    }
    out.finished = backup.manifest.clear.finished;
    out.stored = backup.stored_at;
    out.held = backup.hold.held;
    out.held_until = backup.hold.until;
    bool judged = backup.verified && backup.verified->body.is_object();
    out.verified = judged && backup.verified->body.value("ok", false);
    if ((judged && !backup.verified->body.value("ok", true)) || bases.without_wal.contains(out.id))
        out.state = BackupState::kDamaged;
    out.left_behind = bases.left_behind.contains(out.id);
    return out;
}

// A day ends when it ends where the users are.
ToLocal LocalDays(const std::string &zone_name) {
    return [zone = TimeZone::Load(zone_name)](TimePoint time) { return zone.ToLocal(time); };
}

Json RangesToJson(const WalExpiryResult &wal) {
    Json ranges = Json::array();
    for (const ExpiredRange &range : wal.ranges)
        ranges.push_back({{"timeline", range.timeline.value},
                          {"names", range.names},
                          {"files", range.files},
                          {"bytes", range.bytes},
                          {"keep", range.keep},
                          {"reason", range.reason}});
    return ranges;
}

// The stores into which this one's WAL is copied, and what they have.
std::vector<WalReader> Readers(Engine &engine, const std::shared_ptr<Repository> &repository) {
    std::vector<WalReader> readers;
    bool is_source = false;
    for (OneStore &store : EachStore(engine.config())) {
        if (store.name == engine.StoreName()) is_source = !store.async;
        if (!store.async || store.name == engine.StoreName()) continue;
        WalReader reader{.store = store.name, .limit = engine.config().Time("async_limit")};
        store.config.Set("cluster", repository->cluster().Path(), Origin::kFlag);
        Patience patience(engine.ticker(), engine.clock());
        try {
            Engine other(store.config, engine.caller(), SilentLog(), patience);
            std::shared_ptr<Repository> theirs = other.OpenForReading();
            std::shared_ptr<KeyRing> keys = other.Keys(theirs);
            reader.expired = ReadWalFloors(*theirs, keys.get());
            std::set<std::string> has;
            theirs->List("wal/", [&](const ObjectInfo &info) {
                has.insert(info.name.substr(info.name.rfind('/') + 1));
                return true;
            });
            reader.has = std::move(has);
        } catch (const Error &error) {
            engine.ticker().Check();
            engine.log().Warn(
                fmt::format("what WAL {} has is not known, so all that it may lack is kept for "
                            "async_limit: {}",
                            StoreWords(store.name), error.message));
        }
        readers.push_back(std::move(reader));
    }
    if (!is_source) readers.clear();
    return readers;
}

// What of the archive no backup needs any more, once those that the policy drops have ended.
std::string Wal(Engine &engine, const std::shared_ptr<Repository> &repository, const std::optional<Policy> &policy,
                const Arguments &arguments, Json &result) {
    WalExpirySettings settings;
    if (policy) settings.recovery_window = policy->pitr_window;
    settings.dry_run = arguments.Bool("dry_run");
    settings.by = arguments.Text("by", engine.Actor());
    settings.readers = Readers(engine, repository);
    if (settings.dry_run)
        for (const Json &verdict : result["verdicts"])
            if (verdict["keep"] == false) settings.as_if_ended.insert(verdict["backup_id"].get<std::string>());
    WalExpiryResult wal = ExpireWal(*repository, *engine.Keys(repository), settings, engine.clock(), engine.random(),
                                    engine.ticker(), engine.log());
    if (wal.ranges.empty()) return {};
    result["wal"] = {{"ranges", RangesToJson(wal)}, {"files", wal.files}, {"bytes", wal.bytes}};
    return fmt::format("; {} WAL files {}, {}", wal.files, settings.dry_run ? "would go" : "deleted",
                       HumanBytes(wal.bytes));
}

Json Run(Engine &engine, const Arguments &arguments) {
    bool dry_run = arguments.Bool("dry_run");
    std::shared_ptr<Repository> repository = dry_run ? engine.OpenForReading() : engine.OpenForWriting();
    std::optional<Policy> policy = PolicyOf(engine, repository, arguments.Raw("policy"), dry_run);
    // A clock that was set ahead makes nothing older than the store says.
    TimePoint now = engine.clock().Now();
    if (!dry_run) now = std::min(now, StoreNow(repository->storage(), engine.random()));

    std::vector<BackupSummary> found = ListBackups(*repository, engine.Keys(repository).get(), now);
    BaseBackups bases;
    if (policy && std::ranges::any_of(found, [](const auto &one) { return one.manifest.clear.kind == "physical"; }))
        bases = LookAtBases(engine, repository);
    std::vector<BackupInfo> backups;
    for (const BackupSummary &backup : found) {
        if (!backup.error.empty() || !backup.manifest.readable())
            throw Error(Code::kCorrupt,
                        fmt::format("backup {} cannot be read, so nothing expires", backup.manifest.clear.backup),
                        backup.error,
                        "Verify it, or give the key; retention must know every backup before it ends one.");
        backups.push_back(ForRetention(backup, bases));
    }
    Json result{{"state", "done"}, {"dry_run", dry_run}, {"verdicts", Json::array()}, {"ended", Json::array()}};
    if (policy)
        for (const Verdict &verdict : Apply(*policy, backups, now, LocalDays(engine.config().Text("timezone")))) {
            result["verdicts"].push_back(
                {{"backup_id", verdict.id}, {"keep", verdict.keep}, {"reason", verdict.reason}});
            if (verdict.keep || dry_run) continue;
            engine.ticker().Check();
            if (EndBackup(*repository, verdict.id, verdict.reason, arguments.Text("by", engine.Actor()),
                          engine.clock()))
                result["ended"].push_back(verdict.id);
        }
    std::uint64_t expired = 0;
    for (const Json &verdict : result["verdicts"])
        if (verdict["keep"] == false) expired++;
    std::string message =
        policy ? fmt::format("{} of {} backups {}", expired, backups.size(), dry_run ? "would expire" : "expired")
               : "there is no policy: nothing expires";
    if (arguments.Bool("sweep", true)) {
        message += Wal(engine, repository, policy, arguments, result);
        SweepSettings settings;
        settings.dry_run = dry_run;
        if (arguments.Has("grace")) settings.grace = ParseDuration(arguments.Text("grace"), "grace");
        SweepResult swept = Sweep(*repository, settings, engine.clock(), engine.ticker(), engine.log());
        result["sweep"] = {{"dead_packs", swept.dead_packs},
                           {"deleted_packs", swept.deleted_packs},
                           {"deleted_bytes", swept.deleted_bytes},
                           {"deleted_backups", swept.deleted_backups},
                           {"fenced", swept.fenced},
                           {"uploads_aborted", swept.uploads_aborted},
                           {"kept_because", swept.kept_because}};
        message +=
            dry_run ? fmt::format("; {} packs are dead", swept.dead_packs)
                    : fmt::format("; {} packs deleted, {} freed", swept.deleted_packs, HumanBytes(swept.deleted_bytes));
    }
    if (!dry_run && result.contains("wal")) AddRecoveryIfReadable(result, engine, repository);
    result["message"] = message;
    return result;
}

void Print(const Json &result, std::ostream &out) {
    TextTable table({"backup", "keep", "reason"});
    for (const Json &verdict : result["verdicts"])
        table.Row({TextOf(verdict["backup_id"]), TextOf(verdict["keep"]), TextOf(verdict["reason"])});
    if (!result["verdicts"].empty()) table.Print(out, "");
    if (result.contains("wal")) {
        TextTable wal({"timeline", "WAL", "files", "size", "keep", "reason"});
        for (const Json &range : result["wal"]["ranges"])
            wal.Row({TextOf(range["timeline"]), TextOf(range["names"]), TextOf(range["files"]), BytesOf(range["bytes"]),
                     TextOf(range["keep"]), TextOf(range["reason"])});
        wal.Print(out, "");
    }
    if (result.contains("sweep"))
        for (const Json &reason : result["sweep"]["kept_because"]) out << TextOf(reason) << '\n';
    out << TextOf(result["message"]) << '\n';
}

}    // namespace

Verb ExpireVerb() {
    return {
        "expire",
        "end the backups that the policy no longer keeps, and free their space",
        "Ends backups first. Then WAL goes that no kept base backup needs, the oldest first; without a base backup "
        "none does.\n"
        "Then it sweeps: what is dead at two looks, a grace apart, is deleted. Held backups, the newest and the last "
        "verified one of each\n"
        "database stay whatever the policy says. If anything in the store cannot be read, nothing is deleted.",
        {{"policy", FlagKind::kJson, "JSON",
          "for example '{\"keep_within\":\"90 days\",\"pitr_window\":\"7 days\"}' (default: the newest given before)"},
         {"dry_run", FlagKind::kBool, "", "show what would go, with the reason for each backup"},
         {"sweep", FlagKind::kBool, "", "free space and delete WAL too (default: yes; --no-sweep)"},
         {"grace", FlagKind::kText, "TIME", "between the sweep's two looks (default: 5 min)"},
         {"by", FlagKind::kText, "NAME", "who expires, for the record"}},
        Run,
        Print,
        ShowsADryRun};
}

}    // namespace ark::cli
