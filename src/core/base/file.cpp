#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/random.h"

namespace ark {

Fd &Fd::operator=(Fd &&other) noexcept {
    if (this != &other) {
        Reset();
        fd_ = other.Release();
    }
    return *this;
}

void Fd::Reset() {
    if (fd_ >= 0) close(Release());
}

namespace {

Error ErrnoError(int error, std::string message) {
    Code code = Code::kUnavailable;
    if (error == ENOENT) code = Code::kNotFound;
    if (error == EEXIST) code = Code::kAlreadyExists;
    if (error == EACCES || error == EPERM || error == EROFS) code = Code::kPermissionDenied;
    Error failure(code, std::move(message), std::generic_category().message(error));
    if (error == ENOSPC || error == EDQUOT) {
        failure.message += ": disk full";
        failure.WithSqlstate("53100").WithHint("Free space there, or choose another store.");
    }
    return failure;
}

}    // namespace

void ThrowErrno(int error, std::string message) { throw ErrnoError(error, std::move(message)); }

Error FileError(const std::filesystem::filesystem_error &error) {
    Error failure = ErrnoError(error.code().value(), fmt::format("could not work on \"{}\"", error.path1().string()));
    failure.detail = error.what();
    return failure;
}

Fd OpenFile(const std::filesystem::path &path, int flags, unsigned mode) {
    Fd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) ThrowErrno(errno, fmt::format("could not open \"{}\"", path.string()));
    return fd;
}

void WriteAll(int fd, ByteView bytes, std::string_view name) {
    while (!bytes.empty()) {
        ssize_t n = write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) ThrowErrno(errno, fmt::format("could not write \"{}\"", name));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
}

std::size_t ReadSome(int fd, MutableBytes bytes, std::string_view name) {
    for (;;) {
        ssize_t n = read(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) ThrowErrno(errno, fmt::format("could not read \"{}\"", name));
        return static_cast<std::size_t>(n);
    }
}

std::string ReadWholeFile(const std::filesystem::path &path, std::size_t limit) {
    Fd fd = OpenFile(path, O_RDONLY);
    std::string out;
    std::string block(64 << 10, '\0');
    for (;;) {
        std::size_t n = ReadSome(fd.get(), {reinterpret_cast<std::byte *>(block.data()), block.size()}, path.string());
        if (n == 0) return out;
        out.append(block, 0, n);
        if (out.size() > limit)
            throw Error(Code::kInvalidArgument,
                        fmt::format("file \"{}\" is longer than {} bytes", path.string(), limit));
    }
}

void SyncFile(int fd, std::string_view name) {
    if (fsync(fd) != 0) ThrowErrno(errno, fmt::format("could not fsync \"{}\"", name));
}

void SyncDirectory(const std::filesystem::path &directory) {
    Fd fd = OpenFile(directory, O_RDONLY | O_DIRECTORY);
    if (fsync(fd.get()) != 0 && errno != EINVAL)    // EINVAL: a file system that cannot sync directories
        ThrowErrno(errno, fmt::format("could not fsync \"{}\"", directory.string()));
}

void WriteFileAtomically(const std::filesystem::path &path, ByteView bytes, unsigned mode) {
    std::filesystem::path beside = path;
    beside += "." + SystemRandom().Hex(6) + ".tmp";
    try {
        Fd fd = OpenFile(beside, O_WRONLY | O_CREAT | O_EXCL, mode);
        WriteAll(fd.get(), bytes, beside.string());
        SyncFile(fd.get(), beside.string());
        if (rename(beside.c_str(), path.c_str()) != 0)
            ThrowErrno(errno, fmt::format("could not rename \"{}\" to \"{}\"", beside.string(), path.string()));
    } catch (const Error &) {
        unlink(beside.c_str());
        throw;
    }
    SyncDirectory(path.has_parent_path() ? path.parent_path() : ".");
}

}    // namespace ark
