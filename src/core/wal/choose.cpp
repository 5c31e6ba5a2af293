#include "wal/choose.h"

#include <fmt/format.h>

#include <charconv>

#include "pgdata/wal_page.h"

namespace ark {
namespace {

using enum RecoveryGoal::Kind;

std::string WhyItEnds(const RecoveryWindow &window) {
    switch (window.end) {
    case RecoveryWindow::End::kHole:
        return fmt::format("WAL segment {} is missing{}{}", window.missing.Text(), window.why.empty() ? "" : ": ",
                           window.why);
    case RecoveryWindow::End::kExpired: return "the WAL behind it has expired";
    case RecoveryWindow::End::kArchive: break;
    }
    return "nothing younger is in the store";
}

// What a server calls its position between records may lie behind the header of a page that has none yet.
Lsn NextRecordAt(Lsn until, WalSegmentSize size) {
    if (until.value % kWalBlockSize != 0) return until;
    return {until.value + (until.value % size.bytes() == 0 ? kWalLongHeaderSize : kWalShortHeaderSize)};
}

// Empty: the window contains the goal.
std::string WhyNot(const WalArchive &archive, const BaseBackup &backup, const RecoveryWindow &window,
                   const RecoveryGoal &goal) {
    if (!window.Opens()) return fmt::format("it cannot be restored: WAL segment {} is missing", window.missing.Text());
    switch (goal.kind) {
    case kConsistent: return {};
    case kUnplaced:
        if (goal.transaction && backup.snapshot && backup.snapshot->HasEnded(*goal.transaction))
            return fmt::format("transaction {} had ended before it did", *goal.transaction);
        return {};
    case kEnd:
        if (window.end == RecoveryWindow::End::kArchive) return {};
        return fmt::format("its WAL ends at {}: {}", window.until.Text(), WhyItEnds(window));
    case kPosition:
        if (goal.position < window.from)
            return fmt::format("it ended at {}, and is consistent from there on", window.from.Text());
        if (goal.position > NextRecordAt(window.until, backup.segment_size))
            return fmt::format("its WAL ends at {}: {}", window.until.Text(), WhyItEnds(window));
        if (goal.on && archive.HistoryOf(window.timeline).At(goal.position) != *goal.on)
            return fmt::format("{} is a position of timeline {}, which timeline {} did not go through",
                               goal.position.Text(), goal.on->value, window.timeline.value);
        return {};
    case kTime:
        if (goal.time < window.opens) return fmt::format("it ended at {}", FormatTime(window.opens));
        if (goal.time > *window.until_stored)
            return fmt::format("its WAL ends with what came to the store at {}: {}", FormatTime(*window.until_stored),
                               WhyItEnds(window));
        return {};
    }
    return {};
}

}    // namespace

TimelineId TimelineToFollow(const WalArchive &archive, const BaseBackup &backup, const std::string &timeline) {
    if (timeline == "latest") return archive.LatestFrom(backup.timeline);
    if (timeline == "current") return backup.timeline;
    TimelineId follow;    // none, for a number that no timeline has
    std::from_chars(timeline.data(), timeline.data() + timeline.size(), follow.value);
    return follow;
}

WindowChoice ChooseWindow(const WalArchive &archive, const std::vector<BaseBackup> &backups,
                          const std::vector<RecoveryWindow> &windows, const RecoveryGoal &goal,
                          const std::function<bool(const BaseBackup &, const RecoveryWindow &)> &reaches) {
    // Null: none of the backup contains the goal.
    auto window_of = [&](const BaseBackup &backup, std::string &why_not) -> const RecoveryWindow * {
        TimelineId follow = TimelineToFollow(archive, backup, goal.timeline);
        why_not = fmt::format("timeline {} did not go through it", follow.value);
        for (const RecoveryWindow &window : windows) {
            if (window.backup != backup.id || window.timeline != follow) continue;
            why_not = WhyNot(archive, backup, window, goal);
            bool later = goal.kind == kTime && window.Opens() && goal.time > *window.until_stored;
            if (why_not.empty() || (later && goal.time >= window.opens && reaches && reaches(backup, window)))
                return &window;
        }
        return nullptr;
    };
    WindowChoice choice;
    std::string why_not;
    for (bool damaged : {false, true})
        for (const BaseBackup &backup : backups) {
            if (backup.damaged != damaged || (goal.backup && backup.id != *goal.backup)) continue;
            choice.window = window_of(backup, why_not);
            if (!choice.window) {
                if (choice.why_not.empty()) choice.why_not = fmt::format("backup {}: {}", backup.id, why_not);
                continue;
            }
            choice.why_not.clear();
            for (const BaseBackup &newer : backups) {
                if (damaged || goal.backup || newer.id == backup.id) break;
                if (newer.damaged && window_of(newer, why_not)) choice.passed_over.push_back(newer.id);
            }
            return choice;
        }
    return choice;
}

}    // namespace ark
