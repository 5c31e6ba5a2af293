#include "extension/same_disk.h"

#include <sys/stat.h>

namespace ark::pg {
namespace {

bool DeviceOf(std::string path, dev_t *device) {
    for (;;) {
        struct stat info;
        if (stat(path.c_str(), &info) == 0) {
            *device = info.st_dev;
            return true;
        }
        std::size_t slash = path.find_last_of('/');
        if (slash == std::string::npos || path == "/") return false;
        path.erase(slash == 0 ? 1 : slash);
    }
}

}    // namespace

bool OnSameDisk(const std::string &path, const std::string &other) {
    dev_t one{}, two{};
    return DeviceOf(path, &one) && DeviceOf(other, &two) && one == two;
}

}    // namespace ark::pg
