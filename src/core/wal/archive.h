// What a cluster's path has of WAL: its files by timeline, the histories that tie timelines together, and the shipped tail. Two listings,
// and one small read for each history. docs/repository-format.md, sections 11 and 13.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/cancel.h"
#include "pgdata/timeline_history.h"
#include "repo/keys.h"

namespace ark {

struct ArchivedFile {
    WalFileName name;
    std::uint64_t bytes = 0;    // in the store
    TimePoint stored_at{};      // by the store's clock
};

struct ArchivedTimeline {
    std::vector<ArchivedFile> segments;    // ascending
    std::vector<ArchivedFile> others;      // partial segments and backup labels, ascending by their segment
    std::optional<TimelineHistory> history;
};

struct TailFile {
    layout::TailName name;
    std::uint64_t bytes = 0;
    TimePoint stored_at{};
};

struct WalArchive {
    std::map<TimelineId, ArchivedTimeline> timelines;
    // Ascending by epoch, timeline and start. Listed before the segments: pieces go only when their segment has come, so that none is
    // missing in both.
    std::vector<TailFile> tail;

    // Without what is superseded.
    std::vector<layout::TailName> UsefulTail() const;

    // Without parents for the first timeline, and for one whose history is not there.
    TimelineHistory HistoryOf(TimelineId timeline) const;
    // The timeline that a server on `timeline` takes for the latest: it looks for the history of the next one, and the next, until one
    // is not there (access/transam/timeline.c, findNewestTimeLine).
    TimelineId LatestFrom(TimelineId timeline) const;
    // Where the youngest timeline that comes from this one left it; nullopt: none does.
    std::optional<Lsn> LeftByYoungest(TimelineId timeline) const;
    // Whether any timeline that comes from this one left it at `end` or further on: then all before was written.
    bool WentOnTo(TimelineId timeline, Lsn end) const;
    const ArchivedFile *Find(const SegmentName &segment) const;           // null: it is not there as a whole
    const ArchivedFile *FindPartial(const SegmentName &segment) const;    // null: there is none
    bool HasPartials() const;
    // Up to where it holds what the timeline went through; nullopt: there is none.
    std::optional<Lsn> PartialEnd(const SegmentName &segment, WalSegmentSize size) const;
};

// Throws kCorrupt for a name that it cannot place, and for a history that cannot be read: whoever decides by this must know everything.
// Memory is 40 bytes a file.
WalArchive ReadWalArchive(const Repository &repository, KeyRing &keys, Ticker &ticker);

}    // namespace ark
