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

}    // namespace

void ReachIntoTail(
    std::vector<RecoveryWindow> &windows, const WalArchive &archive, const std::vector<BaseBackup> &backups,
    const std::vector<layout::TailName> &tail,
    const std::function<std::optional<TimePoint>(const TimelineHistory &history, Lsn end)> &known_until) {
    for (RecoveryWindow &window : windows) {
        if (window.end != RecoveryWindow::End::kArchive || !window.Opens()) continue;
        auto backup = std::ranges::find(backups, window.backup, &BaseBackup::id);
        if (backup == backups.end()) continue;
        const WalSegmentSize size = backup->segment_size;
        std::optional<Lsn> limit = LeftAt(archive, window.missing.timeline);
        for (;;) {
            std::vector<layout::TailName> chain = ChainOf(tail, window.missing, size);
            if (chain.empty()) {
                if (TellsOfEnd(tail, window.missing, size, limit)) window.end = RecoveryWindow::End::kHole;
                break;
            }
            Lsn end = limit ? std::min(chain.back().end, *limit) : chain.back().end;
            if (end > window.until) {
                window.until = end;
                window.until_timeline = window.missing.timeline;
            }
            if (end < window.missing.End(size)) {
                if (TellsOfEnd(tail, window.missing, size, limit)) window.end = RecoveryWindow::End::kHole;
                break;
            }
            window.missing = window.missing.Next(size);
        }
        std::optional<TimePoint> known = known_until(archive.HistoryOf(window.timeline), window.until);
        if (known && *known > *window.until_stored) window.until_stored = known;
    }
}

}    // namespace ark
