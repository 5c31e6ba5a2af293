#include "wal/tail_windows.h"

#include <algorithm>

#include "wal/tail_chain.h"

namespace ark {
namespace {

// Where the youngest timeline that comes from this one left it.
std::optional<Lsn> LeftAt(const WalArchive &archive, TimelineId timeline) {
    std::optional<Lsn> left;
    for (const auto &[id, one] : archive.timelines)
        if (std::optional<Lsn> at = one.history ? one.history->Left(timeline) : std::nullopt) left = at;
    return left;
}

// When a whole segment came to the store; nullopt: it did not.
std::optional<TimePoint> StoredAt(const WalArchive &archive, const SegmentName &name) {
    auto timeline = archive.timelines.find(name.timeline);
    if (timeline == archive.timelines.end()) return std::nullopt;
    const std::vector<ArchivedFile> &segments = timeline->second.segments;
    auto at = std::ranges::lower_bound(segments, name, {}, [](const ArchivedFile &file) { return file.name.segment; });
    if (at == segments.end() || at->name.segment != name) return std::nullopt;
    return at->stored_at;
}

// The archive and the tail as a server is given them that recovers along one history.
class Reaching {
public:
    Reaching(const WalArchive &archive, const std::vector<layout::TailName> &tail, const TimelineHistory &history,
             WalSegmentSize size)
        : archive_(archive), tail_(tail), history_(history), size_(size) {}

    void Extend(RecoveryWindow &window) const {
        RecoveryWindow reached = window;
        bool on = false;
        while (Step(reached, on)) on = true;
        if (on) window = reached;
        if (window.end == RecoveryWindow::End::kArchive || on)
            window.end = MustExist(window.missing) ? RecoveryWindow::End::kHole : RecoveryWindow::End::kArchive;
    }

private:
    // Over the segment that is missing, if it is there after all: in pieces, or whole behind such.
    bool Step(RecoveryWindow &window, bool on) const {
        const SegmentName name = window.missing;
        if (std::optional<TimePoint> stored = on ? StoredAt(archive_, name) : std::nullopt) {
            window.until_stored = std::max(*window.until_stored, *stored);
            window.last = name;
            Reach(window, name.End(size_));
            return true;
        }
        std::vector<layout::TailName> chain = ChainOf(tail_, name, size_);
        if (chain.empty()) return false;
        std::optional<Lsn> limit = LeftAt(archive_, name.timeline);
        Lsn end = limit ? std::min(chain.back().end, *limit) : chain.back().end;
        // Of a segment that was written to its end only the whole is given to a server.
        if (end <= window.until || (end < name.End(size_) && MustExist(name))) return false;
        Reach(window, end);
        return true;
    }

    void Reach(RecoveryWindow &window, Lsn end) const {
        window.until_timeline = window.missing.timeline;
        window.until = end;
        if (end < window.missing.End(size_)) return;
        std::uint64_t next = window.missing.Number(size_) + 1;
        window.missing = SegmentName::OfNumber(history_.At({(next + 1) * size_.bytes() - 1}), next, size_);
    }

    bool MustExist(const SegmentName &name) const {
        std::optional<Lsn> limit = LeftAt(archive_, name.timeline);
        if (TellsOfEnd(tail_, name, size_, limit) || (limit && *limit >= name.End(size_))) return true;
        auto timeline = archive_.timelines.find(name.timeline);
        return timeline != archive_.timelines.end() && !timeline->second.segments.empty() &&
               timeline->second.segments.back().name.segment > name;
    }

    const WalArchive &archive_;
    const std::vector<layout::TailName> &tail_;
    const TimelineHistory history_;
    WalSegmentSize size_;
};

}    // namespace

void ReachIntoTail(
    std::vector<RecoveryWindow> &windows, const WalArchive &archive, const std::vector<BaseBackup> &backups,
    const std::vector<layout::TailName> &tail,
    const std::function<std::optional<TimePoint>(const TimelineHistory &history, Lsn end)> &known_until) {
    for (RecoveryWindow &window : windows) {
        if (window.end == RecoveryWindow::End::kExpired || !window.Opens()) continue;
        auto backup = std::ranges::find(backups, window.backup, &BaseBackup::id);
        if (backup == backups.end()) continue;
        const TimelineHistory history = archive.HistoryOf(window.timeline);
        Reaching(archive, tail, history, backup->segment_size).Extend(window);
        std::optional<TimePoint> known = known_until(history, window.until);
        if (known && *known > *window.until_stored) window.until_stored = known;
    }
}

}    // namespace ark
