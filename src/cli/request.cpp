#include "cli/request.h"

#include <fmt/format.h>

#include "cli/output.h"
#include "cli/recovery.h"
#include "logical/backup_reader.h"

namespace ark::cli {

std::vector<Entity> EntitiesOf(const Arguments &arguments, std::string_view name) {
    const Json &value = arguments.Raw(name);
    if (value.is_null()) return {};
    if (value.is_string()) return ParseEntities(value.get<std::string>());
    if (!value.is_array())
        throw Error(Code::kInvalidArgument, fmt::format("argument \"{}\" must be a list of entities", name));
    std::vector<Entity> out;
    for (const Json &item : value) {
        if (item.is_string()) {
            std::vector<Entity> parsed = ParseEntities(item.get<std::string>());
            out.insert(out.end(), parsed.begin(), parsed.end());
            continue;
        }
        Entity entity{item.value("name", ""), {}};
        for (const Json &table : item.value("tables", Json::array()))
            entity.tables.push_back({table.value("schema", ""), table.value("table", ""), table.value("filter", "")});
        if (entity.name.empty() || entity.tables.empty())
            throw Error(Code::kInvalidArgument, "an entity needs a name and at least one table");
        out.push_back(std::move(entity));
    }
    return out;
}

ExportRequest MakeExportRequest(Engine &engine, const Arguments &arguments) {
    const Config &config = engine.config();
    ExportRequest request;
    request.conninfo = config.Text("conninfo");
    request.database = arguments.Text("database", config.Text("database"));
    request.source = arguments.Text("source", "local");
    request.entities = EntitiesOf(arguments, "entities");
    request.label = arguments.Text("label");
    request.reason = arguments.Text("reason");
    request.taken_by = arguments.Text("taken_by", engine.Actor());
    request.environment = config.Text("environment");
    request.pg_bindir = config.Text("pg_bindir");
    request.compression = ParseCompression(config.Text("compression"));
    request.jobs = static_cast<int>(config.Int("jobs"));
    request.memory_limit = config.Size("memory_limit");
    request.yield_after = config.Time("yield_after");
    request.max_snapshot_age = config.Time("max_snapshot_age");
    // What is stored again need not be read again to be trusted.
    request.full_every = std::min(config.Time("full_every"), config.Time("reuse_max_age"));
    request.rewrite_share = static_cast<double>(config.Int("rewrite_share")) / 100.0;
    return request;
}

Json BackupObject(Engine &engine, const std::shared_ptr<Repository> &repository, const BackupId &id) {
    return BackupToJson(engine.Find(repository, id), *repository, engine.StoreName());
}

namespace {

// What is said only where there was any of it.
std::string Extra(std::uint64_t rewritten, std::uint64_t resumed) {
    std::string text;
    if (resumed > 0)
        text += fmt::format(", {} were there already from a backup that was interrupted", HumanBytes(resumed));
    if (rewritten > 0) text += fmt::format(", {} stored again to tidy the store", HumanBytes(rewritten));
    return text;
}

}    // namespace

Json ResultOfBackup(Engine &engine, const std::shared_ptr<Repository> &repository, const ExportResult &taken) {
    Json result;
    Json backup = BackupObject(engine, repository, taken.backup_id);
    result["state"] = "done";
    result["backup_id"] = taken.backup_id;
    result["source"] = backup["source"];
    result["database"] = backup["database"];
    result["started_at"] = backup["started_at"];
    result["finished_at"] = backup["finished_at"];
    result["bytes_read"] = taken.plain_bytes;
    result["bytes_stored"] = taken.new_bytes;
    result["bytes_rewritten"] = taken.rewritten_bytes;
    result["message"] =
        fmt::format("{} tables, {} rows, {} read, {} stored, {} reused", taken.tables, taken.rows,
                    HumanBytes(taken.plain_bytes), HumanBytes(taken.new_bytes), HumanBytes(taken.reused_bytes)) +
        Extra(taken.rewritten_bytes, 0);
    result["warnings"] = taken.warnings;
    result["backup"] = std::move(backup);
    return result;
}

PhysicalRequest MakePhysicalRequest(Engine &engine, const Arguments &arguments) {
    const Config &config = engine.config();
    PhysicalRequest request;
    request.conninfo = config.Text("conninfo");
    request.database = config.Text("database");
    request.source = arguments.Text("source", "local");
    request.label = arguments.Text("label");
    request.reason = arguments.Text("reason");
    request.taken_by = arguments.Text("taken_by", engine.Actor());
    request.environment = config.Text("environment");
    request.compression = ParseCompression(config.Text("compression"));
    request.jobs = static_cast<int>(config.Int("jobs"));
    request.full_every = std::min(config.Time("full_every"), config.Time("reuse_max_age"));
    request.max_rate = config.Size("max_rate");
    request.host = HostName();
    if (const std::string &directory = engine.Server().data_directory; !directory.empty())
        request.directory = FingerprintOf(directory);
    request.rewrite_share = static_cast<double>(config.Int("rewrite_share")) / 100.0;
    return request;
}

Json ResultOfPhysical(Engine &engine, const std::shared_ptr<Repository> &repository, const PhysicalResult &taken) {
    Json result;
    Json backup = BackupObject(engine, repository, taken.backup_id);
    result["state"] = "done";
    result["backup_id"] = taken.backup_id;
    result["source"] = backup["source"];
    result["started_at"] = backup["started_at"];
    result["finished_at"] = backup["finished_at"];
    result["bytes_read"] = taken.plain_bytes - taken.unread_bytes;
    result["bytes_stored"] = taken.clear.new_bytes;
    result["files"] = taken.files;
    result["bytes_unread"] = taken.unread_bytes;
    result["bytes_reused"] = taken.reused_bytes;
    result["bytes_resumed"] = taken.resumed_bytes;
    result["bytes_rewritten"] = taken.rewritten_bytes;
    result["bad_pages"] = taken.bad_pages;
    result["start_lsn"] = taken.start_lsn;
    result["stop_lsn"] = taken.stop_lsn;
    result["copied_from"] = backup["copied_from"];
    result["message"] =
        fmt::format("{}{} files, {} read, {} unchanged and not read, {} stored, {} reused, WAL {} to {}",
                    backup["from_standby"] == true ? TextOf(backup["copied_from"]) + ": " : std::string(), taken.files,
                    HumanBytes(taken.plain_bytes - taken.unread_bytes), HumanBytes(taken.unread_bytes),
                    HumanBytes(taken.clear.new_bytes), HumanBytes(taken.reused_bytes), taken.start_lsn,
                    taken.stop_lsn) +
        Extra(taken.rewritten_bytes, taken.resumed_bytes);
    result["warnings"] = taken.warnings;
    result["backup"] = std::move(backup);
    AddRecoveryIfReadable(result, engine, repository);
    return result;
}

void AddContents(Json &result, const std::shared_ptr<Repository> &repository, const std::shared_ptr<KeyRing> &keys,
                 const BackupId &id, std::size_t limit) {
    Json contents = Json::array();
    bool truncated = false;
    BackupReader backup(repository, keys, id);
    backup.Tables([&](const BackupTable &table) {
        if (limit > 0 && contents.size() >= limit) {
            truncated = true;
            return;
        }
        contents.push_back({{"schema", table.schema},
                            {"table", table.name},
                            {"kind", std::string(1, table.kind)},
                            {"rows", table.rows},
                            {"bytes", table.bytes},
                            {"owner", table.owner},
                            {"key", table.key},
                            {"filter", table.filter.empty() ? Json() : Json(table.filter)}});
    });
    result["contents"] = std::move(contents);
    if (truncated) result["contents_truncated"] = true;
}

}    // namespace ark::cli
