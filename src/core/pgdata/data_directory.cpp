#include "pgdata/data_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr int kControlReads = 20;
constexpr auto kControlPause = std::chrono::milliseconds(10);
constexpr std::string_view kReady = ".ready";

template <class Visit>
void EachName(const std::filesystem::path &directory, Visit visit) {
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
        visit(entries->path().filename().string());
    if (error) ThrowErrno(error.value(), fmt::format("could not read directory \"{}\"", directory.string()));
}

std::optional<SegmentName> SegmentOf(std::string_view text) {
    constexpr std::size_t kDigits = 24;
    if (text.size() != kDigits) return std::nullopt;
    try {
        return ParseSegmentName(text);
    } catch (const Error &) {
        return std::nullopt;    // a file of that length, and no segment
    }
}

}    // namespace

Bytes ReadControlBytes(const std::filesystem::path &data_directory) {
    for (int read = 1;; read++) {
        try {
            Bytes bytes = ToBytes(ReadWholeFile(data_directory / "global" / "pg_control"));
            ParseControlFile(bytes);
            return bytes;
        } catch (const Error &error) {
            if (error.code != Code::kCorrupt || read == kControlReads) throw;
        }
        std::this_thread::sleep_for(kControlPause);
    }
}

ControlFile ReadControl(const std::filesystem::path &data_directory) {
    return ParseControlFile(ReadControlBytes(data_directory));
}

DataDirectory::DataDirectory(std::filesystem::path path) : path_(std::move(path)) {
    try {
        control_ = ReadControl(path_);
    } catch (const Error &error) {
        if (error.code != Code::kNotFound) throw;
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no data directory", path_.string()),
                    "It has no file global/pg_control.",
                    "The server runs its commands in its data directory; elsewhere give --pgdata.");
    }
}

bool DataDirectory::InRecovery() const {
    return control_.state == ClusterState::kInArchiveRecovery || control_.state == ClusterState::kShutDownInRecovery;
}

bool DataDirectory::IsBeingRestored() const {
    return std::filesystem::exists(path_ / "recovery.signal") && !IsStandby();
}

bool DataDirectory::IsStandby() const { return std::filesystem::exists(path_ / "standby.signal"); }

std::optional<TimelineHistory> DataDirectory::History(TimelineId timeline) const {
    return ReadHistory(path_, timeline);
}

std::optional<TimelineHistory> ReadHistory(const std::filesystem::path &data_directory, TimelineId timeline) {
    if (timeline.value == 1) return TimelineHistory(timeline);
    try {
        std::string name = WalFileName::OfHistory(timeline).Text();
        return TimelineHistory::Parse(timeline, ReadWholeFile(data_directory / "pg_wal" / name));
    } catch (const Error &error) {
        if (error.code != Code::kNotFound) throw;
        return std::nullopt;
    }
}

std::vector<SegmentName> DataDirectory::Ready(const SegmentName &after, std::size_t most) const {
    std::vector<SegmentName> names;
    EachName(WalDirectory() / "archive_status", [&](std::string_view name) {
        if (!name.ends_with(kReady)) return;
        std::optional<SegmentName> segment = SegmentOf(name.substr(0, name.size() - kReady.size()));
        if (segment && segment->timeline == after.timeline && *segment > after) names.push_back(*segment);
    });
    std::ranges::sort(names);
    if (names.size() > most) names.resize(most);
    return names;
}

bool DataDirectory::IsReady(const SegmentName &segment) const {
    return std::filesystem::exists(WalDirectory() / "archive_status" / (segment.Text() + std::string(kReady)));
}

std::uint64_t DataDirectory::ReadyBytes() const {
    std::uint64_t bytes = 0;
    EachName(WalDirectory() / "archive_status", [&](std::string_view name) {
        if (name.ends_with(kReady) && SegmentOf(name.substr(0, name.size() - kReady.size())))
            bytes += segment_size().bytes();
    });
    return bytes;
}

std::vector<SegmentName> DataDirectory::Segments(TimelineId timeline) const {
    std::vector<SegmentName> names;
    EachName(WalDirectory(), [&](std::string_view name) {
        std::optional<SegmentName> segment = SegmentOf(name);
        if (segment && segment->timeline == timeline) names.push_back(*segment);
    });
    std::ranges::sort(names);
    return names;
}

}    // namespace ark
