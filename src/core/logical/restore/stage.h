// Rows of a backup in a temporary table beside the live table they are for. Each is readable by the live table's owner
// only, so that what another owner's code can see does not grow.
//
// Columns whose input may run code that a user wrote (domains, composites) arrive as text in a table of their own and
// are turned into their types by the live table's owner; afterwards nothing casts them again.
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
    bool reached = false;                // brought in because deleting rows that they reference changes its rows
    std::string stage, diff;             // temporary tables
    std::vector<std::string> columns;    // both in the backup and live, generated ones left out
    std::vector<std::string> gone;       // in the backup and no longer live
    std::vector<std::string> notes;

    std::string Name() const { return live.schema + "." + live.name; }
};

// s."a"
std::string Staged(std::string_view column);
// "a", "b", each with `prefix` before it.
std::string ColumnList(const std::vector<std::string> &columns, std::string_view prefix = "");
// "a" type, "b" type: the live table's columns as a column definition list.
std::string TypedColumns(const LiveTable &live, const std::vector<std::string> &columns);
// Lets the live table's owner read a temporary table.
void GrantToOwner(Connection &connection, const LiveTable &live, std::string_view temporary);

// What rows of `from` reference in `to`, by a foreign key: a query over `rows` ("… s …", of from's stage) for a key table whose columns have
// the referencing names. A cast that a user wrote runs as the owner of `from`.
std::string ReferencedKeys(const LiveTable &from, const LiveTable &to, const ForeignKey &key, const std::string &rows);

// Names the temporary tables after `number`.
void NameTemporaries(Target &target, int number);
// Works out the columns. Throws kConflict if a live column is required and the backup has nothing for it.
void PlanColumns(Target &target);

// A temporary table for rows of `target`, with ark_row, their number, as its first column. `load` is given the table to
// COPY into and the columns that it is ready for; what the live table has of these are columns of the result.
void FillTemporary(Connection &connection, const Target &target, const std::string &table,
                   const std::vector<std::string> &columns, const std::function<void(const std::string &table)> &load);
// COPY text, in the encoding of the backup's database, into `table`; rows without columns are counted.
void CopyInto(Connection &connection, BackupReader &backup, const std::string &table,
              const std::vector<std::string> &columns,
              const std::function<void(const std::function<void(ByteView)> &)> &rows);

// `contents` comes to the rows of this target's sources next.
void LoadStage(Connection &connection, const Target &target, BackupReader &backup, ContentStream &contents,
               Ticker &ticker, Log &log, Progress &progress);

// Removes from the stage what `filter` does not match, evaluated as `caller`, read only.
void FilterStage(Connection &connection, const Target &target, std::uint64_t caller);
// The FROM item of the ark_rows in `table`, a temporary table of `columns`, that the filter matches.
std::string Matching(const Target &target, const std::string &table, std::uint64_t caller);

}    // namespace ark
