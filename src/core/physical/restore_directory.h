// What lies where a cluster shall be restored to, and whether a restore may write there.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "pgdata/control_file.h"
#include "physical/restore_mark.h"
#include "repo/manifest.h"

namespace ark {

enum class Occupant {
    kNothing,       // no directory, or an empty one
    kUnfinished,    // of a restore by pg_ark
    kCluster,       // a data directory
    kOther
};

struct RestoreDirectory {
    std::filesystem::path path;
    Occupant occupant = Occupant::kNothing;
    std::optional<RestoreMark> mark;       // kUnfinished
    std::optional<ControlFile> control;    // kCluster, unless it cannot be read:
    std::string why_not;
    int major = 0;    // kCluster: what PG_VERSION says
};

// Throws kInvalidArgument for a path that is not absolute, or is taken by something that is no directory.
RestoreDirectory LookAtRestoreDirectory(const std::filesystem::path &path);

// Nothing, an unfinished restore of the same backup, and with `delta` a data directory (or an unfinished restore) of the same cluster whose
// server is not running. Else kAlreadyExists, kConflict or kInvalidArgument, and what to do.
void CheckMayRestoreInto(const RestoreDirectory &directory, const Manifest &backup, const std::string &cluster,
                         bool delta);

// Throws kConflict if a server runs on the directory, or processes of one that was killed are still at work there.
void CheckServerIsDown(const std::filesystem::path &pgdata);

// A place of a tablespace has to be empty, or to be that of this tablespace in the directory, which then is written over. `given`: somebody
// said that it shall be there.
void CheckTablespacePlace(const RestoreDirectory &directory, const Manifest &backup, std::uint32_t oid,
                          const std::filesystem::path &place, bool given);

// Throws kInvalidArgument where two tablespaces would share a directory, whose files have the same names, or where one would lie among the
// server's own files.
void CheckTablespacesApart(const std::filesystem::path &pgdata,
                           const std::map<std::uint32_t, std::filesystem::path> &places);

bool IsThereAndNotEmpty(const std::filesystem::path &directory);

}    // namespace ark
