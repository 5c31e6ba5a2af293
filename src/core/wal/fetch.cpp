#include "wal/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "base/file.h"
#include "wal/segment_place.h"
#include "wal/stored_history.h"
#include "wal/tail_chain.h"

namespace ark {
namespace {

constexpr std::size_t kCompared = 256 << 10;    // at once

// A disk that is full here is no store that is out of reach: another one would not help.
template <class Work>
auto Here(Work work) try {
    return work();
} catch (const Error &error) {
    if (error.code != Code::kUnavailable) throw;
    Error fault = error;
    fault.sqlstate = error.Sqlstate();
    fault.code = Code::kInternal;
    throw fault;
}

// Takes its file away unless it was kept.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::filesystem::path &beside)
        : path_(beside.string() + fmt::format(".{}.part", getpid())),
          file_(Here([&] { return OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC); })) {}
    ~TemporaryFile() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove(path_, ignored);
    }
    TemporaryFile(const TemporaryFile &) = delete;

    const std::filesystem::path &path() const { return path_; }
    void Write(ByteView bytes) {
        Here([&] { WriteAll(file_.get(), bytes, path_.string()); });
    }
    void EndAt(std::uint64_t length) {    // zeros behind what was written
        Here([&] {
            if (ftruncate(file_.get(), static_cast<off_t>(length)) != 0)
                ThrowErrno(errno, fmt::format("could not lengthen \"{}\"", path_.string()));
        });
    }
    void Keep(const std::filesystem::path &as) {
        file_.Reset();
        std::error_code error;
        std::filesystem::rename(path_, as, error);
        Here([&] {
            if (error) ThrowErrno(error.value(), fmt::format("could not rename \"{}\"", path_.string()));
        });
        path_.clear();
    }

private:
    std::filesystem::path path_;
    Fd file_;
};

// Whether both files are there and have the same first bytes.
bool BeginsAlike(const std::filesystem::path &one, const std::filesystem::path &other, std::uint64_t length) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(one, error)) return false;
    std::ifstream a(one, std::ios::binary), b(other, std::ios::binary);
    std::vector<char> in_a(kCompared), in_b(kCompared);
    while (length > 0) {
        auto size = static_cast<std::streamsize>(std::min<std::uint64_t>(length, kCompared));
        if (!a.read(in_a.data(), size) || !b.read(in_b.data(), size)) return false;
        if (!std::equal(in_a.begin(), in_a.begin() + size, in_b.begin())) return false;
        length -= static_cast<std::uint64_t>(size);
    }
    return true;
}

// A segment's beginning, up to `end`; nullopt: it is not there.
std::optional<Lsn> ReadUpTo(const Repository &repository, KeyRing &keys, const WalFileName &name, Lsn start, Lsn end,
                            const std::function<void(ByteView)> &take) {
    std::uint64_t left = end.value - start.value;
    bool found = ReadSegment(repository, keys, name, [&](ByteView bytes) {
                     ByteView piece =
                         bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left)));
                     left -= piece.size();
                     take(piece);
                 }).has_value();
    return found ? std::optional(end) : std::nullopt;
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
                              WalSegmentSize size, std::optional<Lsn> limit, const PiecesSink &sink) {
    const Lsn start = segment.Start(size);
    if (limit && *limit <= start) return std::nullopt;
    for (int look = 0; look < kLooks; look++) {
        Pieces pieces(repository, keys, start, limit, sink);
        bool gone = false;
        for (const layout::TailName &name :
             ChainOf(WithoutSuperseded(ListTail(repository, segment.timeline)), segment, size)) {
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

FetchOutcome FetchPart(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size,
                       PartWanted wanted, const std::filesystem::path &to, const std::filesystem::path &own) {
    const TimelineHistory history = StoredHistory(repository, keys, segment.timeline);
    const std::uint64_t number = segment.Number(size);
    if (SegmentOn(history, number, size) != segment) return FetchOutcome::kAbsent;    // its timeline began further on
    const std::vector<TimelineHistory> younger = YoungerHistories(repository, keys, segment.timeline);
    const std::vector<layout::TailName> tail = WithoutSuperseded(ListTail(repository));
    const StoredWal wal{[&](const SegmentName &name) {
                            return name != segment &&
                                   repository.Stat(layout::Wal(WalFileName::OfSegment(name))).has_value();
                        },
                        tail, [&](TimelineId timeline) { return LeftByYoungest(younger, timeline); },
                        [&](const SegmentName &name) { return StoredPartialEnd(repository, keys, name, size); }};
    std::optional<TemporaryFile> file;
    std::optional<Lsn> end;
    std::optional<SegmentPlace> place = FindSegment(history, number, size, wal);
    if (!place && wanted == PartWanted::kAny && WouldGoBeside(history, number, size, wal)) {
        file.emplace(to);    // nothing of it is there, and "absent" would lead to the other one
        end = segment.Start(size);
    } else if (place && !place->InPieces()) {
        file.emplace(to);
        end = ReadUpTo(repository, keys, place->Object(), segment.Start(size), place->end,
                       [&](ByteView bytes) { file->Write(bytes); });
    } else if (place) {
        end = ReadPieces(repository, keys, place->from, size, place->end,
                         {[&] { file.reset(), file.emplace(to); }, [&](ByteView bytes) { file->Write(bytes); }});
    }
    if (!end || (wanted == PartWanted::kWhole && *end < segment.End(size))) return FetchOutcome::kAbsent;
    if (*end < segment.End(size) && BeginsAlike(own, file->path(), end->value - segment.Start(size).value))
        return FetchOutcome::kAbsent;
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
    if (TellsOfEnd(WithoutSuperseded(ListTail(repository, segment.timeline)), segment, size,
                   LeftByYoungest(younger, segment.timeline)))
        return true;
    for (const TimelineHistory &history : younger)
        if (std::optional<Lsn> left = history.Left(segment.timeline); left && *left >= segment.End(size)) return true;
    return false;
}

FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name,
                          const std::filesystem::path &to) {
    TemporaryFile file(to);
    auto write = [&](ByteView bytes) { file.Write(bytes); };
    if (!ReadSegment(repository, keys, name, write, SegmentProof::kCheckLine)) return FetchOutcome::kAbsent;
    file.Keep(to);
    return FetchOutcome::kFetched;
}

}    // namespace ark
