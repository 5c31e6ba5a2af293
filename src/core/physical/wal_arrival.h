// A base backup is worth something when the WAL from its start to its stop is in the store.
#pragma once

#include "base/clock.h"
#include "pgdata/data_directory.h"
#include "physical/backup_control.h"
#include "repo/repository.h"

namespace ark {

// Waits until every segment from `start` to the stop is in the store and the server's archiver is done with it: a name that the store has
// may be another history's, which the archiver then was refused. What it waits for is told. Throws kUnavailable, naming the first
// that is missing and what the archiver says, when that has archived nothing for `patience`.
void AwaitWal(const Repository &repository, Lsn start, const StoppedBackup &stopped, const DataDirectory &directory,
              Duration patience, Connection &connection, Clock &clock, Ticker &ticker, Log &log);

}    // namespace ark
