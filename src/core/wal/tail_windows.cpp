#include "wal/tail_windows.h"

#include <algorithm>

#include "wal/segment_place.h"
#include "wal/tail_chain.h"

namespace ark {
namespace {

// The archive and the tail as a server is given them that recovers along one history.
class Reaching {
public:
    Reaching(const WalArchive &archive, const std::vector<layout::TailName> &tail, const TimelineHistory &history,
             WalSegmentSize size)
        : archive_(archive),
          wal_{[&](const SegmentName &name) { return archive.Find(name) != nullptr; }, tail,
               [&](TimelineId timeline) { return archive.LeftByYoungest(timeline); },
               [&archive, size](const SegmentName &name) { return archive.PartialEnd(name, size); }},
          history_(history),
          size_(size) {}

    void Extend(RecoveryWindow &window) const {
        RecoveryWindow reached = window;
        bool on = false;
        while (Step(reached)) on = true;
        if (on) window = reached;
        if (on && window.Opens()) window.end = RecoveryWindow::End::kArchive;
        if (window.end == RecoveryWindow::End::kArchive && MustExist(window.missing))
            window.end = RecoveryWindow::End::kHole;
    }

private:
    // Over the segment that is missing, if it is there after all: in pieces, whole behind such, or at its beginning as an older timeline's.
    bool Step(RecoveryWindow &window) const {
        const std::uint64_t number = window.missing.Number(size_);
        std::optional<SegmentPlace> place = FindSegment(history_, number, size_, wal_);
        if (!place || place->end <= window.until) return false;
        // Of a segment that was written to its end only the whole is given to a server.
        bool ends = place->end < window.missing.End(size_);
        if (ends && MustExist(window.missing)) return false;
        if (!place->InPieces()) {
            const ArchivedFile *file = place->whole ? archive_.Find(place->from) : archive_.FindPartial(place->from);
            window.until_stored =
                window.until_stored ? std::max(*window.until_stored, file->stored_at) : file->stored_at;
        }
        if (place->whole) window.last = place->from;
        window.until_timeline = place->from.timeline;
        window.until = place->end;
        if (!ends) window.missing = SegmentOn(history_, number + 1, size_);
        return true;
    }

    bool MustExist(const SegmentName &name) const {
        if (TellsOfEnd(wal_.tail, name, size_, wal_.left_youngest(name.timeline)) ||
            archive_.WentOnTo(name.timeline, name.End(size_)))
            return true;
        auto timeline = archive_.timelines.find(name.timeline);
        return timeline != archive_.timelines.end() && !timeline->second.segments.empty() &&
               timeline->second.segments.back().name.segment > name;
    }

    const WalArchive &archive_;
    const StoredWal wal_;
    const TimelineHistory history_;
    WalSegmentSize size_;
};

}    // namespace

void ReachIntoTail(
    std::vector<RecoveryWindow> &windows, const WalArchive &archive, const std::vector<BaseBackup> &backups,
    const std::vector<layout::TailName> &tail,
    const std::function<std::optional<TimePoint>(const TimelineHistory &history, Lsn end)> &known_until) {
    for (RecoveryWindow &window : windows) {
        if (window.end == RecoveryWindow::End::kExpired) continue;
        auto backup = std::ranges::find(backups, window.backup, &BaseBackup::id);
        if (backup == backups.end()) continue;
        const TimelineHistory history = archive.HistoryOf(window.timeline);
        Reaching(archive, tail, history, backup->segment_size).Extend(window);
        if (!window.Opens()) continue;
        if (!window.until_stored) window.until_stored = window.opens;    // all of it is in pieces
        std::optional<TimePoint> known = known_until(history, window.until);
        if (known && *known > *window.until_stored) window.until_stored = known;
    }
}

}    // namespace ark
