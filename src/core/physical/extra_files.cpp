#include "physical/extra_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"
#include "pgdata/base_backup_files.h"
#include "pgdata/wal_name.h"
#include "physical/base_files.h"
#include "physical/restore_mark.h"

namespace ark {
namespace {

constexpr std::string_view kTablespaces = "pg_tblspc";

struct Here {
    std::filesystem::path path;
    std::string name, sort_name;    // the second as the tree has it: encoded, with a slash behind a directory's
    struct stat facts {};
    bool is_directory() const { return S_ISDIR(facts.st_mode); }
    bool is_link() const { return S_ISLNK(facts.st_mode); }
};

std::vector<Here> EntriesOf(const std::filesystem::path &directory) {
    std::vector<Here> found;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) {
        Here here;
        here.path = entries->path();
        here.name = here.path.filename().string();
        here.sort_name = PercentEncode(here.name);
        if (lstat(here.path.c_str(), &here.facts) != 0)
            ThrowErrno(errno, fmt::format("could not look at \"{}\"", here.path.string()));
        found.push_back(std::move(here));
    }
    if (error) ThrowErrno(error.value(), fmt::format("could not read directory \"{}\"", directory.string()));
    return found;
}

class ExtraFilesRemover {
public:
    ExtraFilesRemover(const FilesRestore &request, const Manifest &backup, const std::shared_ptr<FrameReader> &frames,
                      Ticker &ticker)
        : request_(request),
          cursor_(frames, TreeRootFromJson(backup.body.at("tree"))),
          ticker_(ticker),
          wal_segment_size_(static_cast<std::uint32_t>(JsonNumber(backup.body, "wal_segment_size", "a base backup"))),
          version_directory_(
              BaseBackupRules(static_cast<int>(JsonNumber(backup.body, "server_version_num", "a base backup") / 10000),
                              static_cast<std::uint32_t>(JsonNumber(backup.body, "catalog_version", "a base backup")))
                  .version_directory()) {}

    ExtraFiles Run() {
        Directory(request_.pgdata, "", std::string(kFiles));
        return std::move(extra_);
    }

private:
    // `relative` is empty or ends with a slash; `encoded` is that of its entry.
    void Directory(const std::filesystem::path &directory, const std::string &relative, const std::string &encoded) {
        std::vector<Here> entries = EntriesOf(directory);
        bool of_links = relative == "pg_tblspc/", of_tablespace = false;
        if (std::string_view rest = relative; rest.starts_with("pg_tblspc/"))
            of_tablespace = std::ranges::count(rest, '/') == 2;
        for (Here &here : entries) {
            bool is_wal = relative.empty() && here.name == "pg_wal" && std::filesystem::is_directory(here.path);
            if (here.is_directory() || is_wal || (of_links && here.is_link())) here.sort_name += "/";
        }
        std::ranges::sort(entries, {}, &Here::sort_name);
        for (const Here &here : entries) {
            ticker_.Check();
            if (relative.empty() && here.name == kRestoreMark) continue;
            if (relative == "global/" && here.name == "pg_control") continue;    // it comes from elsewhere in the tree
            if (of_tablespace && here.name != version_directory_) continue;      // another server's
            if (request_.keep_wal && relative == "pg_wal/" && PutAside(here)) continue;
            std::string below = relative + here.name, path = encoded + here.sort_name;
            bool is_backed_up = IsInBackup(path);
            if (of_links)
                LinkOfTablespace(here, path, is_backed_up);
            else if (!is_backed_up)
                Remove(here);
            else if (here.sort_name.ends_with('/') && !IsPlaceOfTablespace(here.path))
                Directory(here.path, below + "/", path);
        }
    }

    bool IsInBackup(const std::string &path) {
        cursor_.SkipTo(path);
        return cursor_.Current() && cursor_.Path() == path;
    }

    void LinkOfTablespace(const Here &here, const std::string &path, bool is_backed_up) {
        const std::filesystem::path *place = nullptr;
        for (const auto &[oid, where] : request_.tablespaces)
            if (here.name == std::to_string(oid)) place = &where;
        bool stays = here.is_link() ? place && std::filesystem::read_symlink(here.path) == *place : !place;
        if (is_backed_up && stays) {
            Directory(here.path, fmt::format("{}/{}/", kTablespaces, here.name), path);
            return;
        }
        if (here.is_link()) extra_.unlinked.push_back(std::filesystem::read_symlink(here.path).string());
        Remove(here);
    }

    // A server writes segments ahead over old ones: such a one holds nothing of its own yet.
    bool PutAside(const Here &here) {
        if (here.is_directory()) return here.path == request_.pgdata / kWalBeforeRestore;
        std::optional<WalFileName> name = WalName(here.name);
        if (!name || std::filesystem::exists(here.path.parent_path() / "archive_status" / (here.name + ".done")))
            return false;
        if (name->kind == WalFileName::Kind::kSegment && !HoldsItsOwn(here.path, name->segment)) return false;
        extra_.kept_wal++;
        if (request_.pretend) return true;
        std::filesystem::create_directory(request_.pgdata / kWalBeforeRestore);
        std::filesystem::rename(here.path, request_.pgdata / kWalBeforeRestore / here.name);
        return true;
    }

    static std::optional<WalFileName> WalName(const std::string &name) {
        try {
            return ParseWalFileName(name);
        } catch (const Error &) {
            return std::nullopt;    // some other file
        }
    }

    bool HoldsItsOwn(const std::filesystem::path &path, const SegmentName &segment) const {
        constexpr std::size_t kPageAddress = 8;    // XLogPageHeaderData.xlp_pageaddr
        std::byte front[kPageAddress + sizeof(std::uint64_t)]{};
        Fd file = OpenFile(path, O_RDONLY | O_NOFOLLOW);
        ReadSome(file.get(), front, path.string());
        return GetLittleEndian<std::uint64_t>(front + kPageAddress) == segment.Start(wal_segment_size_).value;
    }

    bool IsPlaceOfTablespace(const std::filesystem::path &directory) const {
        return std::ranges::any_of(request_.tablespaces, [&](const auto &space) { return space.second == directory; });
    }

    void Remove(const Here &here) {
        if (here.is_directory()) {
            for (const Here &below : EntriesOf(here.path)) Remove(below);
        } else {
            extra_.files++;
            if (S_ISREG(here.facts.st_mode)) extra_.bytes += static_cast<std::uint64_t>(here.facts.st_size);
        }
        if (request_.pretend) return;
        ticker_.Check();
        std::error_code error;
        std::filesystem::remove(here.path, error);
        if (error) ThrowErrno(error.value(), fmt::format("could not remove \"{}\"", here.path.string()));
    }

    const FilesRestore &request_;
    TreeCursor cursor_;
    Ticker &ticker_;
    WalSegmentSize wal_segment_size_;
    std::string version_directory_;
    ExtraFiles extra_;
};

}    // namespace

ExtraFiles RemoveExtraFiles(const FilesRestore &request, const Manifest &backup,
                            const std::shared_ptr<FrameReader> &frames, Ticker &ticker) {
    return ExtraFilesRemover(request, backup, frames, ticker).Run();
}

}    // namespace ark
