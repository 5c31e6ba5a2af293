#include "wal/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "pgdata/timeline_history.h"
#include "wal/tail_chain.h"

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
    void EndAt(std::uint64_t length) {    // zeros behind what was written
        if (ftruncate(file_.get(), static_cast<off_t>(length)) != 0)
            ThrowErrno(errno, fmt::format("could not lengthen \"{}\"", path_.string()));
    }
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

// Where the newest timeline that comes from this one left it: what lies behind is not the past of what recovery goes to.
std::optional<Lsn> LeftAt(const std::vector<TimelineHistory> &younger, TimelineId timeline) {
    std::optional<Lsn> left;
    TimelineId newest{};
    for (const TimelineHistory &history : younger)
        if (std::optional<Lsn> at = history.Left(timeline); at && history.timeline() > newest) {
            newest = history.timeline();
            left = at;
        }
    return left;
}

constexpr int kLooks = 10;

class Pieces {
public:
    Pieces(const Repository &repository, KeyRing &keys, Lsn start, std::optional<Lsn> limit, const PiecesSink &sink)
        : repository_(repository), keys_(keys), at_(start), limit_(limit), sink_(sink) {
        sink_.begin();
    }

    Lsn at() const { return at_; }

    // False: it is gone.
    bool Take(const layout::TailName &name) {
        Sha256Digest before = digest_.SoFar();
        std::optional<TailInfo> info = ReadTail(repository_, keys_, name, [&](ByteView bytes) {
            digest_.Update(bytes);
            std::uint64_t room = !limit_ ? bytes.size() : limit_->value > at_.value ? limit_->value - at_.value : 0;
            at_.value += bytes.size();
            sink_.take(bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(room, bytes.size()))));
        });
        if (!info) return false;
        DomainKey key = keys_.Get(info->domain, info->generation);
        if (info->before != SegmentDigest(key, before) || info->after != SegmentDigest(key, digest_.SoFar()))
            throw Error(Code::kCorrupt, fmt::format("\"{}\" does not continue what lies before it", layout::Tail(name)),
                        "The digests of the segment so far are not those that it names.");
        return true;
    }

private:
    const Repository &repository_;
    KeyRing &keys_;
    Lsn at_;
    std::optional<Lsn> limit_;
    const PiecesSink &sink_;
    Sha256Stream digest_;
};

}    // namespace

std::optional<Lsn> ReadPieces(const Repository &repository, KeyRing &keys, const SegmentName &segment,
                              WalSegmentSize size, const PiecesSink &sink) {
    const Lsn start = segment.Start(size);
    std::optional<Lsn> limit = LeftAt(YoungerHistories(repository, keys, segment.timeline), segment.timeline);
    if (limit && *limit <= start) return std::nullopt;
    for (int look = 0; look < kLooks; look++) {
        Pieces pieces(repository, keys, start, limit, sink);
        bool gone = false;
        for (const layout::TailName &name : ChainOf(ListTail(repository, segment.timeline), segment, size)) {
            if (limit && name.start >= *limit) break;
            gone = !pieces.Take(name);
            if (gone) break;
        }
        if (gone) continue;
        if (pieces.at() == start) return std::nullopt;
        return limit ? std::min(pieces.at(), *limit) : pieces.at();
    }
    throw Error(Code::kUnavailable,
                fmt::format("the pieces of WAL segment \"{}\" change as fast as they are read", segment.Text()));
}

FetchOutcome FetchFromPieces(const Repository &repository, KeyRing &keys, const SegmentName &segment,
                             WalSegmentSize size, PiecesWanted wanted, const std::filesystem::path &to) {
    std::optional<TemporaryFile> file;
    std::optional<Lsn> end =
        ReadPieces(repository, keys, segment, size,
                   {[&] { file.reset(), file.emplace(to); }, [&](ByteView bytes) { file->Write(bytes); }});
    if (!end || (wanted == PiecesWanted::kWhole && *end < segment.End(size))) return FetchOutcome::kAbsent;
    file->EndAt(size.bytes());
    file->Keep(to);
    return FetchOutcome::kFetched;
}

bool IsHole(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size) {
    bool later = false;
    ListSegments(repository, segment.timeline, [&](const SegmentName &name, const ObjectInfo &) {
        later = name > segment;
        return !later;
    });
    if (later) return true;
    std::vector<TimelineHistory> younger = YoungerHistories(repository, keys, segment.timeline);
    if (TellsOfEnd(ListTail(repository, segment.timeline), segment, size, LeftAt(younger, segment.timeline)))
        return true;
    for (const TimelineHistory &history : younger)
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
