// The file that an upload into a directory store grows in.
#pragma once

#include "storage/store_directory.h"

namespace ark {

inline const std::vector<std::string> kTemporaryFolder{".tmp"};

// Made in .tmp/ below the root (which is made too); removed at the end, unless it was renamed.
class TemporaryFile {
public:
    explicit TemporaryFile(const StoreDirectory &directory);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile &) = delete;
    TemporaryFile &operator=(const TemporaryFile &) = delete;

    int fd() const { return fd_.get(); }
    struct stat Info() const;

    // Both return 0 or an errno. EEXIST: the name is taken; ENOENT: the folder was removed meanwhile.
    int LinkTo(const Fd &folder, const std::string &name) const;
    int RenameTo(const Fd &folder, const std::string &name) const;

private:
    Fd folder_;
    std::string name_;
    Fd fd_;
};

}    // namespace ark
