#include <fmt/format.h>

#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/standby_backup.h"
#include "cli/verb.h"
#include "logical/export.h"

namespace ark::cli {
namespace {

void Hold(Engine &engine, const std::shared_ptr<Repository> &repository, const BackupId &id,
          const Arguments &arguments) {
    if (std::optional<TimePoint> until = arguments.Time("hold_until"))
        WriteEvent(
            *repository, engine.ClusterKey(repository),
            {.subject = id,
             .type = "hold",
             .body = {{"by", engine.Actor()}, {"reason", arguments.Text("reason")}, {"until", FormatTime(*until)}}},
            engine.clock(), engine.random());
}

Json RunPhysical(Engine &engine, const Arguments &arguments) {
    if (arguments.Has("entities"))
        throw Error(Code::kInvalidArgument, "a physical backup is of the whole cluster, not of entities");
    arguments.Time("hold_until");    // refused now, if it is none
    PhysicalRequest request = MakePhysicalRequest(engine, arguments);
    request.standby = StandbyCopyOf(engine);
    std::shared_ptr<Repository> repository =
        request.standby ? OpenForPrimary(engine, *request.standby) : engine.OpenOrMake();
    PhysicalResult taken = TakePhysicalBackup(request, repository, engine.Keys(repository), engine.clock(),
                                              engine.random(), engine.ticker(), engine.log(), engine.begun);
    Hold(engine, repository, taken.backup_id, arguments);
    return ResultOfPhysical(engine, repository, taken);
}

Json Run(Engine &engine, const Arguments &arguments) {
    std::string kind = arguments.Text("kind", arguments.Has("entities") ? "entities" : "logical");
    if (kind == "physical") return RunPhysical(engine, arguments);
    if (kind != "logical" && kind != "entities")
        throw Error(Code::kInvalidArgument, fmt::format("there is no backup kind \"{}\"", kind),
                    "The kinds are logical, entities and physical.");
    if (kind == "entities" && !arguments.Has("entities"))
        throw Error(Code::kInvalidArgument, "an entities backup needs the entities", {},
                    "Give --entities clients,jobs.");
    arguments.Time("hold_until");    // refused now, if it is none

    std::shared_ptr<Repository> repository = engine.OpenOrMake();
    ExportRequest request = MakeExportRequest(engine, arguments);
    ExportResult taken = ExportDatabase(request, repository, engine.Keys(repository), engine.clock(), engine.random(),
                                        engine.ticker(), engine.log(), engine.begun);
    Hold(engine, repository, taken.backup_id, arguments);

    Json result = ResultOfBackup(engine, repository, taken);
    AddContents(result, repository, engine.Keys(repository), taken.backup_id);
    return result;
}

void Print(const Json &result, std::ostream &out) {
    const Json &backup = result["backup"];
    if (TextOf(backup["kind"]) == "physical") {
        out << fmt::format("base backup {}: {}\n", TextOf(backup["backup_id"]), TextOf(result["message"]));
        return;
    }
    out << fmt::format("backup {} of database \"{}\": {} tables, {} rows, {} read, {} stored new\n",
                       TextOf(backup["backup_id"]), TextOf(backup["database"]), TextOf(backup["tables"]),
                       TextOf(backup["rows"]), BytesOf(backup["size_bytes"]), BytesOf(backup["new_bytes"]));
}

}    // namespace

Verb BackupVerb() {
    return {
        "backup",
        "take a consistent logical backup of one database, or of chosen entities, or a base backup of the cluster",
        "Reads every table in one snapshot over several connections and stores what the newest backup of that database "
        "does not hold already. A physical backup reads the files of the whole cluster instead, as the server's user "
        "on its machine, and "
        "needs its WAL to be archived into the same store (pg_ark wal-push). With --standby it is run on a standby's "
        "machine, and copies that "
        "one's files.\n"
        "The backup exists when this command says so, and not before. Example: pg_ark backup --database app --label "
        "\"before release\"",
        {{"database", FlagKind::kText, "NAME", "database to back up (default: ark.database)", true},
         {"source", FlagKind::kText, "NAME", "name of the server it comes from, as recorded (default: local)"},
         {"kind", FlagKind::kText, "KIND", "logical (a database), entities (chosen tables) or physical (the cluster)"},
         {"entities", FlagKind::kJson, "LIST", "tables or entities: clients,jobs"},
         {"label", FlagKind::kText, "TEXT", "a name to find it by; restore points accept it"},
         {"reason", FlagKind::kText, "TEXT", "why it was taken; kept with it"},
         {"taken_by", FlagKind::kText, "NAME", "who took it (default: ark.actor or the user)"},
         {"hold_until", FlagKind::kText, "TIME", "retention may not touch it before this time (2026-12-31T00:00:00Z)"}},
        Run,
        Print};
}

}    // namespace ark::cli
