// How far the WAL in a store goes, in positions and in time, and what of it a moment is. docs/repository-format.md, sections 11 and 13.
#pragma once

#include "base/cancel.h"
#include "pgdata/timeline_history.h"
#include "wal/segment_object.h"

namespace ark {

// All that was committed until a time, by the server's clock, lies before a position.
struct KnownTime {
    TimePoint until{};
    Lsn end{};
};

// The newest that the shipped tail tells of, not behind `end`. Nullopt: it tells of none.
std::optional<KnownTime> FindKnownTime(const Repository &repository, KeyRing &keys, const TimelineHistory &history,
                                       Lsn end);

struct WalReach {
    Lsn end;                           // of the unbroken WAL, whole segments and pieces
    std::optional<Lsn> last_record;    // where its last whole record begins
    std::optional<TimePoint>
        last_outcome;    // the latest commit or rollback that was looked at; nullopt: there is none
    std::optional<Lsn> last_outcome_begin;    // where the last one begins
    std::optional<KnownTime> known;
    std::optional<TimePoint> Until() const;    // the last moment that can be told: the later of the two
    bool Knows(TimePoint moment) const;        // from the tail
    bool IsQuietSinceKnown() const;            // nothing was committed or rolled back behind
};

struct ReachQuestion {
    Lsn from{};                      // where a backup needs WAL
    Lsn until{~std::uint64_t{0}};    // where a window ends, and what lies behind is not to be reached
    bool times = true;               // false: the last record is enough
    std::optional<TimePoint>
        moment{};    // where it is not known, a later outcome is looked for in so many of the last segments
    std::size_t segments = 0;
};

// Of the WAL along a history. Reads the last segments, backwards until there is an answer.
WalReach FindWalReach(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size,
                      const ReachQuestion &question, Ticker &ticker);

struct TargetPosition {
    Lsn lsn;
    bool inclusive = true;
    bool operator==(const TargetPosition &) const = default;
};

// PostgreSQL ends in FATAL where recovery_target_time has no later outcome in the WAL. For a moment that has none, but that the store knows
// to lie before the end: the position to give instead, of the last record; or, where the clock was set back and more was committed, the one
// that is known. Nullopt: the time itself is a good target. Throws kNotFound, with the window, for a moment that is not known.
std::optional<TargetPosition> PositionOf(TimePoint moment, bool inclusive, const WalReach &reach,
                                         TimePoint window_begin);

// The same of recovery_target_lsn, which asks for a record that begins there or further on: with none, all that is there lies before it.
std::optional<TargetPosition> PositionOf(Lsn position, const WalReach &reach);

}    // namespace ark
