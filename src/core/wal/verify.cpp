#include "wal/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wal/fetch.h"
#include "wal/segment_object.h"

namespace ark {

WalVerifier::WalVerifier(const Repository &repository, KeyRing &keys, const WalArchive &archive, Ticker &ticker)
    : repository_(repository),
      keys_(keys),
      archive_(archive),
      ticker_(ticker),
      tail_(archive.UsefulTail()),
      stored_{[this](const SegmentName &name) { return archive_.Find(name) != nullptr; }, tail_,
              [this](TimelineId timeline) { return archive_.LeftByYoungest(timeline); }} {}

void WalVerifier::Read(TimelineId timeline, WalSegmentSize size, Lsn from, Lsn until) {
    const TimelineHistory history = archive_.HistoryOf(timeline);
    for (std::uint64_t number = from.value / size.bytes(); number * size.bytes() < until.value; number++) {
        ticker_.Check();
        const Lsn end{std::min((number + 1) * size.bytes(), until.value)};
        const SegmentName own = SegmentOn(history, number, size);
        std::optional<SegmentPlace> place = FindSegment(history, number, size, stored_);
        if (place && !read_.insert({place->from, place->whole ? Lsn{} : end}).second) continue;
        try {
            if (!place || place->end < end || !ReadPlace(*place, own, size, end))
                verified_.problems.push_back(fmt::format("WAL segment {} is missing", own.Text()));
        } catch (const Error &error) {
            if (error.code != Code::kCorrupt) throw;
            verified_.problems.push_back(fmt::format("WAL segment {}: {}{}", own.Text(), error.message,
                                                     error.detail.empty() ? "" : " (" + error.detail + ")"));
        }
    }
}

bool WalVerifier::ReadPlace(const SegmentPlace &place, const SegmentName &own, WalSegmentSize size, Lsn end) {
    if (place.whole) return ReadWhole(place.from);
    std::uint64_t bytes = 0;
    std::optional<Lsn> reached = ReadPieces(repository_, keys_, place.from, size, place.end,
                                            {[&] { bytes = 0; }, [&](ByteView piece) { bytes += piece.size(); }});
    // Pieces go when their segment has come.
    if (!reached || *reached < end) return ReadWhole(own);
    verified_.segments++;
    verified_.bytes += bytes;
    return true;
}

bool WalVerifier::ReadWhole(const SegmentName &name) {
    std::uint64_t bytes = 0;
    if (!ReadSegment(repository_, keys_, WalFileName::OfSegment(name), [&](ByteView piece) { bytes += piece.size(); }))
        return false;
    verified_.segments++;
    verified_.bytes += bytes;
    return true;
}

}    // namespace ark
