// Recovery windows that go on in the shipped tail, and in the ".partial" that a promoted server archived of the timeline that it left. Pure but for the times, which the caller looks up.
#pragma once

#include <functional>

#include "repo/layout.h"
#include "wal/windows.h"

namespace ark {

// Moves the ends of windows to where the WAL ends that a server would be given: through pieces that follow what is there or fill
// what is missing, also those of an older timeline at the beginning of a younger one's first segment. `tail` is without what is superseded.
// A segment that must exist (something lies behind it) and is not whole ends a window with a hole. `known_until` says until
// when all that was committed lies before a position of a history.
void ReachIntoTail(std::vector<RecoveryWindow> &windows, const WalArchive &archive,
                   const std::vector<BaseBackup> &backups, const std::vector<layout::TailName> &tail,
                   const std::function<std::optional<TimePoint>(const TimelineHistory &history, Lsn end)> &known_until);

}    // namespace ark
