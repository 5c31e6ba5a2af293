// The mark that a restore leaves in the directory while it works: a restore that was interrupted can go on, and no two work at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "repo/layout.h"

namespace ark {

constexpr const char *kRestoreMark = "pg_ark_restore";    // its name in the data directory

struct RestoreMark {
    std::string cluster;    // its path in the store
    BackupId backup;
    bool operator==(const RestoreMark &) const = default;
};

// nullopt if there is none, or one that was cut short before it said anything.
std::optional<RestoreMark> ReadRestoreMark(const std::filesystem::path &pgdata);

// Made (or taken over from a restore that is not at work any more) and on disk. Throws kConflict where another process works there.
class RestoreMarkFile {
public:
    RestoreMarkFile(const std::filesystem::path &pgdata, const RestoreMark &mark);
    void Remove();    // the restore has finished; without it the mark stays

private:
    std::filesystem::path pgdata_;
    Fd file_;    // locked
};

}    // namespace ark
