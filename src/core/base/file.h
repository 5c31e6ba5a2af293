// Files: descriptors that close themselves, and the only way to write a file that must survive.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace ark {

class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(other.Release()) {}
    Fd &operator=(Fd &&other) noexcept;
    ~Fd() { Reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int Release() {
        int fd = fd_;
        fd_ = -1;
        return fd;
    }
    void Reset();

private:
    int fd_ = -1;
};

// All throw Error with errno's words in detail: kNotFound for ENOENT, kPermissionDenied for EACCES/EPERM/EROFS,
// kAlreadyExists for EEXIST, kUnavailable for the rest (ENOSPC and EDQUOT say "disk full" in the message).
[[noreturn]] void ThrowErrno(int error, std::string message);
Error FileError(const std::filesystem::filesystem_error &error);    // the same of what the standard library threw

Fd OpenFile(const std::filesystem::path &path, int flags, unsigned mode = 0600);    // adds O_CLOEXEC
void WriteAll(int fd, ByteView bytes, std::string_view name);
std::size_t ReadSome(int fd, MutableBytes bytes, std::string_view name);    // 0 at the end
std::string ReadWholeFile(const std::filesystem::path &path, std::size_t limit = 64 << 20);

void SyncFile(int fd, std::string_view name);    // an fsync that failed is final: discard the file
void SyncDirectory(const std::filesystem::path &directory);

// Writes beside, fsyncs, renames over `path`, fsyncs the directory: old content or new, never a mixture.
void WriteFileAtomically(const std::filesystem::path &path, ByteView bytes, unsigned mode = 0600);

}    // namespace ark
