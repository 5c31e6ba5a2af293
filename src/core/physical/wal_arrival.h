// A base backup is worth something when the WAL from its start to its stop is in the store.
#pragma once

#include "base/clock.h"
#include "physical/backup_control.h"
#include "repo/repository.h"

namespace ark {

// Waits until every segment from `start` to the stop is there; what it waits for is told. Throws kUnavailable, naming the first that is
// missing and what the server's archiver says, when none arrived for `patience`.
void AwaitWal(const Repository &repository, Lsn start, const StoppedBackup &stopped, WalSegmentSize size,
              Duration patience, Connection &connection, Clock &clock, Ticker &ticker, Log &log);

}    // namespace ark
