// What a directory holds beside the files of a backup.
#pragma once

#include "physical/restore_files.h"

namespace ark {

constexpr const char *kWalBeforeRestore = "pg_wal/before_restore";

struct ExtraFiles {
    std::uint64_t files = 0, bytes = 0;    // files below a directory that goes count each
    std::uint64_t kept_wal = 0;            // files that were put aside
    std::vector<std::string> unlinked;     // places of tablespaces that the backup has not: only the links go
};

// Removes them, from the data directory and from what its links in pg_tblspc lead to, where that is a tablespace of the backup, of its version.
// Links are removed, never followed; a link in the place of pg_wal stays. With `request.keep_wal`, WAL of which archive_status does not say that it
// was archived goes to pg_wal/before_restore, and what lies there stays. With `request.pretend`, only counts.
ExtraFiles RemoveExtraFiles(const FilesRestore &request, const Manifest &backup,
                            const std::shared_ptr<FrameReader> &frames, Ticker &ticker);

}    // namespace ark
