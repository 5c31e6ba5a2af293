// hold, release, annotate, delete: decisions about one backup, kept in the store as events.
#include <fmt/format.h>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

struct Decision {
    std::shared_ptr<Repository> repository;
    BackupSummary backup;
    const BackupId &id() const { return backup.manifest.clear.backup; }
};

Decision Find(Engine &engine, const Arguments &arguments) {
    std::string named = arguments.Text("backup");
    if (named.empty())
        throw Error(Code::kInvalidArgument, "which backup?", {}, "Give its id or label; pg_ark list shows them.");
    std::shared_ptr<Repository> repository = engine.OpenForWriting();
    BackupSummary backup = engine.Find(repository, named, arguments.Text("database"));
    return {repository, std::move(backup)};
}

Json Record(Engine &engine, const Arguments &arguments, const Decision &decision, const char *type, Json body,
            const std::string &message) {
    body["by"] = arguments.Text("by", engine.Actor());
    if (arguments.Has("reason")) body["reason"] = arguments.Text("reason");
    WriteEvent(*decision.repository, engine.ClusterKey(decision.repository),
               {.subject = decision.id(), .type = type, .body = std::move(body)}, engine.clock(), engine.random());
    Json result{{"state", "done"}, {"backup_id", decision.id()}, {"message", message}};
    result["backup"] = BackupObject(engine, decision.repository, decision.id());
    result["database"] = result["backup"]["database"];
    return result;
}

std::vector<Flag> FlagsWith(std::vector<Flag> more) {
    std::vector<Flag> flags{{"backup", FlagKind::kText, "BACKUP", "a backup id or a label", true},
                            {"database", FlagKind::kText, "NAME", "database meant by a label"},
                            {"by", FlagKind::kText, "NAME", "who decides, for the record"}};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
}

const Flag kReason{"reason", FlagKind::kText, "TEXT", "why; kept with it"};

Json Hold(Engine &engine, const Arguments &arguments) {
    std::optional<TimePoint> until = arguments.Time("until");
    if (until && *until <= engine.clock().Now())
        throw Error(Code::kInvalidArgument, fmt::format("a hold cannot end in the past ({})", FormatTime(*until)), {},
                    "Leave --until away to hold it until it is released.");
    Decision decision = Find(engine, arguments);
    return Record(engine, arguments, decision, "hold", {{"until", until ? Json(FormatTime(*until)) : Json()}},
                  until ? fmt::format("backup {} is held until {}", decision.id(), FormatTime(*until))
                        : fmt::format("backup {} is held until it is released", decision.id()));
}

Json Release(Engine &engine, const Arguments &arguments) {
    Decision decision = Find(engine, arguments);
    if (!decision.backup.hold.held) throw Error(Code::kConflict, fmt::format("backup {} is not held", decision.id()));
    return Record(engine, arguments, decision, "release", Json::object(),
                  fmt::format("backup {} may expire again", decision.id()));
}

Json Annotate(Engine &engine, const Arguments &arguments) {
    if (!arguments.Has("label") && !arguments.Has("note"))
        throw Error(Code::kInvalidArgument, "nothing to annotate with", {}, "Give --label or --note.");
    Decision decision = Find(engine, arguments);
    Json body = Json::object();
    for (const char *name : {"label", "note"})
        if (arguments.Has(name)) body[name] = arguments.Text(name);
    return Record(engine, arguments, decision, "annotate", std::move(body),
                  fmt::format("backup {} is annotated", decision.id()));
}

Json Delete(Engine &engine, const Arguments &arguments) {
    Decision decision = Find(engine, arguments);
    if (decision.backup.hold.held)
        throw Error(Code::kConflict, fmt::format("backup {} is held and cannot be deleted", decision.id()),
                    fmt::format("Held by {}: {}.", decision.backup.hold.by,
                                decision.backup.hold.reason.empty() ? "no reason given" : decision.backup.hold.reason),
                    "Release it first: ark.release_backup() or pg_ark release.");
    std::string by = arguments.Text("by", engine.Actor()), reason = arguments.Text("reason", "asked for");
    WriteEvent(*decision.repository, engine.ClusterKey(decision.repository),
               {.subject = decision.id(), .type = "delete", .body = {{"by", by}, {"reason", reason}}}, engine.clock(),
               engine.random());
    EndBackup(*decision.repository, decision.id(), reason, by, engine.clock());
    return {{"state", "done"},
            {"backup_id", decision.id()},
            {"message", fmt::format("backup {} is deleted; the next sweep frees what only it needed", decision.id())}};
}

}    // namespace

Verb HoldVerb() {
    return {"hold",
            "keep retention away from a backup",
            "Example: pg_ark hold 20260116T080000Z-1a2b3c4d --until 2026-12-31T00:00:00Z --reason audit",
            FlagsWith({{"until", FlagKind::kText, "TIME", "until when (default: until it is released)"}, kReason}),
            Hold,
            nullptr};
}
Verb ReleaseVerb() {
    return {"release", "let retention treat a held backup like any other", "", FlagsWith({kReason}), Release, nullptr};
}
Verb AnnotateVerb() {
    return {"annotate",
            "give a backup a label or a note",
            "The newest label wins; restore points accept it.",
            FlagsWith({{"label", FlagKind::kText, "TEXT", "name to find it by"},
                       {"note", FlagKind::kText, "TEXT", "anything worth knowing"}}),
            Annotate,
            nullptr};
}
Verb DeleteVerb() {
    return {"delete",
            "end a backup",
            "It is no longer listed; its data goes with the next sweep unless other backups need it. A held backup is "
            "refused.",
            FlagsWith({kReason}),
            Delete,
            nullptr};
}

}    // namespace ark::cli
