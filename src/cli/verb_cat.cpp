#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/request.h"
#include "cli/verb.h"
#include "logical/backup_reader.h"

namespace ark::cli {
namespace {

// Straight to standard output; with --json the result is told there too, so the content is left out then.
Json Run(Engine &engine, const Arguments &arguments) {
    std::string what = arguments.Text("what");
    if (what.empty())
        throw Error(Code::kInvalidArgument, "what shall be shown?", {},
                    "Name a table (clients, public.clients), toc, or a path such as globals/roles.");
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    bool path = what.find('/') != std::string::npos;
    BackupSummary backup = engine.Find(repository, arguments.Text("restore_point"), arguments.Text("database"),
                                       path ? "" : std::string(kBackupWithRows));
    BackupReader reader(repository, engine.Keys(repository), backup.manifest.clear.backup);
    std::uint64_t bytes = 0;
    auto write = [&](ByteView part) {
        engine.ticker().Check();
        bytes += part.size();
        WriteAll(STDOUT_FILENO, part, "standard output");
    };
    if (what == "toc") {
        reader.Content("schema/toc", write);
    } else if (path) {
        reader.Content(what, write);
    } else {
        std::vector<BackupTable> found;
        for (const Entity &entity : ParseEntities(what))
            for (const EntityTable &wanted : entity.tables)
                reader.Tables([&](const BackupTable &table) {
                    if (table.name == wanted.table && (wanted.schema.empty() || wanted.schema == table.schema))
                        found.push_back(table);
                });
        if (found.empty())
            throw Error(Code::kNotFound, fmt::format("the backup has no table \"{}\"", what), {},
                        "pg_ark list --contents BACKUP shows its tables.");
        for (const BackupTable &table : found) reader.Rows(table, write);
    }
    return {{"state", "done"},
            {"backup_id", backup.manifest.clear.backup},
            {"bytes_read", bytes},
            {"message", fmt::format("{} bytes", bytes)}};
}

}    // namespace

Verb CatVerb() {
    return {"cat",
            "print what a backup holds: a table's rows as COPY text, the schema, a sidecar",
            "Examples: pg_ark cat clients --database app | head -3;  pg_ark cat toc --database app | pg_restore -l",
            {{"what", FlagKind::kText, "WHAT", "a table, toc, or a path of the manifest such as globals/roles", true},
             {"restore_point", FlagKind::kText, "POINT", "a backup id, a label, or latest (default)"},
             {"database", FlagKind::kText, "NAME", "database meant by latest or a label"}},
            Run,
            [](const Json &, std::ostream &) {}};
}

}    // namespace ark::cli
