#include "physical/standby_side.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "repo/writers.h"

namespace ark {
namespace {

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr auto kPatience = std::chrono::minutes(1);    // for what takes a moment
constexpr std::size_t kSegmentsLookedAt = 100;         // that the store may lack, newest first

[[noreturn]] void ThrowPromoted(std::string detail) {
    throw Error(Code::kConflict, "the standby was promoted during the base backup", std::move(detail),
                "Nothing of this backup counts. Take another one, of a standby or of the new primary.");
}

bool Look(const std::filesystem::path &path, struct stat &info) { return stat(path.c_str(), &info) == 0; }

}    // namespace

Lsn StandbyReach::Newest() const { return std::max(received.value_or(Lsn{}), replayed); }

// A segment that nothing of was streamed was restored from an archive, as a whole.
bool StandbyReach::HasWhole(Lsn start, Lsn end) const {
    bool was_streamed = received && *received >= start;
    return (received && *received >= end) || replayed > end || (!was_streamed && replayed >= end);
}

void StandbySide::CheckBelongsHere() {
    Replayed();
    if (context_.directory.IsBeingRestored())
        throw Error(Code::kUnsupported, "this server is no standby: it is being restored from an archive",
                    fmt::format("\"{}\" has a recovery.signal.", context_.directory.path().string()),
                    "Wait until its recovery has ended.");
    TimelineId timeline = ReadControl(context_.directory.path()).timeline;
    StandbyReach reach = Reach();
    const WalSegmentSize size = context_.directory.segment_size();
    std::size_t looked_at = 0;
    std::vector<SegmentName> segments = context_.directory.Segments(timeline);
    for (auto at = segments.rbegin(); at != segments.rend(); ++at) {
        const SegmentName &segment = *at;
        if (!reach.HasWhole(segment.Start(size), segment.End(size))) continue;    // kept to be written anew, or growing
        if (++looked_at > kSegmentsLookedAt) break;
        if (!context_.repository.Stat(layout::Wal(WalFileName::OfSegment(segment)))) continue;
        std::optional<OwnSegment> own = Whole(segment);
        if (!own) continue;
        CheckStored(*own);
        return;
    }
}

void StandbySide::CheckOwner(TimelineId timeline) const {
    std::optional<Writer> owner = NewestWriter(context_.repository);
    if (!owner || owner->epoch != context_.repository.epoch())
        throw Error(Code::kConflict, "the cluster's path in the store went to another owner during the base backup",
                    owner ? fmt::format("It is on host \"{}\", epoch {}.", owner->host, owner->epoch) : std::string(),
                    "Take another one.");
    if (owner->timeline != timeline.value)
        throw Error(Code::kConflict,
                    "the standby and the owner of the cluster's path in the store are on different timelines",
                    fmt::format("The owner, on host \"{}\", was on timeline {}; this backup would be of timeline {}.",
                                owner->host, owner->timeline, timeline.value),
                    "After a promotion the new primary has to archive its first WAL segment (SELECT pg_switch_wal() "
                    "there), and this "
                    "standby to follow it.");
}

Lsn StandbySide::Replayed() {
    Result at = context_.connection.Query("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_wal_replay_lsn()");
    if (!at.Bool(0, 0)) ThrowPromoted("It is not in recovery any more.");
    return at.IsNull(0, 1) ? Lsn{} : ParseLsn(at.Text(0, 1));
}

bool StandbySide::Streams() {
    return context_.connection.Query("SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver)").Bool(0, 0);
}

StandbyReach StandbySide::Reach() {
    Result at =
        context_.connection.Query("SELECT pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()");
    StandbyReach reach;
    if (!at.IsNull(0, 0)) reach.received = ParseLsn(at.Text(0, 0));
    if (!at.IsNull(0, 1)) reach.replayed = ParseLsn(at.Text(0, 1));
    return reach;
}

std::string StandbySide::WhyBehind(Lsn to, Lsn first, Lsn at) {
    Result state = context_.connection.Query(
        "SELECT pg_catalog.pg_get_wal_replay_pause_state() <> 'not paused', "
        "pg_catalog.current_setting('recovery_min_apply_delay'),"
        " EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver),"
        " pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())");
    std::string why = fmt::format("It was {} behind, at {}, and {} later still {}, at {}; it should be at {}.",
                                  HumanBytes(to.value - first.value), first.Text(), HumanDuration(request_.max_lag),
                                  HumanBytes(to.value - at.value), at.Text(), to.Text());
    if (!state.IsNull(0, 3)) why += fmt::format(" The last commit that it replayed is {} old.", state.Text(0, 3));
    if (state.Bool(0, 0)) why += " Its replay is paused.";
    if (state.Text(0, 1) != "0") why += fmt::format(" Its recovery_min_apply_delay is {}.", state.Text(0, 1));
    if (!state.Bool(0, 2)) why += " It receives no WAL by streaming.";
    return why;
}

void StandbySide::AwaitReplay(Lsn to) {
    Lsn first = Replayed();
    SteadyPoint deadline = context_.clock.Steady() + request_.max_lag;
    bool waited = false;
    for (Lsn at = first; at < to; at = Replayed()) {
        context_.ticker.Check();
        if (request_.max_lag.count() > 0 && context_.clock.Steady() >= deadline)
            throw Error(Code::kUnavailable, "the standby lags too far behind its primary", WhyBehind(to, first, at),
                        "Take this backup on the primary (pg_ark backup --kind physical on its machine), or raise "
                        "standby_max_lag; "
                        "pg_stat_wal_receiver and pg_get_wal_replay_pause_state() on the standby say more.");
        context_.log.Wait(fmt::format("the standby has to replay WAL up to {} and is at {}", to.Text(), at.Text()));
        waited = true;
        context_.clock.Sleep(kLook);
    }
    if (waited) context_.log.Wait("");
}

Lsn StandbySide::RedoOnDisk() const { return ReadControl(context_.directory.path()).redo; }

void StandbySide::MakeRestartpoint() {
    try {
        context_.connection.Execute("CHECKPOINT");
    } catch (Error &error) {
        if (error.code == Code::kPermissionDenied)
            error.WithHint(fmt::format("GRANT pg_checkpoint TO \"{}\" (on the primary).", context_.connection.user()));
        throw;
    }
}

std::string StandbySide::CheckpointOf(Connection &connection) {
    return connection
        .Query(
            "SELECT pg_catalog.concat_ws(' ', checkpoint_lsn, redo_lsn, timeline_id, prev_timeline_id, next_xid, "
            "next_oid,"
            " next_multixact_id, next_multi_offset, oldest_xid, extract(epoch FROM checkpoint_time))"
            " FROM pg_catalog.pg_control_checkpoint()")
        .String(0, 0);
}

std::string StandbySide::Checkpoint() { return CheckpointOf(context_.connection); }

// Replaying makes and removes files, and writes maps of relations, before the control file's minimum recovery point has come up to their
// WAL and its timeline: a recovery that ended between would be of no moment that there was. Where there is nothing to write, a
// restartpoint moves that point up to what is replayed.
void StandbySide::Settle() {
    Lsn replayed = Replayed();
    SteadyPoint deadline = context_.clock.Steady() + kPatience;
    while (ReadControl(context_.directory.path()).minimum_recovery < replayed) {
        context_.ticker.Check();
        if (context_.clock.Steady() >= deadline)
            throw Error(Code::kUnavailable, "the standby's control file does not come up to what it has replayed",
                        fmt::format("It had replayed up to {} when the files were copied.", replayed.Text()),
                        "See the standby's log.");
        MakeRestartpoint();
        Replayed();
    }
}

// A page is written after minRecoveryPoint, with the timeline that is replayed, has come up to its position. So no file that was read
// before this pg_control has anything of a timeline that it does not name. And while the server is in recovery it writes no WAL of its own.
void StandbySide::CheckCopied(const ControlFile &copied, TimelineId timeline) {
    if (copied.state != ClusterState::kInArchiveRecovery)
        ThrowPromoted(fmt::format("Its control file says \"{}\".", ClusterStateName(copied.state)));
    for (TimelineId seen : {copied.timeline, copied.minimum_recovery_timeline})
        if (seen != timeline)
            throw Error(Code::kConflict, "the standby went over to another timeline during the base backup",
                        fmt::format("The backup was begun on timeline {}, and the standby is on {}.", timeline.value,
                                    seen.value),
                        "Nothing of this backup counts. Take another one when the standby follows the new primary.");
    if (copied.backup_end_required || copied.backup_end.value != 0)
        throw Error(Code::kConflict, "the standby has not recovered the base backup that it was made from yet",
                    fmt::format("That ends at {}.", copied.backup_end.Text()), "Wait until it is consistent.");
    Replayed();
}

// Nothing where it was removed, or took another name, meanwhile.
std::optional<OwnSegment> StandbySide::Whole(const SegmentName &segment) const {
    std::filesystem::path path = context_.directory.WalFile(WalFileName::OfSegment(segment));
    struct stat before {
    }, after{};
    if (!Look(path, before)) return std::nullopt;
    OwnSegment own{.name = segment, .length = static_cast<std::uint64_t>(before.st_size)};
    try {
        Fd file = OpenFile(path, O_RDONLY);
        Sha256Stream digest;
        Bytes block(256 << 10);
        while (std::size_t n = ReadSome(file.get(), block, path.string())) digest.Update(ByteView(block).first(n));
        own.digest = digest.Finish();
    } catch (const Error &error) {
        if (error.code != Code::kNotFound) throw;
        return std::nullopt;
    }
    if (!Look(path, after) || after.st_ino != before.st_ino) return std::nullopt;
    return own;
}

OwnSegment StandbySide::AwaitOwnSegment(TimelineId timeline, Lsn stop, Duration patience,
                                        const std::string &next_step) {
    const WalSegmentSize size = context_.directory.segment_size();
    SegmentName last = SegmentName::Containing(timeline, {stop.value - 1}, size);
    SteadyPoint deadline = context_.clock.Steady() + patience;
    bool waited = false;
    for (;;) {
        context_.ticker.Check();
        Replayed();
        StandbyReach reach = Reach();
        for (const SegmentName &segment : context_.directory.Segments(timeline)) {
            if (segment < last || !reach.HasWhole(segment.Start(size), segment.End(size))) continue;
            std::optional<OwnSegment> own = Whole(segment);
            if (!own) continue;
            if (waited) context_.log.Wait("");
            return *own;
        }
        if (context_.clock.Steady() >= deadline)
            throw Error(Code::kUnavailable,
                        fmt::format("the standby did not receive the rest of WAL segment \"{}\" within {}", last.Text(),
                                    HumanDuration(patience)),
                        fmt::format("The base backup ends in it, at {}; received is WAL up to {}.", stop.Text(),
                                    reach.Newest().Text()),
                        next_step);
        context_.log.Wait(
            fmt::format("the standby has to receive the rest of WAL segment {}. {}", last.Text(), next_step));
        waited = true;
        context_.clock.Sleep(kLook);
    }
}

void StandbySide::CheckStored(const OwnSegment &segment) {
    try {
        if (request_.stored_same(segment.name, segment.length, segment.digest)) return;
    } catch (const Error
                 &) {    // unless the file was not whole when it was read: a server that was just started does not tell
        std::optional<OwnSegment> again = Whole(segment.name);
        if (!again || again->digest == segment.digest) throw;
        return CheckStored(*again);
    }
    throw Error(Code::kUnavailable, fmt::format("the store has no WAL segment \"{}\"", segment.name.Text()));
}

}    // namespace ark
