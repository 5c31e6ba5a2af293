// A consistent logical backup of one database, or of chosen entities. docs/repository-format.md sections 3 and 7;
// the order of steps (locks, snapshot, comparison, fingerprints) is that of REPOSITORY rules 22 to 25.
#pragma once

#include <thread>

#include "codec/compress.h"
#include "repo/backup_session.h"
#include "repo/catalog.h"
#include "server/connection.h"

namespace ark {

// A business object by name: tables, and optionally which rows of them.
struct EntityTable {
    std::string schema;    // empty: found along public, then anywhere if unique
    std::string table;
    std::string filter;    // SQL condition or empty
};
struct Entity {
    std::string name;
    std::vector<EntityTable> tables;
};
// `"clients, jobs"`, `public.clients`, `"Order Items"`: each its own entity of one table.
std::vector<Entity> ParseEntities(std::string_view text);

struct ExportRequest {
    std::string conninfo;
    std::string database;
    std::string source = "local";
    std::vector<Entity> entities;    // empty: the whole database
    std::string label, reason, taken_by, environment;
    std::string pg_bindir;    // where pg_dump is; empty: beside the engine, then PATH
    Compression compression;
    int jobs = 2;                                            // connections that copy
    unsigned cores = std::thread::hardware_concurrency();    // of this machine: decides which tables are read by ranges
    std::uint64_t memory_limit = 256 << 20;
    Duration yield_after = std::chrono::seconds(2);       // 0: never give way
    Duration max_snapshot_age = std::chrono::hours(0);    // 0: unlimited
    Duration full_every = std::chrono::hours(24 * 30);
    double rewrite_share = 0.10;
    Json annotations = Json::object();
};

struct ExportResult {
    BackupId backup_id;
    ManifestClear clear;
    std::uint64_t tables = 0, rows = 0, plain_bytes = 0, new_bytes = 0, reused_bytes = 0;
    std::uint64_t rewritten_bytes = 0;    // stored: what the base has, and was stored again to tidy the store
    std::vector<std::string> warnings;
    int attempts = 1;    // more than one after giving way or a change of types in mid-export
};

// Opens its own connections. Fails with kInvalidArgument / kNotFound for an unknown database or entity (listing those that are near),
// kPermissionDenied naming what the role lacks, kConflict when types changed three times in a row.
ExportResult ExportDatabase(const ExportRequest &request, std::shared_ptr<Repository> repository,
                            std::shared_ptr<KeyRing> keys, Clock &clock, Random &random, Ticker &ticker, Log &log,
                            const std::function<void(const BackupId &)> &begun = nullptr);

}    // namespace ark
