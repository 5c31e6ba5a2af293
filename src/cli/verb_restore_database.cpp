#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "logical/restore_database.h"

namespace ark::cli {
namespace {

Json Run(Engine &engine, const Arguments &arguments) {
    DatabaseRestoreRequest request;
    const Config &config = engine.config();
    request.conninfo = config.Text("conninfo");
    request.maintenance = config.Text("database");
    request.target = arguments.Text("target_database");
    if (request.target.empty())
        throw Error(Code::kInvalidArgument, "into which database shall the backup be restored?", {},
                    "Give --target-database NAME: a new name, or an empty database. To go back to the old name, rename "
                    "the databases afterwards.");
    request.pg_bindir = config.Text("pg_bindir");
    request.jobs = static_cast<int>(config.Int("jobs"));
    request.memory_limit = config.Size("memory_limit");
    request.owners = arguments.Bool("owners", true);
    request.privileges = arguments.Bool("privileges", true);
    request.tablespaces = arguments.Bool("tablespaces", true);
    request.analyze = arguments.Bool("analyze", true);
    request.dry_run = arguments.Bool("dry_run");

    TimePoint started = engine.clock().Now();
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    BackupId id = engine.Find(repository, arguments.Text("restore_point"), arguments.Text("database"), "logical")
                      .manifest.clear.backup;
    BackupReader reader(repository, engine.Keys(repository), id);
    DatabaseRestoreResult restored = RestoreDatabase(request, reader, engine.clock(), engine.ticker(), engine.log());

    Json result{{"state", "done"},
                {"backup_id", id},
                {"restore_point", id},
                {"database", reader.manifest().body.value("database", "")},
                {"target_database", request.target},
                {"dry_run", request.dry_run},
                {"creates_database", restored.creates_database},
                {"encoding", restored.encoding},
                {"create_options", restored.locale},
                {"tables", restored.tables},
                {"rows", restored.rows},
                {"bytes", restored.bytes},
                {"large_objects", restored.large_objects},
                {"missing_roles", restored.missing.roles},
                {"missing_tablespaces", restored.missing.tablespaces},
                {"missing_extensions", restored.missing.extensions}};
    result["started_at"] = FormatTime(started, true);
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    result["seconds"] = Json::object();
    for (const auto &[step, seconds] : restored.seconds) result["seconds"][step] = std::round(seconds * 100) / 100;
    result["warnings"] = restored.warnings;
    std::string what = fmt::format("{} tables, {} rows, {}, {} large objects of backup {}", restored.tables,
                                   restored.rows, HumanBytes(restored.bytes), restored.large_objects, id);
    result["message"] = request.dry_run ? fmt::format("would restore {} into {} database \"{}\"", what,
                                                      restored.creates_database ? "new" : "the empty", request.target)
                                        : fmt::format("{} restored into database \"{}\"", what, request.target);
    return result;
}

void Print(const Json &result, std::ostream &out) {
    out << TextOf(result["message"]) << '\n';
    if (result["dry_run"] == false) return;
    out << "encoding and locale:" << TextOf(result["create_options"]) << '\n';
    for (const char *kind : {"roles", "tablespaces", "extensions"}) {
        const Json &names = result[std::string("missing_") + kind];
        if (names.empty()) continue;
        out << kind << " that the server lacks:";
        for (std::size_t i = 0; i < names.size(); i++) out << (i == 0 ? " " : ", ") << TextOf(names[i]);
        out << '\n';
    }
}

}    // namespace

Verb RestoreDatabaseVerb() {
    return {
        "restore-database",
        "bring a whole database back, into a new database",
        "pg_restore makes the definitions; rows go from the store straight into COPY over `jobs` connections.\n"
        "A restore that fails or is cancelled drops the database that it made. --dry-run says what would be made\n"
        "and what the server lacks, and changes nothing.\n"
        "Example: pg_ark restore-database --database app --restore-point latest --target-database app_restored",
        {{"restore_point", FlagKind::kText, "POINT", "a backup id, a label, or latest (default)"},
         {"database", FlagKind::kText, "NAME", "database whose backup is meant", true},
         {"target_database", FlagKind::kText, "NAME", "database to make, or an empty one (required)"},
         {"owners", FlagKind::kBool, "", "give objects their owners (default: yes; --no-owners to go without)"},
         {"privileges", FlagKind::kBool, "", "grant what was granted (default: yes; --no-privileges to go without)"},
         {"tablespaces", FlagKind::kBool, "",
          "use the tablespaces named (default: yes; --no-tablespaces for the default)"},
         {"analyze", FlagKind::kBool, "", "gather statistics at the end (default: yes; --no-analyze to go without)"},
         {"dry_run", FlagKind::kBool, "", "show what would happen, change nothing"}},
        Run,
        Print,
        ShowsADryRun};
}

}    // namespace ark::cli
