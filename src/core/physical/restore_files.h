// The files of a base backup, written into a directory: all of them into an empty one, what differs into another.
#pragma once

#include <filesystem>
#include <functional>
#include <map>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "repo/manifest.h"

namespace ark {

// A file that is whole, and what it is then.
struct RestoredFile {
    std::string path;    // relative to the data directory
    std::uint64_t size = 0;
    TimePoint modified{};    // when it was backed up
    std::uint32_t crc32c = 0;
};

struct FilesRestore {
    std::filesystem::path pgdata;                                  // exists
    std::map<std::uint32_t, std::filesystem::path> tablespaces;    // every one of the backup's, by oid: exists
    int jobs = 2;
    // With the key of the backup's digests, units stay that are what the backup has there. Whatever the directory holds beside the backup's
    // files was removed (RemoveExtraFiles). Without it the directory is empty.
    std::optional<DomainKey> compare = {};
    bool keep_wal = false;    // WAL that was not archived is put aside (RemoveExtraFiles)
    bool pretend = false;     // nothing is written or fetched
};

struct FilesRestored {
    std::uint64_t files = 0, bytes = 0;    // of the backup
    std::uint64_t read = 0;                // of files that were there
    std::uint64_t written = 0;             // of files
    std::uint64_t fetched = 0;             // as stored
};

// Everything but what starts a server: global/pg_control, which FinishFiles() writes. Each frame is proven before it is written. `whole` is
// told of each file, by one thread at a time.
FilesRestored RestoreFiles(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                           Ticker &ticker, Log &log, const std::function<void(const RestoredFile &)> &whole = {});

// Forces it all to disk, then writes pg_control, and forces that.
void FinishFiles(const FilesRestore &request, ByteView pg_control);

// The content of one of the small entries of a backup's tree ("stop/pg_control"); empty if it has none.
Bytes SmallContent(const Manifest &backup, const std::shared_ptr<FrameReader> &frames, const std::string &path);

// Where its tablespaces were, by oid.
std::map<std::uint32_t, std::string> TablespacesOfBackup(const Manifest &backup,
                                                         const std::shared_ptr<FrameReader> &frames);

// "base/5/16384" of "base/5/16384" as a tree has it, encoded; throws kCorrupt for one that would lead out of the directory.
std::string PlainPath(std::string_view encoded);

}    // namespace ark
