// A dropped table made again from the backup's own schema, in the restoring transaction: the entries of pg_dump's table
// of contents that belong to it, in their order. docs/decisions/recreate-from-toc.md.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "logical/backup_reader.h"
#include "logical/connection.h"
#include "pgdata/dump_archive.h"

namespace ark {

struct TableRecipe {
    std::vector<TocEntry> before;    // the table, its sequences, defaults, partitions
    std::vector<TocEntry>
        after;                     // keys, indexes, foreign keys (also those of other tables to it), triggers, policies
    std::vector<TocEntry> last;    // comments, grants
};

// `tables`: (schema, name). Throws kNotFound if the backup's schema has no such table.
TableRecipe FindRecipe(BackupReader &backup, const std::set<std::pair<std::string, std::string>> &tables);

// Runs entries with the owner and place that they had. What is there already (a view that was not dropped) is left alone; its tag is
// added to `left`. Anything else that fails is thrown with the entry's name.
void RunEntries(Connection &connection, const std::vector<TocEntry> &entries, std::vector<std::string> &left);

}    // namespace ark
