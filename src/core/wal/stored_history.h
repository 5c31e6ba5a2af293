// The histories of timelines that a store has.
#pragma once

#include <vector>

#include "pgdata/timeline_history.h"
#include "wal/segment_object.h"

namespace ark {

// Without parents where the store has none, as a server takes it.
TimelineHistory StoredHistory(const Repository &repository, KeyRing &keys, TimelineId timeline);
// Those of timelines that are younger.
std::vector<TimelineHistory> YoungerHistories(const Repository &repository, KeyRing &keys, TimelineId timeline);
// The one that recovery_target_timeline = 'latest' finds, coming from `timeline`.
TimelineId NewestTimeline(const Repository &repository, TimelineId timeline);

// Throws kConflict where the store has another timeline of that number: its WAL would be taken for this server's, and this one's for its.
void CheckOwnTimeline(const Repository &repository, KeyRing &keys, const TimelineHistory &own);

// Where the youngest of these timelines that comes from this one left it: what lies behind is not the past of what recovery goes to.
std::optional<Lsn> LeftByYoungest(const std::vector<TimelineHistory> &younger, TimelineId timeline);

// Of the ".partial" of a segment, up to where it holds what the timeline went through (segment_place.h); nullopt: it is not there.
std::optional<Lsn> StoredPartialEnd(const Repository &repository, KeyRing &keys, const SegmentName &segment,
                                    WalSegmentSize size);

}    // namespace ark
