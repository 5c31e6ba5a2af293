// backup_manifest, with which pg_verifybackup checks a directory: written as backup/backup_manifest.c does it, to be read by
// common/parse_manifest.c.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/digest.h"
#include "pgdata/wal_name.h"

namespace ark {

class BackupManifestText {
public:
    // Without the system identifier it is version 1, which every server since 13 reads; with it version 2, which servers write and
    // read since 17, and whose pg_verifybackup compares it with pg_control.
    explicit BackupManifestText(std::function<void(std::string_view)> write, std::string_view system_identifier = {});

    // `path` is relative to the data directory; files of a tablespace are below pg_tblspc/<oid>.
    void AddFile(std::string_view path, std::uint64_t size, TimePoint modified, std::uint32_t crc32c);
    // Which WAL a server needs to recover; ends the text.
    void Finish(TimelineId timeline, Lsn start, Lsn stop);

private:
    void Add(std::string_view text);

    std::function<void(std::string_view)> write_;
    Sha256Stream digest_;
    bool first_ = true;
};

}    // namespace ark
