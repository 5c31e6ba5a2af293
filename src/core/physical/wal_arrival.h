// A base backup is worth something when the WAL from its start to its stop is in the store.
#pragma once

#include "base/clock.h"
#include "pgdata/data_directory.h"
#include "physical/backup_control.h"
#include "repo/repository.h"

namespace ark {

struct WalOfBackup {
    SegmentName first, last;
    WalSegmentSize size;
};
WalOfBackup WalOf(Lsn start, const StoppedBackup &stopped, WalSegmentSize size);

// Who has to archive it, as far as he can be asked.
class WalArchiver {
public:
    virtual ~WalArchiver() = default;
    virtual bool IsDoneWith(const SegmentName &) { return true; }
    virtual std::uint64_t Archived() = 0;    // how many files; where it rises, waiting is worth while
    virtual std::string Says() = 0;
    virtual std::string NextStep() const = 0;
    virtual void Check() {}    // throws where waiting is in vain
};

// Of a server that is connected. With `own`, its data directory: a name that the store has may be another history's, which the
// archiver then was refused.
class ServerArchiver : public WalArchiver {
public:
    ServerArchiver(Connection &connection, const DataDirectory *own) : connection_(connection), own_(own) {}
    bool IsDoneWith(const SegmentName &segment) override { return !own_ || !own_->IsReady(segment); }
    std::uint64_t Archived() override;
    std::string Says() override;
    std::string NextStep() const override;

private:
    Connection &connection_;
    const DataDirectory *own_;
};

// Waits until every segment is in the store and its archiver is done with it. What it waits for is told. Throws kUnavailable, naming
// the first that is missing and what the archiver says, when that has archived nothing for `patience`.
void AwaitWal(const Repository &repository, const WalOfBackup &wal, Duration patience, WalArchiver &archiver,
              Clock &clock, Ticker &ticker, Log &log);

}    // namespace ark
