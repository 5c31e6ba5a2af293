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
// absence; kUnavailable for a segment that is missing between others that are there (it may still be on its way: archiving is
// parallel): a server would take that for the end of its WAL.
FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name, WalSegmentSize size,
                          const std::filesystem::path &to);

}    // namespace ark
