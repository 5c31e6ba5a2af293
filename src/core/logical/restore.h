// Entities of a backup brought back into a live database of this server: staged beside, compared by key in the
// database, merged in one transaction: all or nothing. Memory does not grow with the tables.
//
// No code that a user wrote runs with more rights than that user (docs/architecture.md, "Rights"): rows are staged in
// temporary tables that only the table's owner may read; what reads, compares or writes live tables runs through the C
// function ark_run_as of the server library (declared in pg_temp of the restoring session), as the table's owner in a
// security-restricted context; `filter` is evaluated as the caller, read only, over copies of rows. The caller needs the
// rights that the same change by hand would need.
#pragma once

#include "logical/backup_reader.h"

namespace ark {

enum class RestoreMode { kInsertMissing, kUpsert, kReplace, kSideBySide };
RestoreMode ParseRestoreMode(std::string_view text);    // insert_missing, upsert, replace, side_by_side

struct RestoreRequest {
    std::string conninfo;
    std::string target_database;    // default: the backup's database
    std::string target_schema;      // empty: each table's own schema
    std::vector<Entity> entities;
    RestoreMode mode = RestoreMode::kInsertMissing;
    std::string filter;                  // SQL condition over the backup's rows
    bool with_referenced = false;        // also the rows that the filtered rows reference
    std::vector<std::string> columns;    // upsert: only these are changed
    bool fire_triggers = false;
    bool cascade = false;
    bool dry_run = false;
    bool safety = true;
    bool undo = false;    // the backup is a safety copy: give back what it holds
    std::string lock_timeout = "10 s";
    std::string caller;                 // role on whose behalf; empty: the connection's own
    std::string reason, environment;    // recorded with the safety copy
    std::int64_t restore_id = 0;        // names the safety copy "before restore N"
    // Told before the first live row is written: the server's id of the transaction, and what can undo it. Told again,
    // without a copy, when the transaction is rolled back and its copy ended.
    std::function<void(const std::string &transaction, const std::optional<BackupId> &safety_backup)> on_write;
    // Told once it is certain that the restore is committed; nothing that fails afterwards takes it back.
    std::function<void()> on_commit;
    // The repository through a store that no cancellation stops, to end the safety copy of a restore that failed.
    std::function<std::shared_ptr<Repository>()> open_to_tidy_up;
    Json expect;    // run_plan: an earlier result's `tables`; refuses if more would be deleted or updated
    Compression compression;
};

struct TablePlan {
    std::string table_name;    // schema.table, quoted where needed
    std::uint64_t to_insert = 0, to_update = 0, to_delete = 0, unchanged = 0, conflicts = 0;
    std::vector<std::string> sample_keys;
    std::vector<std::string> triggers, cascades, notes;
    std::string locks;
};
Json ToJson(const TablePlan &plan);

struct RestoreResult {
    std::vector<TablePlan> tables;
    bool committed = false;
    std::optional<BackupId> safety_backup;
    std::vector<std::string> warnings;
    std::string message;    // what happened and how to undo it
};

RestoreResult RestoreEntities(const RestoreRequest &request, const BackupId &backup,
                              std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys, Clock &clock,
                              Random &random, Ticker &ticker, Log &log);

}    // namespace ark
