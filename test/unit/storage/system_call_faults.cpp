// The functions below take the place of the C library's in this test program.
#include "system_call_faults.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <utility>

namespace ark::test {
namespace {

thread_local std::uint64_t left = 0;    // 0: off
thread_local int fault_errno = 0;
thread_local const char *hit_call = nullptr;
thread_local std::vector<ino_t> synced;

bool Fails(const char *call) {
    if (left == 0 || --left > 0) return false;
    hit_call = call;
    errno = fault_errno;
    return true;
}

}    // namespace

SystemCallFaults::SystemCallFaults(std::uint64_t nth, int error) {
    left = nth;
    fault_errno = error;
    hit_call = nullptr;
}
SystemCallFaults::~SystemCallFaults() { left = 0; }
bool SystemCallFaults::hit() const { return hit_call != nullptr; }
std::vector<ino_t> TakeSynced() { return std::exchange(synced, {}); }
const char *SystemCallFaults::call() const { return hit_call ? hit_call : "none"; }

}    // namespace ark::test

extern "C" {

int openat(int folder, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if ((flags & O_CREAT) != 0 && ark::test::Fails("openat")) return -1;
    return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

ssize_t write(int fd, const void *from, size_t size) {
    if (ark::test::Fails("write")) return -1;
    return syscall(SYS_write, fd, from, size);
}

int fsync(int fd) {
    if (ark::test::Fails("fsync")) return -1;
    struct stat info {};
    if (fstat(fd, &info) == 0) ark::test::synced.push_back(info.st_ino);
    return static_cast<int>(syscall(SYS_fsync, fd));
}

int mkdirat(int folder, const char *path, mode_t mode) noexcept {
    if (ark::test::Fails("mkdirat")) return -1;
    return static_cast<int>(syscall(SYS_mkdirat, folder, path, mode));
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) noexcept {
    if (ark::test::Fails("linkat")) return -1;
    return static_cast<int>(syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) noexcept {
    if (ark::test::Fails("renameat")) return -1;
    return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}

}    // extern "C"
