// Backups in other people's formats: a pg_dump directory archive, plain SQL, CSV, JSON.
#pragma once

#include <filesystem>

#include "logical/backup_reader.h"

namespace ark {

// A pg_dump directory archive that stock pg_restore takes; `directory` must not exist or be empty. Entities may narrow it.
// Appears whole or not at all (written beside, renamed).
struct ArchiveResult {
    std::uint64_t files = 0, bytes = 0, rows = 0;
};
ArchiveResult ExportDirectoryArchive(BackupReader &backup, const std::filesystem::path &directory, int gzip_level,
                                     int jobs, Ticker &ticker, Log &log);

enum class TextFormat { kSql, kCsv, kJson, kJsonl };    // kJson: one array
TextFormat ParseTextFormat(std::string_view text);

// A table to be exported: as the backup describes it, and those that hold its rows (itself, or its partitions).
struct ReadableTable {
    BackupTable table;
    std::vector<BackupTable> sources;
    std::uint64_t rows = 0;
};
// The tables of an entity. Throws kNotFound, kInvalidArgument for a name that several tables have (public comes first),
// kUnsupported when the entity has a filter that was not applied when the backup was taken.
std::vector<ReadableTable> FindReadable(BackupReader &backup, const Entity &entity);

// One table as text, streamed. JSON names and types come from the backup's column definitions; output is UTF-8
// (rows in another server encoding are converted; a row that cannot be is an error naming it).
void ExportTable(BackupReader &backup, const ReadableTable &table, TextFormat format,
                 const std::function<void(std::string_view)> &write);
// The whole database as plain SQL: pg_restore's script of the archive (needs pg_restore in `pg_bindir`).
void ExportSql(BackupReader &backup, const std::string &pg_bindir, Ticker &ticker, Log &log,
               const std::function<void(std::string_view)> &write);

// Readable exports into the store under a layout: {entity}, {database}, {name}, {time} are replaced.
// Nothing is overwritten: an object that is there is kAlreadyExists, before any is written.
// Defaults: entities "exports/{entity}/{time}.json", a database "database/full/{name}-{time}.sql.gz"; {time} is 2026-01-16T08-00-00.
struct ReadableRequest {
    std::vector<Entity> entities;    // empty: the whole database as SQL
    TextFormat format = TextFormat::kJson;
    std::string layout;
    std::string pg_bindir;
    bool gzip = false;    // by the layout's .gz suffix
};
struct ReadableObject {
    std::string entity, key;
    std::uint64_t bytes = 0, rows = 0;
};
std::vector<ReadableObject> WriteReadable(BackupReader &backup, Storage &storage, const ReadableRequest &request,
                                          Clock &clock, Ticker &ticker, Log &log);

}    // namespace ark
