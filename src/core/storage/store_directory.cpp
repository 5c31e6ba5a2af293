#include "storage/store_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::size_t kMostRemembered = 4096;
constexpr std::int64_t kOldEnough = 2;    // whole seconds: more than one has passed
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string UserName() {
    std::vector<char> buffer(4096);
    passwd entry{}, *found = nullptr;
    if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_name;
    return std::to_string(geteuid());
}

}    // namespace

void StoreDirectory::Fail(int error, std::string_view what) const {
    std::string message = fmt::format("could not {} in store directory \"{}\"", what, root_.string());
    try {
        ThrowErrno(error, std::move(message));
    } catch (Error &failure) {
        if (error == EROFS)
            failure.WithHint("The file system is mounted read-only: mount it for writing or choose another store.");
        else if (failure.code == Code::kPermissionDenied)
            failure.WithHint(fmt::format(
                "Give the operating system user \"{0}\" the right to read and write there, for example: "
                "chown -R {0} '{1}' && chmod -R u+rwX '{1}'. The folders above it need the right to pass (x).",
                UserName(), root_.string()));
        else if (error == ENOTDIR || error == EISDIR || error == ELOOP || error == ENOTEMPTY) {
            failure.code = Code::kUnsupported;
            failure.WithHint(
                "A file, a folder or a symbolic link is in the place of another. A store holds only what "
                "pg_ark wrote; let the root itself be the link, or mount the other disk there.");
        } else if (error == EXDEV) {
            failure.code = Code::kUnsupported;
            failure.WithHint("A store lies in one file system: mount nothing below its root.");
        } else if (error == ENAMETOOLONG) {
            failure.code = Code::kUnsupported;
            failure.WithHint("Choose a shorter name: 255 bytes a part, where '%' and control characters count three.");
        }
        throw;
    }
}

std::string StoreDirectory::HowToCreate() const {
    return fmt::format(
        "To create it for the operating system user \"{0}\", run as root: install -d -m 0700 -o {0} '{1}'.", UserName(),
        root_.string());
}

bool StoreDirectory::WasSeen() const {
    std::lock_guard lock(identity_->mutex);
    return identity_->known.has_value();
}

void StoreDirectory::CheckIdentity(const Fd &root) const {
    struct stat info {};
    if (fstat(root.get(), &info) != 0) Fail(errno, "look at the root");
    std::pair<dev_t, ino_t> now{info.st_dev, info.st_ino};
    std::lock_guard lock(identity_->mutex);
    if (!identity_->known) identity_->known = now;
    if (*identity_->known == now) return;
    throw Error(Code::kConflict, fmt::format("store directory \"{}\" is not the one that it was", root_.string()),
                "It was unmounted, mounted over or replaced while it was in use.",
                "Mount it again and repeat this; what was written before is still where it was.");
}

std::filesystem::path StoreDirectory::Parent() const { return root_.has_parent_path() ? root_.parent_path() : "."; }

bool StoreDirectory::CanBeMade() const {
    return !WasSeen() && access(root_.c_str(), F_OK) != 0 && errno == ENOENT &&
           faccessat(AT_FDCWD, Parent().c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

Fd StoreDirectory::OpenRoot(bool make) const {
    Fd fd(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno == ENOENT && make && !WasSeen()) {
        if (mkdir(root_.c_str(), 0700) == 0)
            SyncDirectory(Parent());
        else if (errno == EACCES || errno == EPERM)
            throw Error(Code::kPermissionDenied, fmt::format("could not create store directory \"{}\"", root_.string()),
                        std::generic_category().message(errno), HowToCreate());
        else if (errno != EEXIST && errno != ENOENT)
            Fail(errno, "create the root");
        fd = Fd(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    if (!fd && errno == ENOENT)
        throw Error(Code::kNotFound, fmt::format("store directory \"{}\" does not exist", root_.string()), {},
                    "If it is on another file system, mount that. " +
                        (CanBeMade() ? "Otherwise the first backup makes it." : HowToCreate()));
    if (!fd) Fail(errno, "open the root");
    CheckIdentity(fd);
    return fd;
}

Fd StoreDirectory::OpenFolder(const Fd &parent, const std::string &name) const {
    Fd fd(openat(parent.get(), name.c_str(), kFolderFlags));
    if (fd || errno == ENOENT || errno == ENAMETOOLONG) return fd;
    if (errno == ENOTDIR) {    // a file: nothing can be below it; a symbolic link: Look throws
        struct stat found;
        Look(parent, name, found);
        return fd;
    }
    Fail(errno, fmt::format("open the folder \"{}\"", name));
}

FolderChain StoreDirectory::Open(std::span<const std::string> folders) const {
    FolderChain chain;
    chain.push_back(OpenRoot(false));
    for (const std::string &folder : folders) {
        Fd next = OpenFolder(chain.back(), folder);
        if (!next) return {};
        chain.push_back(std::move(next));
    }
    return chain;
}

FolderChain StoreDirectory::Make(std::span<const std::string> folders) const {
    FolderChain chain;
    chain.push_back(OpenRoot(true));
    for (const std::string &folder : folders) {
        Fd next(openat(chain.back().get(), folder.c_str(), kFolderFlags));
        if (!next && errno == ENOENT) {
            if (mkdirat(chain.back().get(), folder.c_str(), 0700) != 0 && errno != EEXIST && errno != ENOENT)
                Fail(errno, fmt::format("create the folder \"{}\"", folder));
            next = Fd(openat(chain.back().get(), folder.c_str(), kFolderFlags));
        }
        if (!next && errno == ENOENT) return {};
        if (!next) Fail(errno, fmt::format("open the folder \"{}\"", folder));
        chain.push_back(std::move(next));
    }
    return chain;
}

void StoreDirectory::Sync(const FolderChain &chain) const {
    auto look = [](const Fd &folder) {
        struct statx info {};
        if (statx(folder.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_MTIME, &info) != 0)
            info.stx_mask = 0;
        return info;
    };
    const struct statx last = look(chain.back());    // changed just now, by the file system's clock
    std::vector<Folder> old;
    for (std::size_t i = 1; i < chain.size(); i++) {
        const struct statx info = look(chain[i]);
        const Folder folder{info.stx_dev_major, info.stx_dev_minor, info.stx_btime.tv_nsec, info.stx_ino,
                            info.stx_btime.tv_sec};
        const bool has_birth = (info.stx_mask & STATX_BTIME) != 0;
        if (has_birth && IsKnown(folder)) continue;
        SyncFolder(chain[i - 1]);
        if (has_birth && info.stx_btime.tv_sec + kOldEnough <= last.stx_mtime.tv_sec) old.push_back(folder);
    }
    SyncFolder(chain.back());
    for (const Folder &folder : old) Remember(folder);
}

void StoreDirectory::SyncFolder(const Fd &folder) const {
    // EINVAL: a file system that keeps no directory to be synced
    if (fsync(folder.get()) != 0 && errno != EINVAL) Fail(errno, "fsync a folder");
}

bool StoreDirectory::IsKnown(const Folder &folder) const {
    std::lock_guard lock(durable_->mutex);
    return durable_->folders.contains(folder);
}

void StoreDirectory::Remember(const Folder &folder) const {
    std::lock_guard lock(durable_->mutex);
    if (durable_->folders.size() >= kMostRemembered) durable_->folders.clear();
    durable_->folders.insert(folder);
}

void StoreDirectory::Prune(std::span<const std::string> folders) const {
    FolderChain chain;
    for (; (chain = Open(folders)).empty(); folders = folders.first(folders.size() - 1)) {}
    for (; chain.size() > 1; chain.pop_back(), folders = folders.first(folders.size() - 1))
        if (unlinkat(chain[chain.size() - 2].get(), folders.back().c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
            break;
    Sync(chain);
}

bool StoreDirectory::Look(const Fd &folder, const std::string &name, struct stat &found) const {
    if (fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENAMETOOLONG) return false;
        Fail(errno, fmt::format("look at \"{}\"", name));
    }
    if (S_ISLNK(found.st_mode)) Fail(ELOOP, fmt::format("use the symbolic link \"{}\"", name));
    if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))
        Fail(EISDIR, fmt::format("use the special file \"{}\"", name));
    return true;
}

void StoreDirectory::ForEach(const Fd &folder, const std::function<void(const char *, unsigned char)> &visit) const {
    Fd own(openat(folder.get(), ".", kFolderFlags));
    if (!own && errno == ENOENT) return;    // removed meanwhile
    if (!own) Fail(errno, "list a folder");
    std::unique_ptr<DIR, int (*)(DIR *)> stream(fdopendir(own.get()), &closedir);
    if (!stream) Fail(errno, "list a folder");
    own.Release();
    for (;;) {
        errno = 0;
        const dirent *entry = readdir(stream.get());
        if (!entry && errno != 0) Fail(errno, "list a folder");
        if (!entry) return;
        std::string_view name = entry->d_name;
        if (name[0] != '.' && name != "lost+found") visit(entry->d_name, entry->d_type);
    }
}

TimePoint ModifiedTime(const struct stat &info) {
    using namespace std::chrono;
    return TimePoint(seconds(info.st_mtim.tv_sec)) + floor<microseconds>(nanoseconds(info.st_mtim.tv_nsec));
}

}    // namespace ark
