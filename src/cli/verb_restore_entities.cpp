#include <fmt/format.h>

#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/verb.h"
#include "logical/restore.h"

namespace ark::cli {
namespace {

bool FiresTriggers(const Arguments &arguments) {
    std::string triggers = arguments.Text("triggers", "skip");
    if (triggers != "skip" && triggers != "fire")
        throw Error(Code::kInvalidArgument, fmt::format("triggers cannot be \"{}\"", triggers),
                    "It is skip (the default) or fire.");
    return triggers == "fire";
}

void TellStore(Engine &engine, const std::shared_ptr<Repository> &repository, const RestoreRequest &request,
               Json &result) {
    WriteEvent(*repository, engine.ClusterKey(repository),
               {.subject = result["backup_id"],
                .type = "restored",
                .body = {{"by", engine.Actor()},
                         {"reason", request.reason},
                         {"database", request.target_database},
                         {"restore_id", request.restore_id},
                         {"safety_backup_id", result["safety_backup_id"]}}},
               engine.clock(), engine.random());
    if (result["safety_backup_id"].is_string())
        result["backup"] = BackupObject(engine, repository, result["safety_backup_id"].get<std::string>());
}

Json Run(Engine &engine, const Arguments &arguments) {
    RestoreRequest request;
    request.conninfo = engine.config().Text("conninfo");
    request.entities = EntitiesOf(arguments, "entities");
    request.undo = arguments.Bool("undo");
    if (request.entities.empty() && !request.undo)
        throw Error(
            Code::kInvalidArgument, "which entities shall be restored?", {},
            "Name them: pg_ark restore-entities clients,jobs. pg_ark list --contents latest shows what there is.");
    request.target_schema = arguments.Text("target_schema");
    request.mode = ParseRestoreMode(arguments.Text("mode", "insert_missing"));
    request.filter = arguments.Text("filter");
    request.with_referenced = arguments.Bool("with_referenced");
    request.columns = arguments.List("columns");
    request.fire_triggers = FiresTriggers(arguments);
    request.cascade = arguments.Bool("cascade");
    request.dry_run = arguments.Bool("dry_run");
    request.safety = arguments.Bool("safety", true);
    request.lock_timeout = arguments.Text("lock_timeout", "10 s");
    request.caller = arguments.Text("caller", engine.caller().role);
    request.reason = arguments.Text("reason");
    request.environment = engine.config().Text("environment");
    request.restore_id = arguments.Number("restore_id");
    request.expect = arguments.Raw("plan");
    request.on_write = engine.writing;
    request.on_commit = engine.committed;
    request.open_to_tidy_up = [&engine] { return engine.OpenToTidyUp(); };
    request.compression = ParseCompression(engine.config().Text("compression"));

    std::shared_ptr<Repository> repository = request.dry_run ? engine.OpenForReading() : engine.OpenForWriting();
    BackupSummary backup = engine.Find(repository, arguments.Text("restore_point"), arguments.Text("database"),
                                       std::string(kBackupWithRows));
    Json object = BackupToJson(backup, *repository, engine.StoreName());
    request.target_database = arguments.Text("target_database", TextOf(object["database"]));

    TimePoint started = engine.clock().Now();
    RestoreResult restored = RestoreEntities(request, backup.manifest.clear.backup, repository, engine.Keys(repository),
                                             engine.clock(), engine.random(), engine.ticker(), engine.log());
    Json result{{"state", "done"},
                {"message", restored.message},
                {"database", request.target_database},
                {"restore_point", backup.manifest.clear.backup},
                {"backup_id", backup.manifest.clear.backup},
                {"dry_run", request.dry_run},
                {"committed", restored.committed}};
    result["started_at"] = FormatTime(started, true);
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    result["tables"] = Json::array();
    for (const TablePlan &plan : restored.tables) result["tables"].push_back(ToJson(plan));
    result["safety_backup_id"] = restored.safety_backup ? Json(*restored.safety_backup) : Json();
    if (restored.committed) {
        try {
            TellStore(engine, repository, request, result);
        } catch (const Error &error) {    // the rows are back: a store that is out of reach does not change that
            restored.warnings.push_back(fmt::format("the store could not be told of this restore: {}", error.message));
        }
    }
    result["warnings"] = restored.warnings;
    return result;
}

void Print(const Json &result, std::ostream &out) {
    TextTable table({"table", "insert", "update", "delete", "unchanged", "conflicts", "notes"});
    for (const Json &plan : result["tables"])
        table.Row({TextOf(plan["table_name"]), TextOf(plan["to_insert"]), TextOf(plan["to_update"]),
                   TextOf(plan["to_delete"]), TextOf(plan["unchanged"]), TextOf(plan["conflicts"]),
                   TextOf(plan["notes"])});
    table.Print(out, "nothing to restore");
    out << TextOf(result["message"]) << '\n';
}

}    // namespace

Verb RestoreEntitiesVerb() {
    return {
        "restore-entities",
        "bring tables or rows of a backup back into a live database",
        "Rows are staged beside, compared by key and merged in one transaction: all or nothing. What will be changed "
        "is kept first (a held backup\n"
        "\"before restore N\"), and --undo with that backup gives it back. --dry-run shows what would happen and "
        "changes nothing.\n"
        "Example: pg_ark restore-entities clients --restore-point latest --database app --mode insert_missing "
        "--dry-run",
        {{"entities", FlagKind::kJson, "LIST", "what to bring back: clients,jobs", true},
         {"restore_point", FlagKind::kText, "POINT", "a backup id, a label, or latest (default)"},
         {"database", FlagKind::kText, "NAME", "database whose backup is meant by latest or a label"},
         {"target_database", FlagKind::kText, "NAME", "database to restore into (default: the backup's)"},
         {"target_schema", FlagKind::kText, "NAME", "schema to restore into (default: each table's own)"},
         {"mode", FlagKind::kText, "MODE", "insert_missing (default), upsert, replace or side_by_side"},
         {"filter", FlagKind::kText, "CONDITION", "only rows of the backup that match, for example \"tenant_id = 42\""},
         {"with_referenced", FlagKind::kBool, "", "also the rows that these rows reference"},
         {"columns", FlagKind::kList, "LIST", "upsert: change only these columns"},
         {"triggers", FlagKind::kText, "skip|fire", "user triggers (default: skip)"},
         {"cascade", FlagKind::kBool, "", "replace: allow ON DELETE CASCADE to reach other tables"},
         {"dry_run", FlagKind::kBool, "", "show what would happen, change nothing"},
         {"safety", FlagKind::kBool, "", "keep what will be changed first (default: yes; --no-safety to go without)"},
         {"undo", FlagKind::kBool, "", "the restore point is a safety copy: give back what that restore changed"},
         {"lock_timeout", FlagKind::kText, "TIME", "give up if a lock cannot be had for this long (default: 10 s)"},
         {"restore_id", FlagKind::kNumber, "N", "number under which the restore is recorded"},
         {"caller", FlagKind::kText, "ROLE", "role on whose behalf filters are evaluated"},
         {"plan", FlagKind::kJson, "JSON",
          "tables of an earlier dry run: refuse to delete or update more than it showed"},
         {"reason", FlagKind::kText, "TEXT", "why; kept in the store's events"}},
        Run,
        Print,
        ShowsADryRun};
}

}    // namespace ark::cli
