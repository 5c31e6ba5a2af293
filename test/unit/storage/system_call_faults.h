// Makes the n-th file system call of this thread fail, so that full, read-only and broken disks need no disk. Covers
// openat (where it creates), write, fsync, mkdirat, linkat, renameat.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace ark::test {

class SystemCallFaults {
public:
    SystemCallFaults(std::uint64_t nth, int error);    // counts from 1; errno is set to `error`
    ~SystemCallFaults();
    SystemCallFaults(const SystemCallFaults &) = delete;
    SystemCallFaults &operator=(const SystemCallFaults &) = delete;

    bool hit() const;            // the fault happened
    const char *call() const;    // to this function
};

// The inode numbers of what this thread has synced since the last call.
std::vector<ino_t> TakeSynced();

}    // namespace ark::test
