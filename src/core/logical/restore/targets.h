// From the entities that were asked for to the live tables that they mean.
#pragma once

#include "logical/restore.h"
#include "logical/restore/recreate.h"
#include "logical/restore/stage.h"

namespace ark {

// A table that was asked for: its definition in the backup, the tables that hold its rows (itself, or its partitions), and the filter.
struct Wanted {
    BackupTable table;
    std::vector<BackupTable> sources;
    std::vector<RelationName> partitions;    // at any depth, partitioned ones too
    std::string filter;
    std::string view = {};    // VIEW or MATERIALIZED VIEW: it has no rows in the backup
};

// Throws kNotFound (with names that are near) or kInvalidArgument (ambiguous). A partitioned table brings its partitions,
// so one that is asked for too is not wanted again.
std::vector<Wanted> FindWanted(BackupReader &backup, const std::vector<Entity> &entities, const std::string &filter);
// For an undo: every table of a safety copy.
std::vector<Wanted> AllTables(BackupReader &backup);

// Makes `<table>_restored` like the live table (or as the backup describes it), with its owner, grants and row security. Runs in the
// restoring transaction. Its CHECK constraints and expressions are made by the owner, or left out where the owner may not.
LiveTable CreateBeside(Connection &connection, RunAs &run_as, const Wanted &wanted, const std::string &schema,
                       std::vector<std::string> &notes);

}    // namespace ark
