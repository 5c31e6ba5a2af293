#include "physical/restore_space.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "base/clock.h"
#include "base/file.h"
#include "physical/base_files.h"

namespace ark {
namespace {

constexpr std::uint64_t kBlock = 512;    // of st_blocks

struct Mounted {
    dev_t device = 0;
    std::uint64_t available = 0;
};

Mounted FileSystemOf(std::filesystem::path place) {
    struct stat info {};
    while (stat(place.c_str(), &info) != 0) {
        if (errno != ENOENT || !place.has_relative_path())
            ThrowErrno(errno, fmt::format("could not look at \"{}\"", place.string()));
        place = place.parent_path();
    }
    struct statvfs space {};
    if (statvfs(place.c_str(), &space) != 0)
        ThrowErrno(errno, fmt::format("could not learn how much room there is at \"{}\"", place.string()));
    return {info.st_dev, std::uint64_t{space.f_bavail} * space.f_frsize};
}

}    // namespace

std::vector<SpaceNeed> SpaceNeedsOf(const std::vector<SpaceRoot> &roots) {
    std::vector<SpaceNeed> needs;
    std::map<dev_t, std::size_t> known;
    for (const SpaceRoot &root : roots) {
        Mounted on = FileSystemOf(root.place);
        auto [at, is_new] = known.try_emplace(on.device, needs.size());
        if (is_new) needs.push_back({root.place, 0, 0, on.available});
        needs[at->second].needed += root.needed;
        needs[at->second].there += root.there;
    }
    return needs;
}

bool ShareAFileSystem(const std::vector<std::filesystem::path> &places) {
    for (const std::filesystem::path &place : places)
        if (FileSystemOf(place).device != FileSystemOf(places.front()).device) return false;
    return true;
}

void CheckSpace(const std::vector<SpaceNeed> &needs) {
    for (const SpaceNeed &need : needs) {
        if (need.needed <= need.there + need.available) continue;
        std::string there = need.there > 0 ? fmt::format(", {} of which are there", HumanBytes(need.there)) : "";
        throw Error(Code::kUnavailable,
                    fmt::format("there is too little space for the cluster at \"{}\"", need.place.string()),
                    fmt::format("It takes {} on that file system{}, and {} are free.", HumanBytes(need.needed), there,
                                HumanBytes(need.available)),
                    "Its WAL needs space too.")
            .WithSqlstate("53100");
    }
}

std::uint64_t BytesBelow(const std::filesystem::path &directory) {
    std::uint64_t bytes = 0;
    std::error_code error;
    std::filesystem::recursive_directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) {
        struct stat info {};
        if (lstat(entries->path().c_str(), &info) == 0 && S_ISREG(info.st_mode))
            bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
    }
    if (error && error.value() != ENOENT)
        ThrowErrno(error.value(), fmt::format("could not read directory \"{}\"", directory.string()));
    return bytes;
}

std::map<std::uint32_t, std::uint64_t> BytesByTablespace(const Manifest &backup,
                                                         const std::shared_ptr<FrameReader> &frames) {
    constexpr std::string_view kOfTablespaces = "file/pg_tblspc/";
    std::map<std::uint32_t, std::uint64_t> bytes;
    TreeCursor cursor(frames, TreeRootFromJson(backup.body.at("tree")));
    for (cursor.Seek(kFiles); cursor.Current() && cursor.Path().starts_with(kFiles); cursor.Next()) {
        const std::string &path = cursor.Path();
        if (path.ends_with('/') || path.find('#') != std::string::npos) continue;
        std::uint32_t oid = 0;
        if (path.starts_with(kOfTablespaces))
            oid = static_cast<std::uint32_t>(std::strtoul(path.c_str() + kOfTablespaces.size(), nullptr, 10));
        bytes[oid] += FileFromEntry(*cursor.Current()).facts.size;
    }
    return bytes;
}

}    // namespace ark
