#include "repo/interrupted.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>

namespace ark {
namespace {

constexpr std::size_t kMostInterrupted = 4;

struct Found {
    bool begin = false, manifest = false;
    std::uint64_t checkpoints = 0;
};

std::optional<InterruptedBackup> ReadBegin(const Repository &repository, const BackupId &id, std::string_view kind) {
    try {
        std::optional<Json> begin = repository.Read(layout::Kind::kBegin, layout::Begin(id));
        std::string what = fmt::format("the begin of backup \"{}\"", id);
        if (!begin || JsonString(*begin, "kind", what) != kind) return std::nullopt;
        InterruptedBackup backup{
            id, JsonNumber(*begin, "sequence", what), {}, 0, begin->value("host", ""), begin->value("pid", 0)};
        for (const Json &base : begin->at("bases")) backup.bases.push_back(base.get<std::string>());
        return backup;
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt && error.code != Code::kUnsupported) throw;
    } catch (const Json::exception &) {    // its bases are none
    }
    return std::nullopt;
}

}    // namespace

std::string HostName() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
}

std::vector<InterruptedBackup> FindInterrupted(const Repository &repository, std::string_view kind,
                                               std::uint64_t after) {
    std::map<BackupId, Found> found;
    repository.List("backups/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) return true;
        Found &backup = found[place->backup];
        if (place->kind == layout::Kind::kBegin) backup.begin = true;
        if (place->kind == layout::Kind::kManifest) backup.manifest = true;
        if (place->kind == layout::Kind::kCheckpoint)
            backup.checkpoints = std::max(backup.checkpoints, std::uint64_t{std::stoull(place->id)});
        return true;
    });
    std::vector<InterruptedBackup> interrupted;
    for (const auto &[id, objects] : found) {
        if (!objects.begin || objects.manifest || objects.checkpoints == 0) continue;
        std::optional<InterruptedBackup> backup = ReadBegin(repository, id, kind);
        if (!backup || backup->sequence <= after) continue;
        backup->checkpoints = objects.checkpoints;
        interrupted.push_back(std::move(*backup));
    }
    std::ranges::sort(interrupted, [](const InterruptedBackup &a, const InterruptedBackup &b) {
        return std::tie(a.sequence, a.id) > std::tie(b.sequence, b.id);
    });
    interrupted.resize(std::min(interrupted.size(), kMostInterrupted));
    return interrupted;
}

bool WriterIsGone(const InterruptedBackup &backup) {
    if (backup.pid <= 0 || backup.host != HostName()) return false;
    return backup.pid == getpid() || (kill(backup.pid, 0) != 0 && errno == ESRCH);
}

bool CheckpointEntries::NextEntry() {
    while (at_ == lines_.size()) {
        if (loaded_ == checkpoints_) return false;
        lines_ = load_(++loaded_).entries;
        at_ = 0;
    }
    std::size_t newline = lines_.find('\n', at_);
    current_ = ParseJson(std::string_view(lines_).substr(at_, newline - at_), "an entry of a checkpoint");
    at_ = newline + 1;
    std::string path = JsonString(current_, "path", "an entry of a checkpoint");
    if (path <= path_)
        throw Error(Code::kCorrupt, "the entries of a checkpoint are out of order",
                    fmt::format("\"{}\" stands behind \"{}\".", path, path_));
    path_ = std::move(path);
    return true;
}

const Json *CheckpointEntries::SkipTo(std::string_view path) {
    while (!ended_ && (current_.is_null() || path_ < path)) ended_ = !NextEntry();
    return ended_ ? nullptr : &current_;
}

}    // namespace ark
