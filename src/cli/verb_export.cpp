#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <ostream>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/verb.h"
#include "logical/readable.h"

#include <fcntl.h>
#include <unistd.h>

namespace ark::cli {
namespace {

// Writes to a file that appears whole or not at all, or to standard output for "-".
class OutputFile {
public:
    explicit OutputFile(const std::string &path) : path_(path) {
        if (path == "-") return;
        beside_ = path + ".part";
        fd_ = OpenFile(beside_, O_WRONLY | O_CREAT | O_TRUNC);
    }
    ~OutputFile() {
        if (fd_) unlink(beside_.c_str());
    }
    void Write(std::string_view text) {
        bytes_ += text.size();
        WriteAll(fd_ ? fd_.get() : STDOUT_FILENO, AsBytes(text), path_);
    }
    std::uint64_t Commit() {
        if (!fd_) return bytes_;
        SyncFile(fd_.get(), beside_);
        if (rename(beside_.c_str(), path_.c_str()) != 0)
            ThrowErrno(errno, fmt::format("could not rename \"{}\" to \"{}\"", beside_, path_));
        fd_.Reset();
        return bytes_;
    }

private:
    std::string path_, beside_;
    Fd fd_;
    std::uint64_t bytes_ = 0;
};

Json ToStore(Engine &engine, const Arguments &arguments, BackupReader &reader) {
    ReadableRequest request;
    request.entities = EntitiesOf(arguments, "entities");
    request.format = ParseTextFormat(arguments.Text("format", request.entities.empty() ? "sql" : "json"));
    request.layout = arguments.Text("layout");
    request.pg_bindir = engine.config().Text("pg_bindir");
    Json objects = Json::array();
    for (const ReadableObject &object :
         WriteReadable(reader, *engine.Store(), request, engine.clock(), engine.ticker(), engine.log()))
        objects.push_back(
            {{"entity", object.entity}, {"key", object.key}, {"bytes", object.bytes}, {"rows", object.rows}});
    return objects;
}

Json ToFiles(Engine &engine, const Arguments &arguments, BackupReader &reader) {
    std::string output = arguments.Text("output");
    if (output.empty())
        throw Error(Code::kInvalidArgument, "where shall the export go?", {},
                    "Give --output PATH (\"-\" for standard output), or --to-store.");
    std::vector<Entity> entities = EntitiesOf(arguments, "entities");
    std::string format = arguments.Text("format", "directory");
    Json objects = Json::array();
    if (format == "directory") {
        if (!entities.empty())
            throw Error(Code::kUnsupported, "a directory archive holds the whole database", {},
                        "Leave out --entities, and choose tables with pg_restore -t; or use --format csv.");
        ArchiveResult archive =
            ExportDirectoryArchive(reader, output, static_cast<int>(arguments.Number("gzip", 0)),
                                   static_cast<int>(engine.config().Int("jobs")), engine.ticker(), engine.log());
        objects.push_back({{"entity", Json()}, {"key", output}, {"bytes", archive.bytes}, {"rows", archive.rows}});
        return objects;
    }
    TextFormat text = ParseTextFormat(format);
    OutputFile file(output);
    std::uint64_t rows = 0;
    if (entities.empty()) {
        if (text != TextFormat::kSql)
            throw Error(Code::kInvalidArgument, fmt::format("format {} needs --entities with one table", format), {},
                        "A whole database can be exported as directory or sql.");
        ExportSql(reader, engine.config().Text("pg_bindir"), engine.ticker(), engine.log(),
                  [&](std::string_view part) { file.Write(part); });
    } else {
        std::vector<ReadableTable> tables;
        for (const Entity &entity : entities)
            std::ranges::move(FindReadable(reader, entity), std::back_inserter(tables));
        if (tables.size() > 1 && text != TextFormat::kSql)
            throw Error(Code::kInvalidArgument, fmt::format("a {} file holds one table, not {}", format, tables.size()),
                        {}, "Export them one by one, or --to-store for one object each.");
        for (const ReadableTable &table : tables) {
            ExportTable(reader, table, text, [&](std::string_view part) { file.Write(part); });
            rows += table.rows;
        }
    }
    objects.push_back({{"entity", Json()}, {"key", output}, {"bytes", file.Commit()}, {"rows", rows}});
    return objects;
}

Json Run(Engine &engine, const Arguments &arguments) {
    TimePoint started = engine.clock().Now();
    Json result;
    std::shared_ptr<Repository> repository;
    BackupId id;
    if (arguments.Bool("now")) {
        repository = engine.OpenOrMake();
        ExportResult taken =
            ExportDatabase(MakeExportRequest(engine, arguments), repository, engine.Keys(repository), engine.clock(),
                           engine.random(), engine.ticker(), engine.log(), engine.begun);
        id = taken.backup_id;
        result = ResultOfBackup(engine, repository, taken);
    } else {
        repository = engine.OpenForReading();
        id = engine
                 .Find(repository, arguments.Text("restore_point"), arguments.Text("database"),
                       std::string(kBackupWithRows))
                 .manifest.clear.backup;
        result = {{"state", "done"}, {"backup_id", id}, {"started_at", FormatTime(started, true)}};
    }
    BackupReader reader(repository, engine.Keys(repository), id);
    Json objects = arguments.Bool("to_store") || arguments.Has("layout") ? ToStore(engine, arguments, reader)
                                                                         : ToFiles(engine, arguments, reader);
    std::uint64_t bytes = 0;
    for (const Json &object : objects) bytes += object["bytes"].get<std::uint64_t>();
    result["database"] = reader.manifest().body.value("database", "");
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    result["bytes_stored"] = bytes;
    result["message"] = fmt::format("{} of backup {} written: {}",
                                    objects.size() == 1 ? "one export" : fmt::format("{} exports", objects.size()), id,
                                    HumanBytes(bytes));
    result["objects"] = std::move(objects);
    return result;
}

void Print(const Json &result, std::ostream &out) {
    TextTable table({"written", "size", "rows"});
    bool to_stdout = false;
    for (const Json &object : result["objects"]) {
        to_stdout = to_stdout || object["key"] == "-";
        table.Row({TextOf(object["key"]), BytesOf(object["bytes"]), TextOf(object["rows"])});
    }
    if (!to_stdout) table.Print(out, "nothing was written");
}

}    // namespace

Verb ExportVerb() {
    return {"export",
            "write a logical backup in a form that stock tools read",
            "directory is a pg_dump directory archive for pg_restore; sql, csv, json (one array) and jsonl (a line a "
            "row) are text.\n"
            "Examples: pg_ark export --database app --output app.dir && pg_restore -d new -j2 app.dir\n"
            "          pg_ark export --database app --entities clients --format csv --output clients.csv",
            {{"restore_point", FlagKind::kText, "POINT", "a backup id, a label, or latest (default)"},
             {"now", FlagKind::kBool, "", "take a backup first and export that"},
             {"database", FlagKind::kText, "NAME", "database whose backup is meant", true},
             {"entities", FlagKind::kJson, "LIST", "only these tables or entities"},
             {"format", FlagKind::kText, "FORMAT", "directory (default), sql, csv, json or jsonl"},
             {"output", FlagKind::kText, "PATH", "file or directory to make; - for standard output"},
             {"gzip", FlagKind::kNumber, "LEVEL", "directory: compress the data files (default: 0, not)"},
             {"to_store", FlagKind::kBool, "", "write plain objects into the store instead"},
             {"layout", FlagKind::kText, "NAME", "their names: {entity} {database} {name} {time} are replaced"},
             {"label", FlagKind::kText, "TEXT", "with --now: label of the backup"},
             {"source", FlagKind::kText, "NAME", "with --now: name of the server it comes from"},
             {"reason", FlagKind::kText, "TEXT", "with --now: why it was taken"},
             {"taken_by", FlagKind::kText, "NAME", "with --now: who took it"}},
            Run,
            Print};
}

}    // namespace ark::cli
