// Timeline histories: "00000003.history" says on which timelines the WAL before timeline 3 lies.
//
// A file is read as PostgreSQL reads it (access/transam/timeline.c, readTimeLineHistory): one line a switch, oldest
// first, "<parent> <switch point> <reason>"; blank lines and lines that begin with # are nothing; what follows the switch
// point is for people. Timeline 1 has no file. Errors: kCorrupt for what a server would refuse too, and for a switch
// point 0/0, which a server would take for "not left".
//
// Switch points need not ascend: a recovery that stops before the point where its target timeline began still writes
// that timeline as its parent (StartupXLOG writes recoveryTargetTLI). A position then belongs to the newest timeline
// that claims it, and the history says so, as tliOfPointInHistory does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgdata/wal_name.h"

namespace ark {

struct TimelineSwitch {
    TimelineId parent;
    Lsn at;    // the first byte that is no longer the parent's
    std::string reason;
    bool operator==(const TimelineSwitch &) const = default;
};

class TimelineHistory {
public:
    // A timeline without parents: the first, or one whose file does not exist.
    explicit TimelineHistory(TimelineId timeline) : timeline_(timeline) {}
    TimelineHistory(TimelineId timeline, std::vector<TimelineSwitch> switches);    // oldest first
    static TimelineHistory Parse(TimelineId timeline, std::string_view text);
    std::string Format() const;    // as a server writes it

    TimelineId timeline() const { return timeline_; }
    const std::vector<TimelineSwitch> &switches() const { return switches_; }    // oldest first

    std::vector<TimelineId> Chain() const;    // itself, its parent, … the oldest
    std::optional<Lsn> Begin() const;         // where it left its parent; nullopt if it has none
    // Where this history left one of its ancestors, for the next one or an older point of it. nullopt for itself and for
    // timelines that are no ancestors.
    std::optional<Lsn> Left(TimelineId ancestor) const;
    // On which timeline the byte at `lsn` was written.
    TimelineId At(Lsn lsn) const;
    // Whether a server that had written timeline `id` up to `lsn` is a past of this history: nothing that it wrote is
    // missing here. Then this one may take over from that one.
    bool DescendsFrom(TimelineId id, Lsn lsn) const;

private:
    TimelineId timeline_;
    std::vector<TimelineSwitch> switches_;
};

}    // namespace ark
