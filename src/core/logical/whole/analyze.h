// Statistics of a database that was just restored, which planner and autovacuum do not have yet.
#pragma once

#include "logical/restore_database.h"

namespace ark {

// Every table that the role may analyze, largest first, over `jobs` connections.
void AnalyzeDatabase(const DatabaseRestoreRequest &request, Ticker &ticker, Log &log);

}    // namespace ark
