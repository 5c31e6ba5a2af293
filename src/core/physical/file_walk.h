// The files of a data directory that belong into a base backup, in the order of a manifest tree. docs/repository-format.md,
// section 12. Memory: the names of the directories on the way down.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pgdata/base_backup_files.h"

namespace ark {

struct WalkedFile {
    std::string path;        // of its entry: "file/base/5/16384", a directory's ends with "/"
    std::string relative;    // "base/5/16384", as the file system has it
    struct stat facts {};
};

struct Tablespace {
    std::uint32_t oid = 0;
    std::string location;    // where the link points
};

struct WalkVisitor {
    std::function<void(const WalkedFile &)> visit;    // directories before what is in them
    std::function<void(const std::string &relative)>
        foreign;    // a link or special file that is left out, and should not be there
};

// A file that vanishes meanwhile is left out, and so is pg_control, which is stored last. Throws what the file system says.
void WalkDataDirectory(const std::filesystem::path &data_directory, const BaseBackupRules &rules,
                       const WalkVisitor &visitor);

// The links in pg_tblspc, ascending by oid.
std::vector<Tablespace> TablespacesOf(const std::filesystem::path &data_directory);

}    // namespace ark
