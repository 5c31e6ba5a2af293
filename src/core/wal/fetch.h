// From the store into a file: what restore_command asks for.
#pragma once

#include <filesystem>

#include "wal/segment_object.h"

namespace ark {

enum class FetchOutcome {
    kFetched,    // the file is there, whole and proven
    kAbsent,     // the store says that it has no such file, and nothing says that it should have
};

// Writes the file under another name beside `to` and renames it, replacing what was there. Throws for everything that is not proof of
// absence.
FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name,
                          const std::filesystem::path &to);

// Whether a segment that is absent must exist: a later one of its timeline does, or a timeline that goes on from this one further on. A
// server would take its absence for the end of the WAL. Lists the timeline.
bool IsHole(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size);

}    // namespace ark
