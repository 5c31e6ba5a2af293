// The mark of a data directory that was recovered from an archive. It takes over no path in a store by itself, and what its tables say
// of their cluster is of another one, until somebody says otherwise. It lies in pg_wal, which base backups leave out.
#pragma once

#include <filesystem>

#include "base/random.h"

namespace ark {

inline constexpr const char *kRestoredMark = "pg_wal/ark_restored";    // below the data directory; pg_wal exists

void WriteRestoredMark(const std::filesystem::path &data_directory,
                       Random &random);    // its last line tells restores apart
bool HasRestoredMark(const std::filesystem::path &data_directory);

}    // namespace ark
