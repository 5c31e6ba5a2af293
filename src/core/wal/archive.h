// What a cluster's path has of WAL: its files by timeline, and the histories that tie timelines together. One listing, and one small
// read for each history. docs/repository-format.md, section 11.
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

struct WalArchive {
    std::map<TimelineId, ArchivedTimeline> timelines;

    // Without parents for the first timeline, and for one whose history is not there.
    TimelineHistory HistoryOf(TimelineId timeline) const;
    // The timeline that a server on `timeline` takes for the latest: it looks for the history of the next one, and the next, until one
    // is not there (access/transam/timeline.c, findNewestTimeLine).
    TimelineId LatestFrom(TimelineId timeline) const;
};

// Throws kCorrupt for a name that it cannot place, and for a history that cannot be read: whoever decides by this must know everything.
// Memory is 40 bytes a file.
WalArchive ReadWalArchive(const Repository &repository, KeyRing &keys, Ticker &ticker);

}    // namespace ark
