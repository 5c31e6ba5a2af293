// What a standby is asked before, while and after its files are copied.
#pragma once

#include <optional>

#include "physical/backup_source.h"

namespace ark {

// How far a standby has WAL. Replay runs ahead of what was received where a segment ended by a switch: it skips the rest, which may still
// be on its way, and the file has old bytes there.
struct StandbyReach {
    std::optional<Lsn> received;    // by streaming, since the server was started; flushed
    Lsn replayed;
    bool HasWhole(Lsn start, Lsn end) const;    // the file of the segment, as its primary has it
    Lsn Newest() const;
};

// WAL that a standby has whole.
struct OwnSegment {
    SegmentName name;
    std::uint64_t length = 0;
    Sha256Digest digest{};
};

class StandbySide {
public:
    StandbySide(const SourceContext &context, const StandbyCopy &request) : context_(context), request_(request) {}

    // That it is a standby, not a cluster that is being restored, and that its newest WAL that the store has too is the same there. Throws kConflict.
    void CheckBelongsHere();
    // That the path's owner, on whose behalf the backup is written, is on this timeline.
    void CheckOwner(TimelineId timeline) const;

    Lsn Replayed();              // throws kConflict where it was promoted
    bool Streams();              // now; else it gets whole segments, from an archive
    void AwaitReplay(Lsn to);    // within the lag limit; else kUnavailable, which says how far behind it is and why
    Lsn RedoOnDisk() const;      // of its last restartpoint
    void MakeRestartpoint();     // as soon as possible
    std::string Checkpoint();    // all that its control file says of the last restartpoint's checkpoint
    static std::string CheckpointOf(Connection &connection);

    void Settle();    // until the control file has come up to what is replayed by now
    // That the files, of which pg_control was read last, have nothing but WAL of that timeline, replayed. Asks the server last.
    void CheckCopied(const ControlFile &copied, TimelineId timeline);

    // The segment that holds the last byte before `stop`, or a later one, once it has been received whole.
    OwnSegment AwaitOwnSegment(TimelineId timeline, Lsn stop, Duration patience, const std::string &next_step);
    void CheckStored(const OwnSegment &segment);    // kConflict where the store has another of that name

private:
    std::string WhyBehind(Lsn to, Lsn first, Lsn at);
    StandbyReach Reach();
    std::optional<OwnSegment> Whole(const SegmentName &segment) const;

    SourceContext context_;
    const StandbyCopy &request_;
};

}    // namespace ark
