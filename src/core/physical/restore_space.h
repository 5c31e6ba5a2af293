// Whether a restore finds room: by file system, since tablespaces may lie on others.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "repo/manifest.h"

namespace ark {

// One file system and what a restore makes of it.
struct SpaceNeed {
    std::filesystem::path place;    // the first of the directories that lie there
    std::uint64_t needed = 0;       // what they will hold
    std::uint64_t there = 0;        // what they hold that is written over or removed
    std::uint64_t available = 0;
};

// A directory that is restored; the place that it lies in is looked at where it does not exist yet.
struct SpaceRoot {
    std::filesystem::path place;
    std::uint64_t needed = 0, there = 0;
};

std::vector<SpaceNeed> SpaceNeedsOf(const std::vector<SpaceRoot> &roots);
bool ShareAFileSystem(const std::vector<std::filesystem::path> &places);

// Throws kUnavailable (53100) naming the first one that is too small.
void CheckSpace(const std::vector<SpaceNeed> &needs);

// Of files below, on disk; links are not followed. 0 for what does not exist.
std::uint64_t BytesBelow(const std::filesystem::path &directory);

// Of the backup's files: each tablespace's by oid, and the rest by 0. Reads the whole tree.
std::map<std::uint32_t, std::uint64_t> BytesByTablespace(const Manifest &backup,
                                                         const std::shared_ptr<FrameReader> &frames);

}    // namespace ark
