// Base backups of a standby's files: what settings say of them, and the right to write into the primary's path.
#pragma once

#include "cli/engine.h"
#include "physical/take_backup.h"

namespace ark::cli {

// Whether the server's files are copied as a standby's: nullopt for a primary. Throws kUnsupported where the setting `standby` forbids to
// copy this server.
std::optional<StandbyCopy> StandbyCopyOf(Engine &engine);

// A standby does not own the cluster's path: it writes on behalf of the server that does, under that one's epoch, which the backup proves to
// be the one that it follows. The store must have been written by its primary before.
std::shared_ptr<Repository> OpenForPrimary(Engine &engine, StandbyCopy &copy);

}    // namespace ark::cli
