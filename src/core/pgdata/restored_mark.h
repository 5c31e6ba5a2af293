// The mark of a data directory that was recovered from an archive. It takes over no path in a store by itself, and what its tables say
// of their cluster is of another one, until somebody says otherwise. It lies in pg_wal, which base backups leave out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace ark {

inline constexpr const char *kRestoredMark = "pg_wal/ark_restored";    // below the data directory; pg_wal exists

// What it was recovered from, as far as that is known: empty is not.
struct RestoredFrom {
    std::string repository;    // the id of that
    std::string cluster;       // its path in the store
    std::string backup;        // empty too if another tool took it
    bool operator==(const RestoredFrom &) const = default;
};

struct RestoredMark {
    std::string id;    // tells restores apart
    RestoredFrom from;
    bool operator==(const RestoredMark &) const = default;
};

std::string FormatRestoredMark(const RestoredMark &mark);
RestoredMark ParseRestoredMark(std::string_view text);    // what it does not say is empty

// nullopt: there is none.
std::optional<RestoredMark> ReadRestoredMark(const std::filesystem::path &data_directory);
// Durable on return.
void WriteRestoredMark(const std::filesystem::path &data_directory, const RestoredMark &mark);
// A new one.
void WriteRestoredMark(const std::filesystem::path &data_directory, const RestoredFrom &from, Random &random);

}    // namespace ark
