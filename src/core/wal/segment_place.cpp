#include "wal/segment_place.h"

#include <algorithm>

#include "wal/tail_chain.h"

namespace ark {
namespace {

// Of one timeline; `left`: what it holds behind is not the history's.
std::optional<SegmentPlace> On(const SegmentName &name, WalSegmentSize size, std::optional<Lsn> left,
                               const StoredWal &wal) {
    SegmentPlace place{name, wal.has_whole(name), name.End(size)};
    if (!place.whole) {
        std::vector<layout::TailName> chain = ChainOf(wal.tail, name, size);
        place.end = chain.empty() ? name.Start(size) : chain.back().end;
        std::optional<Lsn> partial = wal.partial_end ? wal.partial_end(name) : std::nullopt;
        place.partial = partial && *partial > place.end;
        if (place.partial) place.end = *partial;
    }
    if (left) place.end = std::min(place.end, *left);
    if (place.end <= name.Start(size)) return std::nullopt;
    return place;
}

}    // namespace

SegmentName SegmentOn(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size) {
    return SegmentName::OfNumber(history.At({(number + 1) * size.bytes() - 1}), number, size);
}

std::optional<SegmentPlace> FindSegment(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size,
                                        const StoredWal &wal) {
    const SegmentName own = SegmentOn(history, number, size);
    if (wal.has_whole(own)) return SegmentPlace{own, true, own.End(size)};
    const TimelineId oldest = history.At(own.Start(size));
    std::optional<SegmentPlace> best = On(own, size, wal.left_youngest(own.timeline), wal);
    for (TimelineId older : history.Chain()) {
        if (older >= own.timeline || older < oldest) continue;
        std::optional<SegmentPlace> place =
            On(SegmentName::OfNumber(older, number, size), size, history.Left(older), wal);
        if (place && (!best || place->end > best->end)) best = place;
    }
    return best;
}

std::optional<Lsn> EndOfPartial(const SegmentName &segment, WalSegmentSize size,
                                const std::vector<TimelineHistory> &younger) {
    std::optional<Lsn> end;
    for (const TimelineHistory &history : younger)
        if (std::optional<Lsn> left = history.Left(segment.timeline);
            left && *left > segment.Start(size) && *left < segment.End(size))
            end = end ? std::min(*end, *left) : *left;
    return end;
}

bool WouldGoBeside(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size, const StoredWal &wal) {
    const SegmentName own = SegmentOn(history, number, size);
    return std::ranges::any_of(history.Chain(), [&](TimelineId older) {
        return older < own.timeline && wal.has_whole(SegmentName::OfNumber(older, number, size));
    });
}

}    // namespace ark
