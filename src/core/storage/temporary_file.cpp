#include "storage/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"

namespace ark {
namespace {

Fd OpenTemporaryFolder(const StoreDirectory &directory) {
    FolderChain chain = directory.Make(kTemporaryFolder);
    if (chain.empty()) directory.Fail(ESTALE, "create the folder \".tmp\"");
    return std::move(chain.back());
}

}    // namespace

TemporaryFile::TemporaryFile(const StoreDirectory &directory)
    : folder_(OpenTemporaryFolder(directory)), name_(SystemRandom().Hex(12)) {
    fd_ = Fd(openat(folder_.get(), name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_) directory.Fail(errno, "create a temporary file");
}

TemporaryFile::~TemporaryFile() { unlinkat(folder_.get(), name_.c_str(), 0); }

struct stat TemporaryFile::Info() const {
    struct stat info {};
    if (fstat(fd(), &info) != 0) ThrowErrno(errno, fmt::format("could not look at temporary file \"{}\"", name_));
    return info;
}

int TemporaryFile::LinkTo(const Fd &folder, const std::string &name) const {
    if (linkat(folder_.get(), name_.c_str(), folder.get(), name.c_str(), 0) == 0) return 0;
    int error = errno;
    // NFS: a link whose answer was lost is sent again and finds itself; the count of links tells.
    if (error == EEXIST) return Info().st_nlink > 1 ? 0 : EEXIST;
    if (error != EPERM && error != EOPNOTSUPP && error != ENOSYS && error != EMLINK) return error;
    // A file system without hard links (vfat, some network and user-space ones).
    if (renameat2(folder_.get(), name_.c_str(), folder.get(), name.c_str(), RENAME_NOREPLACE) == 0) return 0;
    return errno == EINVAL || errno == ENOSYS ? error : errno;
}

int TemporaryFile::RenameTo(const Fd &folder, const std::string &name) const {
    return renameat(folder_.get(), name_.c_str(), folder.get(), name.c_str()) == 0 ? 0 : errno;
}

}    // namespace ark
