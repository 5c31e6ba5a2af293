#include "physical/file_walk.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/encoding.h"
#include "base/error.h"
#include "base/file.h"
#include "physical/base_files.h"

namespace ark {
namespace {

constexpr std::string_view kTablespaces = "pg_tblspc";

struct Entry {
    std::string sort_name;    // encoded; with a slash behind a directory's: the order of the tree
    bool is_directory = false, is_walked = false, is_emptied = false;
};

// False if it is not there (any more).
bool Look(const std::filesystem::path &path, bool follow, struct stat &info) {
    if ((follow ? stat(path.c_str(), &info) : lstat(path.c_str(), &info)) == 0) return true;
    if (errno == ENOENT) return false;
    ThrowErrno(errno, fmt::format("could not look at \"{}\"", path.string()));
}

std::vector<std::string> NamesIn(const std::filesystem::path &directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) names.push_back(entries->path().filename().string());
    if (error && error.value() != ENOENT)
        ThrowErrno(error.value(), fmt::format("could not read directory \"{}\"", directory.string()));
    return names;
}

EntryKind KindOf(const struct stat &info) {
    if (S_ISDIR(info.st_mode)) return EntryKind::kDirectory;
    if (S_ISLNK(info.st_mode)) return EntryKind::kLink;
    return S_ISREG(info.st_mode) ? EntryKind::kFile : EntryKind::kOther;
}

class Walk {
public:
    Walk(std::filesystem::path root, const BaseBackupRules &rules, const WalkVisitor &visitor)
        : root_(std::move(root)), rules_(rules), visitor_(visitor) {}

    // `relative` is empty or ends with a slash; `path` is that of its entry.
    void Directory(const std::string &relative, const std::string &path) {
        std::vector<DirectoryEntry> names;
        for (std::string &name : NamesIn(root_ / relative))
            if (struct stat info; Look(root_ / (relative + name), false, info))
                names.push_back({std::move(name), KindOf(info)});
        std::vector<Keep> judged =
            rules_.Judge(std::string_view(relative).substr(0, relative.empty() ? 0 : relative.size() - 1), names);
        std::vector<Entry> entries;
        for (std::size_t i = 0; i < names.size(); i++) {
            if (judged[i] == Keep::kForeign) visitor_.foreign(relative + names[i].name);
            if (judged[i] == Keep::kNo || judged[i] == Keep::kForeign ||
                relative + names[i].name == "global/pg_control")
                continue;
            struct stat info {};
            bool emptied = judged[i] == Keep::kEmptyDirectory;
            if (!(emptied ? LookAsDirectory(relative + names[i].name, info)
                          : Look(root_ / (relative + names[i].name), true, info)))
                continue;
            bool directory = emptied || S_ISDIR(info.st_mode);
            entries.push_back({.sort_name = PercentEncode(names[i].name) + (directory ? "/" : ""),
                               .is_directory = S_ISDIR(info.st_mode),
                               .is_walked = directory && judged[i] == Keep::kYes,
                               .is_emptied = emptied});
        }
        names = {};
        std::ranges::sort(entries, {}, &Entry::sort_name);
        for (const Entry &entry : entries) {
            std::string name = PercentDecode(entry.sort_name);
            if (name.ends_with('/')) name.pop_back();
            std::string below = relative + name;
            // Hours may have passed since the directory was listed.
            struct stat info {};
            bool there = entry.is_emptied ? LookAsDirectory(below, info) : Look(root_ / below, true, info);
            if (!there || S_ISDIR(info.st_mode) != entry.is_directory) continue;
            if (!entry.is_directory && IsUnloggedByNow(relative, name)) continue;
            visitor_.visit({path + entry.sort_name, below, info});
            if (entry.is_walked) Directory(below + "/", path + entry.sort_name);
        }
    }

private:
    // A link in the place of a directory that is kept empty may lead nowhere (to a disk in memory that is gone): the directory is made all the
    // same, as PostgreSQL's base backup does it.
    bool LookAsDirectory(const std::string &relative, struct stat &info) const {
        if (Look(root_ / relative, true, info)) return true;
        if (!Look(root_ / relative, false, info)) return false;
        info.st_mode = S_IFDIR | 0700;
        return true;
    }

    bool IsUnloggedByNow(std::string_view relative, std::string_view name) const {
        struct stat info {};
        std::string init = InitForkOf(relative.substr(0, relative.empty() ? 0 : relative.size() - 1), name);
        return !init.empty() && Look(root_ / fmt::format("{}{}", relative, init), false, info);
    }

    std::filesystem::path root_;
    const BaseBackupRules &rules_;
    const WalkVisitor &visitor_;
};

}    // namespace

void WalkDataDirectory(const std::filesystem::path &data_directory, const BaseBackupRules &rules,
                       const WalkVisitor &visitor) {
    Walk(data_directory, rules, visitor).Directory("", std::string(kFiles));
}

std::vector<Tablespace> TablespacesOf(const std::filesystem::path &data_directory) {
    std::vector<Tablespace> spaces;
    std::filesystem::path links = data_directory / kTablespaces;
    for (const std::string &name : NamesIn(links)) {
        std::uint32_t oid = 0;
        auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), oid);
        if (error != std::errc() || end != name.data() + name.size()) continue;
        std::error_code unreadable;
        std::filesystem::path target = std::filesystem::read_symlink(links / name, unreadable);
        if (!unreadable) spaces.push_back({oid, target.string()});
    }
    std::ranges::sort(spaces, {}, &Tablespace::oid);
    return spaces;
}

}    // namespace ark
