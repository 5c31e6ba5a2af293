// Whose files a base backup copies, and who says where it begins and ends: a primary of its own, a primary of its standby's, or a standby
// by itself. docs/repository-format.md, section 12.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "pgdata/data_directory.h"
#include "physical/backup_control.h"
#include "physical/standby_copy.h"
#include "repo/repository.h"

namespace ark {

// What a source works with; all of it outlives the source.
struct SourceContext {
    Connection &connection;    // to the server whose files are read
    const ServerIdentity &server;
    const DataDirectory &directory;
    const Repository &repository;
    std::string database;     // to connect to, elsewhere too
    Duration wal_patience;    // with an archiver that does not get on
    Clock &clock;
    Ticker &ticker;
    Log &log;
};

// One thread at a time.
class BackupSource {
public:
    virtual ~BackupSource() = default;
    virtual void Check() = 0;    // before anything is written: throws what is in the way
    // On return all that WAL before start() says is in the files.
    virtual void Start(const std::string &label, bool fast_checkpoint) = 0;
    virtual Lsn start() const = 0;
    virtual Lsn Reached() = 0;    // no page in the files is newer
    virtual void Watch() = 0;     // while files are read: throws where going on is in vain
    // All files but the control file were read: on return that one says how far the WAL of the others reaches.
    virtual void Settle() {}
    // `copied`: the control file, read after that.
    virtual StoppedBackup Stop(const ControlFile &copied) = 0;
    // Returns when the store has the WAL from the start to the stop, and it is proven to be that of the files.
    virtual void AwaitWal(const StoppedBackup &stopped) = 0;
};

std::unique_ptr<BackupSource> MakePrimarySource(const SourceContext &context);
// The primary is asked to start and stop: its full-page writes and its end-of-backup record cover the copy, as they cover one of its own.
std::unique_ptr<BackupSource> MakeStandbySource(const SourceContext &context, const StandbyCopy &request);
// Nobody but the standby is asked. The backup begins at a restartpoint and ends where the copied control file says.
std::unique_ptr<BackupSource> MakeStandbyOnlySource(const SourceContext &context, const StandbyCopy &request);

// Throws kInvalidArgument for a server that archives nothing.
void CheckArchives(Connection &connection);

}    // namespace ark
