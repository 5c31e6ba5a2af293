#include "wal/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "pgdata/timeline_history.h"

namespace ark {
namespace {

// Takes its file away unless it was kept.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::filesystem::path &beside)
        : path_(beside.string() + fmt::format(".{}.part", getpid())),
          file_(OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC)) {}
    ~TemporaryFile() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove(path_, ignored);
    }
    TemporaryFile(const TemporaryFile &) = delete;

    void Write(ByteView bytes) { WriteAll(file_.get(), bytes, path_.string()); }
    void Keep(const std::filesystem::path &as) {
        file_.Reset();
        std::error_code error;
        std::filesystem::rename(path_, as, error);
        if (error) ThrowErrno(error.value(), fmt::format("could not rename \"{}\"", path_.string()));
        path_.clear();
    }

private:
    std::filesystem::path path_;
    Fd file_;
};

// The histories of timelines younger than this one that are in the store.
std::vector<TimelineHistory> YoungerHistories(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    std::vector<TimelineHistory> histories;
    for (const std::string &folder : repository.storage().Folders(repository.FullName("wal/"))) {
        TimelineId younger = ParseTimelineId(folder);
        std::string text;
        if (younger > timeline && ReadSegment(repository, keys, WalFileName::OfHistory(younger),
                                              [&](ByteView bytes) { text += AsText(bytes); }))
            histories.push_back(TimelineHistory::Parse(younger, text));
    }
    return histories;
}

}    // namespace

bool IsHole(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size) {
    bool later = false;
    ListSegments(repository, segment.timeline, [&](const SegmentName &name, const ObjectInfo &) {
        later = name > segment;
        return !later;
    });
    if (later) return true;
    for (const TimelineHistory &history : YoungerHistories(repository, keys, segment.timeline))
        if (std::optional<Lsn> left = history.Left(segment.timeline); left && *left >= segment.End(size)) return true;
    return false;
}

FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name,
                          const std::filesystem::path &to) {
    TemporaryFile file(to);
    if (!ReadSegment(repository, keys, name, [&](ByteView bytes) { file.Write(bytes); })) return FetchOutcome::kAbsent;
    file.Keep(to);
    return FetchOutcome::kFetched;
}

}    // namespace ark
