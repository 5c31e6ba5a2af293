// The tree below the root of a directory store, reached through descriptors only: no symbolic link below the root is
// ever followed. Every failure is an Error whose hint names the user that needs the rights. Safe for concurrent use.
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"

namespace ark {

// The root and the folders below it down to the one of interest, all open; never empty where returned as found.
using FolderChain = std::vector<Fd>;

class StoreDirectory {
public:
    explicit StoreDirectory(std::filesystem::path root) : root_(std::move(root)) {}

    // Empty if a folder is missing. Throws kNotFound if the root is; what only reads makes nothing.
    FolderChain Open(std::span<const std::string> folders) const;
    // Makes what is missing, the root too (mode 0700; not the root's parent), unless this process saw it before. Empty if
    // somebody removed a folder meanwhile.
    FolderChain Make(std::span<const std::string> folders) const;
    // The root is missing, was never seen by this process, and its parent can be written: Make would make it.
    bool CanBeMade() const;
    // Makes the last folder's entries durable, one of which has just come or gone: an fsync of it, and of each above whose entry for the
    // next may not be durable yet. An entry that this process has synced is durable for as long as it leads to the same folder. That it
    // does is known by the folder's inode number and time of birth: one that others remove and make anew, perhaps with the same number, is
    // younger. (So only one that was at least a second old counts as known, and none where the file system tells no time of birth.)
    void Sync(const FolderChain &chain) const;
    // Removes folders that are empty, from the last one up, and makes the removals below the others durable.
    void Prune(std::span<const std::string> folders) const;

    // What is at `name` in an open folder; false if nothing is there. Throws for what is neither file nor folder.
    bool Look(const Fd &folder, const std::string &name, struct stat &found) const;
    // Calls `visit` for each entry that can be ours (see file_names.h) with its d_type, in the file system's order.
    void ForEach(const Fd &folder, const std::function<void(const char *name, unsigned char type)> &visit) const;
    // No descriptor if there is no such folder.
    Fd OpenFolder(const Fd &parent, const std::string &name) const;

    [[noreturn]] void Fail(int error, std::string_view what) const;
    const std::filesystem::path &root() const { return root_; }

private:
    // Which directory the root was when it was first opened, shared by all copies. A file system that is unmounted or mounted over
    // between two objects would otherwise split a store in two.
    struct Identity {
        std::mutex mutex;
        std::optional<std::pair<dev_t, ino_t>> known;
    };

    struct Folder {
        std::uint32_t device_major = 0, device_minor = 0, born_nanoseconds = 0;
        std::uint64_t inode = 0;
        std::int64_t born = 0;
        auto operator<=>(const Folder &) const = default;
    };
    // Those whose entries are durable, shared by all copies.
    struct Durable {
        std::mutex mutex;
        std::set<Folder> folders;
    };

    void SyncFolder(const Fd &folder) const;
    bool IsKnown(const Folder &folder) const;
    void Remember(const Folder &folder) const;
    std::string HowToCreate() const;
    std::filesystem::path Parent() const;
    Fd OpenRoot(bool make) const;
    bool WasSeen() const;
    void CheckIdentity(const Fd &root) const;

    std::filesystem::path root_;
    std::shared_ptr<Identity> identity_ = std::make_shared<Identity>();
    std::shared_ptr<Durable> durable_ = std::make_shared<Durable>();
};

TimePoint ModifiedTime(const struct stat &info);

}    // namespace ark
