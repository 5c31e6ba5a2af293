// Rows and large objects of a backup, streamed into a database over several connections.
#pragma once

#include "logical/restore_database.h"
#include "logical/whole/load_plan.h"

namespace ark {

// Throws what the first connection to fail met; the others stop. Throws kCorrupt if the server took more or fewer rows of a
// table than the manifest has.
void LoadRows(const DatabaseRestoreRequest &request, BackupReader &backup, LoadPlan &plan,
              const std::vector<std::uint32_t> &large_objects, Ticker &ticker, Log &log);

}    // namespace ark
