// Where a server finds the bytes of a segment that it needs on its way along a history. Pure. docs/repository-format.md, section 13.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "pgdata/timeline_history.h"
#include "repo/layout.h"

namespace ark {

// What a store has, as far as it is asked.
struct StoredWal {
    std::function<bool(const SegmentName &)> has_whole;
    const std::vector<layout::TailName> &tail;    // without what is superseded
    std::function<std::optional<Lsn>(TimelineId)>
        left_youngest;    // where the youngest timeline that comes from this one left it
    // Up to where the ".partial" of a segment holds what its timeline went through; nullptr, or nullopt: there is none.
    std::function<std::optional<Lsn>(const SegmentName &)> partial_end = nullptr;
};

struct SegmentPlace {
    SegmentName from;        // the segment itself, or that of an older timeline
    bool whole = false;      // as an object of its own
    Lsn end;                 // up to there it holds what the history went through
    bool partial = false;    // as its ".partial"; neither: in pieces

    bool InPieces() const { return !whole && !partial; }
    WalFileName Object() const { return partial ? WalFileName::OfPartial(from) : WalFileName::OfSegment(from); }
};

// A promoted server archives the segment in which it left its timeline under such a name, as far as that went: up to the first point in it
// where any of these timelines left it, because another one may have written the file. Nullopt: none did.
std::optional<Lsn> EndOfPartial(const SegmentName &segment, WalSegmentSize size,
                                const std::vector<TimelineHistory> &younger);

// The segment of the youngest timeline of the history that had begun in it. As long as it is not there as a whole, a promoted server's
// first segment begins like the one that it left: then the one that reaches furthest counts, an older one up to where it was left.
std::optional<SegmentPlace> FindSegment(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size,
                                        const StoredWal &wal);

// The name that the history has for it.
SegmentName SegmentOn(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size);

// Whether a server that is told that its segment is absent would be given a whole one of an older timeline, and go on beside its history.
bool WouldGoBeside(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size, const StoredWal &wal);

}    // namespace ark
