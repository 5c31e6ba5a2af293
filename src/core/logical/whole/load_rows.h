// Rows and large objects of a backup, streamed into a database over several connections.
#pragma once

#include "logical/restore_database.h"
#include "logical/whole/definitions.h"
#include "logical/whole/index_entries.h"
#include "logical/whole/load_plan.h"

namespace ark {

// Builds indexes too where that keeps a connection busy, and returns the entries that are left, those that take longest first. Throws what the
// first connection to fail met; the others stop. Throws kCorrupt if the server took more or fewer rows of a table than the
// manifest has.
std::vector<std::int32_t> LoadRows(const DatabaseRestoreRequest &request, BackupReader &backup, LoadPlan &plan,
                                   const IndexEntries &indexes, Definitions &definitions,
                                   const std::vector<std::uint32_t> &large_objects, Ticker &ticker, Log &log);

}    // namespace ark
