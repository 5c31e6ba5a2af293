// Which files of a data directory belong into a base backup, as PostgreSQL's own base backup decides it: backup/basebackup.c
// (sendDir, sendTablespace, excludeFiles, excludeDirContents), storage/file/fd.c (looks_like_temp_rel_name) and
// storage/file/reinit.c (parse_filename_for_nontemp_relation). Pure: the caller lists directories and reads files.
//
// Paths are relative to the data directory, without a slash at either end; "" is the data directory itself. A tablespace is
// seen through its link: pg_tblspc/16385/PG_15_202209061/16384/16400.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ark {

enum class EntryKind { kFile, kDirectory, kLink, kOther };    // as lstat says: links are not followed
struct DirectoryEntry {
    std::string name;
    EntryKind kind = EntryKind::kFile;
};

enum class Keep {
    kYes,    // a file with its bytes, a directory to be judged in turn; a link only as pg_tblspc/<oid>, to be followed
    kNo,
    kEmptyDirectory,    // a directory, or a link in its place: a directory is made, and what it holds is left out
    kForeign,           // a link or a special file where PostgreSQL warns and goes on without it: someone should know
};

class BaseBackupRules {
public:
    // The version (ControlFile::server_major, catalog_version) names the one directory of a tablespace that is of this
    // server. `tablespaces_inside` are the paths of tablespaces that someone put into the data directory: they are
    // reached through pg_tblspc, and are not to be read twice.
    BaseBackupRules(int server_major, std::uint32_t catalog_version, std::vector<std::string> tablespaces_inside = {});

    const std::string &version_directory() const { return version_directory_; }    // "PG_15_202209061"

    // One answer for each entry of `directory`. All its entries are needed at once, since an unlogged relation is known
    // by its init fork alone; only directories that were kept are asked about.
    //
    // global/pg_control is kept: the caller stores it after everything else. backup_label and tablespace_map are left out:
    // the caller stores its own. Everything that no rule names is kept, whoever put it there.
    std::vector<Keep> Judge(std::string_view directory, std::span<const DirectoryEntry> entries) const;

    // Directories that are made although Judge() left them out with what is around them, with the mode of pg_wal:
    // "pg_wal/archive_status", since 17 "pg_wal/summaries" too.
    std::vector<std::string> AlwaysMade() const;

private:
    Keep JudgeOne(std::string_view directory, const DirectoryEntry &entry) const;

    int server_major_;
    std::string version_directory_;
    std::vector<std::string> tablespaces_inside_;
};

// Whether a server cannot do without what lies there, which somebody may have put elsewhere with a link in its place. PostgreSQL's base backup
// leaves such a one out with a warning, and nothing can be made of it.
bool IsVital(std::string_view path);

// The name of the init fork beside a file of a relation in `directory`; "" for a file that is none's, or is that fork. A server makes it after
// the main fork: a file that was kept by a listing without it is left out all the same when it is there by the time the file is read, or a
// recovery that brings the init fork would find a file in its way.
std::string InitForkOf(std::string_view directory, std::string_view name);

// For a file whose pages carry checksums, in clusters that have them, the block number of its first page: a main fork, or
// another fork, of a relation that is not temporary, below base/, global/ or a tablespace's PG_… directory.
// "base/5/16400.3" is 3 * blocks_per_file (ControlFile). nullopt for all other files, and for a number beyond the last
// block that PostgreSQL has.
//
// So decides server 18. Server 15 takes every file there for pages, but for four names (noChecksumFiles): of the files that
// servers put there the two say the same, and one that somebody else put there has no pages.
std::optional<std::uint32_t> FirstBlock(std::string_view path, std::uint32_t blocks_per_file);

}    // namespace ark
