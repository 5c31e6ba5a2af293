#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/file.h"
#include "storage/file_storage.h"

namespace ark {
namespace {

std::string NameOfUser(uid_t uid) {
    const passwd *user = getpwuid(uid);
    return user ? user->pw_name : fmt::format("uid {}", uid);
}

}    // namespace

std::vector<Finding> InspectDirectory(const std::string &root) {
    struct stat info;
    struct statvfs space;
    if (stat(root.c_str(), &info) != 0 || statvfs(root.c_str(), &space) != 0)
        ThrowErrno(errno, fmt::format("could not look at store directory \"{}\"", root));
    std::string rights = fmt::format("owner {}, mode {:04o}", NameOfUser(info.st_uid), info.st_mode & 07777);
    std::uint64_t block = space.f_frsize, free = block * space.f_bavail, whole = block * space.f_blocks;
    Finding permissions{"permissions", (info.st_mode & 022) == 0, rights};
    if (!permissions.ok) permissions.hint = fmt::format("Others can remove backups: chmod go-w '{}'.", root);
    Finding room{"free space", whole == 0 || free >= whole / 20,
                 fmt::format("{} of {} are free", HumanBytes(free), HumanBytes(whole))};
    if (!room.ok) room.hint = "Shorten what is kept (ark.set_policy, ark.expire_now) or enlarge the file system.";
    return {permissions, room};
}

}    // namespace ark
