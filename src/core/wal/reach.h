// How far the WAL in a store goes, in positions and in time, and what of it a moment is. docs/repository-format.md, sections 11 and 13.
#pragma once

#include "base/cancel.h"
#include "pgdata/timeline_history.h"
#include "wal/segment_object.h"

namespace ark {

// Without parents where the store has none, as a server takes it.
TimelineHistory StoredHistory(const Repository &repository, KeyRing &keys, TimelineId timeline);
// The one that recovery_target_timeline = 'latest' finds, coming from `timeline`.
TimelineId NewestTimeline(const Repository &repository, TimelineId timeline);

// The newest time that the shipped tail tells of: all that was committed until then lies before `end`. Nullopt: it tells of none.
std::optional<TimePoint> KnownUntil(const Repository &repository, KeyRing &keys, const TimelineHistory &history,
                                    Lsn end);

struct WalReach {
    Lsn end;                                   // of the unbroken WAL, whole segments and pieces
    std::optional<Lsn> last_record;            // where its last whole record begins
    std::optional<TimePoint> last_outcome;     // the last commit or rollback; nullopt: there is none
    std::optional<TimePoint> known_until;      // all that was committed until then lies before the end
    std::optional<TimePoint> Until() const;    // the last moment that can be told: the later of the two
};

// Of the WAL of a timeline and its parents from `from` on. Reads the last segments, backwards until one holds an outcome.
WalReach FindWalReach(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size,
                      Lsn from, Ticker &ticker);

// PostgreSQL ends in FATAL where recovery_target_time has no later outcome in the WAL. For a moment that has none, but that the store knows
// to lie before the end: the position to give instead, of the last record. Nullopt: the time itself is a good target.
// Throws kNotFound, with the window, for a moment that is not known.
std::optional<Lsn> PositionOf(TimePoint moment, bool inclusive, const WalReach &reach, TimePoint window_begin);

}    // namespace ark
