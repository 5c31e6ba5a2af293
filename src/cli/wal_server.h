// `wal-push --serve`: what stands behind archive_library. docs/engine-protocol.md, "Archiving".
#pragma once

#include "cli/wal_command.h"
#include "repo/header.h"
#include "wal/push_ahead.h"

namespace ark::cli {

// Answers the archiver's requests until it ends the pipe; stores ahead meanwhile. A request that fails is answered with its error,
// and the next one tries again.
Json ServeArchiver(Engine &engine, WalCommand &command);

PushAhead::Limits PushLimits(const Config &config);

}    // namespace ark::cli
