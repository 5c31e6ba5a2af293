// The files of a base backup, written into an empty directory.
#pragma once

#include <filesystem>
#include <map>

#include "base/cancel.h"
#include "base/log.h"
#include "repo/manifest.h"

namespace ark {

struct FilesRestore {
    std::filesystem::path pgdata;    // exists, and is empty
    std::map<std::uint32_t, std::filesystem::path>
        tablespaces;    // every one of the backup's, by oid: exists, and is empty
    int jobs = 2;
};

struct FilesRestored {
    std::uint64_t files = 0, bytes = 0;
};

// Everything but what starts a server: global/pg_control, which FinishFiles() writes. Each frame is proven before it is written.
FilesRestored RestoreFiles(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                           Ticker &ticker, Log &log);

// Forces it all to disk, then writes pg_control, and forces that.
void FinishFiles(const FilesRestore &request, ByteView pg_control);

// The content of one of the small entries of a backup's tree ("stop/pg_control"); empty if it has none.
Bytes SmallContent(const Manifest &backup, const std::shared_ptr<FrameReader> &frames, const std::string &path);

// Where its tablespaces were, by oid.
std::map<std::uint32_t, std::string> TablespacesOfBackup(const Manifest &backup,
                                                         const std::shared_ptr<FrameReader> &frames);

}    // namespace ark
