// What the stores said last of a server's right to write its cluster's path, kept beside its WAL: for those who must know it while a store is
// away, or cannot ask one. It names the directory it was written for, so that in a copy it says nothing but that it is a copy. It lies
// in pg_wal, which base backups leave out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "pgdata/wal_name.h"

namespace ark {

inline constexpr const char *kOwnerMark = "pg_wal/ark_owner";    // below the data directory; pg_wal exists

// What tells a data directory from its copies, on this machine and others.
struct DirectoryIdentity {
    std::string machine;                    // /etc/machine-id, or empty
    std::uint64_t device = 0, inode = 0;    // of the directory
    bool operator==(const DirectoryIdentity &) const = default;
};
// nullopt if there is no such directory.
std::optional<DirectoryIdentity> IdentityOf(const std::filesystem::path &data_directory);

enum class Ownership {
    kOwner,       // it owns the path
    kPromoted,    // the same, and it came to that by a promotion
    kRefused,     // a store refused it, or what it would write
};

std::string_view WordOf(Ownership ownership);    // as it is written

struct OwnerMark {
    Ownership ownership = Ownership::kRefused;
    TimelineId timeline;
    DirectoryIdentity identity;
    std::string directory;
    bool operator==(const OwnerMark &) const = default;

    // Whether it was written for this directory. After a restart of the machine its device may have another number.
    bool IsOf(const DirectoryIdentity &now, const std::filesystem::path &data_directory) const;
};

std::string FormatOwnerMark(const OwnerMark &mark);
std::optional<OwnerMark> ParseOwnerMark(std::string_view text);    // nullopt for what is none

// nullopt if there is none, or none that can be read.
std::optional<OwnerMark> ReadOwnerMark(const std::filesystem::path &data_directory);
// Durable on return. Writes nothing where it stands there already.
void WriteOwnerMark(const std::filesystem::path &data_directory, Ownership ownership, TimelineId timeline);

// Whether WAL that waits here may be given up: not by a server that a store has refused, nor by a copy of one.
bool MayGiveUpWal(const std::filesystem::path &data_directory);

}    // namespace ark
