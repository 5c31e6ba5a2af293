// Rows of a backup in a temporary table of plain column types, beside the live table they are for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "logical/backup_reader.h"
#include "logical/restore/live_table.h"
#include "logical/restore/run_as.h"

namespace ark {

// One live table and what a restore brings to it.
struct Target {
    LiveTable live;
    std::vector<BackupTable> sources;    // one, or the partitions whose rows go into a partitioned table
    std::string filter;                  // of the entity and of the request, together; evaluated as the caller
    bool created = false;                // by this restore: dropped before, or side by side
    bool referenced_only = false;        // brought in for rows that reference it: never updated or deleted from
    std::string stage, diff;             // temporary tables
    std::vector<std::string> columns;    // both in the backup and live, generated ones left out
    std::vector<std::string> notes;

    std::string Name() const { return live.schema + "." + live.name; }
};

// "s.\"a\"", or the cast that turns staged text into the column's type (which runs its domain's checks: as the owner only).
std::string Staged(const Target &target, std::string_view column);

// Names the temporary tables after `number`, works out the columns, creates the stage and loads it.
// Throws kConflict if a live column is required and the backup has nothing for it.
void PlanColumns(Target &target, int number);
void CreateStage(Connection &connection, const Target &target);
void LoadStage(Connection &connection, const Target &target, BackupReader &backup, Ticker &ticker, Log &log,
               Progress &progress);

// Removes from the stage what `filter` does not match, evaluated as `caller`, read only.
void FilterStage(Connection &connection, const Target &target, std::uint64_t caller);

}    // namespace ark
