// The tree below the root of a directory store, reached through descriptors only: no symbolic link below the root is
// ever followed. Every failure is an Error whose hint names the user that needs the rights. Safe for concurrent use.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
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
    // fsync of every directory of the chain: an entry is durable only with all entries above it.
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

    std::string HowToCreate() const;
    std::filesystem::path Parent() const;
    Fd OpenRoot(bool make) const;
    bool WasSeen() const;
    void CheckIdentity(const Fd &root) const;

    std::filesystem::path root_;
    std::shared_ptr<Identity> identity_ = std::make_shared<Identity>();
};

TimePoint ModifiedTime(const struct stat &info);

}    // namespace ark
