// archive_backlog_limit, for archive_command: WAL that cannot be archived is given up where a limit says so. (archive_library = 'pg_ark'
// decides the same inside the server: extension/archive_limit.)
#pragma once

#include "base/error.h"
#include "cli/engine.h"

namespace ark::cli {

// Whether WAL may be given up after such a failure: not where the store refuses this server or this file.
bool IsOfTheStore(const Error &error);
// More waits than the setting allows, and this server may give it up: no store has refused it, and it is no copy.
bool IsOverBacklogLimit(Engine &engine, const DataDirectory &directory);
// Writes it down, durably, and warns.
void GiveUp(Engine &engine, const DataDirectory &directory, const WalFileName &name);

}    // namespace ark::cli
