#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <set>
#include <string_view>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/request.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

// What came and what went since somebody knew these. Names are compared, and only what came is read: most looks find nothing, and need no
// key.
Json Changes(Engine &engine, const std::shared_ptr<Repository> &repository, const std::vector<std::string> &known) {
    std::set<BackupId> was, is = NamesOfBackups(*repository), came, gone;
    for (const std::string &one : known) {    // `id`, or `repository/id`, which is none of ours in another repository
        std::size_t slash = one.find('/');
        if (slash == std::string::npos || one.substr(0, slash) == repository->id()) was.insert(one.substr(slash + 1));
    }
    std::ranges::set_difference(is, was, std::inserter(came, came.end()));
    std::ranges::set_difference(was, is, std::inserter(gone, gone.end()));
    Json result{{"state", "done"}, {"repository", repository->id()}, {"backups", Json::array()}, {"gone", gone}};
    bool base_backups = false;
    if (!came.empty()) {
        std::shared_ptr<KeyRing> keys =
            engine.ConfiguredKey() || !repository->encrypted() ? engine.Keys(repository) : nullptr;
        for (const BackupSummary &backup : ReadBackups(*repository, keys.get(), engine.clock().Now(), came)) {
            base_backups = base_backups || backup.manifest.clear.kind == "physical";
            result["backups"].push_back(BackupToJson(backup, *repository, engine.StoreName()));
        }
    }
    result["message"] = fmt::format("{} backups came and {} went that this server had not heard of",
                                    result["backups"].size(), gone.size());
    if (base_backups || !gone.empty()) AddRecoveryIfReadable(result, engine, repository);
    return result;
}

// Before the first backup not even the directory is there.
std::shared_ptr<Repository> OpenIfAny(Engine &engine) {
    try {
        return engine.OpenIfThere();
    } catch (const Error &error) {
        if (error.code != Code::kNotFound) throw;
        return nullptr;
    }
}

Json Run(Engine &engine, const Arguments &arguments) {
    engine.Store(arguments.Text("store_name"));
    bool accept_empty = arguments.Bool("accept_empty");
    if (accept_empty) engine.ExpectNothing();
    std::shared_ptr<Repository> repository;
    if (accept_empty)
        repository = arguments.Has("known") ? OpenIfAny(engine) : engine.OpenIfThere();
    else
        repository = engine.OpenForReading();
    if (!repository)
        return {{"state", "done"},
                {"message", fmt::format("there is no repository in {}", engine.Store()->Describe())},
                {"backups", Json::array()},
                {"gone", Json::array()}};
    if (arguments.Has("known")) return Changes(engine, repository, arguments.List("known"));
    std::shared_ptr<KeyRing> keys =
        engine.ConfiguredKey() || !repository->encrypted() ? engine.Keys(repository) : nullptr;
    Json result{{"state", "done"}};
    if (arguments.Has("contents")) {
        BackupSummary backup = engine.Find(repository, arguments.Text("contents"), {}, std::string(kBackupWithRows));
        result["backup_id"] = backup.manifest.clear.backup;
        AddContents(result, repository, keys, backup.manifest.clear.backup, 0);
        result["message"] = fmt::format("{} tables", result["contents"].size());
        return result;
    }
    std::string database = arguments.Text("database"), kind = arguments.Text("kind");
    constexpr std::string_view kKinds[] = {"", "logical", "entities", "physical", "files"};
    if (std::ranges::find(kKinds, kind) == std::end(kKinds))
        throw Error(Code::kInvalidArgument, fmt::format("there is no backup kind \"{}\"", kind), {},
                    "The kinds are logical, entities and physical.");
    Json backups = Json::array();
    for (const BackupSummary &backup :
         ListBackups(*repository, keys.get(), engine.clock().Now(), arguments.Bool("with_ended"))) {
        Json object = BackupToJson(backup, *repository, engine.StoreName());
        if (!database.empty() && object["database"] != database) continue;
        if (!kind.empty() && object["kind"] != kind) continue;
        backups.push_back(std::move(object));
    }
    result["message"] = fmt::format("{} backups in {}", backups.size(), engine.Store()->Describe());
    result["cluster"] = repository->cluster().Path();
    result["backups"] = std::move(backups);
    if (arguments.Bool("windows") && keys) AddRecovery(result, engine, repository);
    return result;
}

void PrintWindows(const Json &result, std::ostream &out) {
    bool several = result["stores_read"].size() > 1;
    std::vector<std::string> heads{"base backup", "timeline", "from", "opens", "to", "until", "ends with"};
    if (several) heads.emplace_back("store");
    TextTable windows(heads);
    for (const Json &window : result["windows"]) {
        std::string end = TextOf(window["end"]);
        if (!window["missing"].is_null()) end = "missing " + TextOf(window["missing"]);
        if (!window["why"].is_null()) end += ": " + TextOf(window["why"]);
        std::vector<std::string> cells{TextOf(window["backup_id"]),
                                       TextOf(window["timeline"]),
                                       TextOf(window["from_lsn"]),
                                       TextOf(window["window_start"]).substr(0, 19),
                                       TextOf(window["until_lsn"]),
                                       TextOf(window["window_end"]).substr(0, 19),
                                       end};
        if (several) cells.push_back(TextOf(window["store"]));
        windows.Row(cells);
    }
    out << '\n';
    windows.Print(out, "there are no recovery windows");
    if (result["points"].empty()) return;
    TextTable points({"restore point", "timeline", "position", "time", "by", "restorable"});
    for (const Json &point : result["points"])
        points.Row({TextOf(point["name"]), TextOf(point["timeline"]), TextOf(point["lsn"]),
                    TextOf(point["time"]).substr(0, 19), TextOf(point["taken_by"]),
                    point["restorable"] == true ? "yes" : "no: " + TextOf(point["why_not"])});
    out << '\n';
    points.Print(out, "");
}

void Print(const Json &result, std::ostream &out) {
    if (result.contains("contents")) {
        TextTable table({"table", "rows", "size", "key"});
        for (const Json &entry : result["contents"])
            table.Row({TextOf(entry["schema"]) + "." + TextOf(entry["table"]), TextOf(entry["rows"]),
                       BytesOf(entry["bytes"]), TextOf(entry["key"])});
        table.Print(out, "the backup holds no table");
        return;
    }
    for (const Json &id : result.value("gone", Json::array())) out << fmt::format("gone: {}\n", TextOf(id));
    TextTable table({"backup", "kind", "database", "finished", "size", "stored", "new", "label", "held", "verified",
                     "copied from", "restorable"});
    for (const Json &backup : result["backups"])
        table.Row({TextOf(backup["backup_id"]), TextOf(backup["kind"]), TextOf(backup["database"]),
                   TextOf(backup["finished_at"]).substr(0, 19), BytesOf(backup["size_bytes"]),
                   BytesOf(backup["stored_bytes"]), BytesOf(backup["new_bytes"]), TextOf(backup["label"]),
                   TextOf(backup["held"]), TextOf(backup["verified_level"]), TextOf(backup["copied_from"]),
                   backup["restorable"] == true ? "yes" : "no: " + TextOf(backup["why_not"])});
    table.Print(out, "there are no backups");
    if (result.contains("windows")) PrintWindows(result, out);
}

}    // namespace

Verb ListVerb() {
    return {"list",
            "list the backups in the store, newest first, or the tables of one",
            "Works without a database server. Without the key of an encrypted store it lists what is clear: ids, "
            "kinds, times and sizes.",
            {{"database", FlagKind::kText, "NAME", "only backups of this database", true},
             {"kind", FlagKind::kText, "KIND", "only this kind"},
             {"contents", FlagKind::kText, "BACKUP", "the tables of this backup instead"},
             {"windows", FlagKind::kBool, "", "also recovery windows and named restore points (needs the key)"},
             {"accept_empty", FlagKind::kBool, "", "a store without a repository is no error"},
             {"known", FlagKind::kList, "LIST",
              "only what differs from these (ID or REPOSITORY/ID): backups that came, and which of them are gone"},
             {"with_ended", FlagKind::kBool, "", "also those that have expired and are not yet swept"},
             {"store_name", FlagKind::kText, "NAME", "name of the store to list (default: the first)"}},
            Run,
            Print,
            ShowsAlways};
}

}    // namespace ark::cli
