// Recovery windows that go on in the shipped tail. Pure but for the times, which the caller looks up.
#pragma once

#include <functional>

#include "repo/layout.h"
#include "wal/windows.h"

namespace ark {

// Moves the ends of windows that end with the archive to where the pieces end that follow it, as a server would be given them. Pieces or
// marks of later segments, without those between, make a hole of what is missing. `known_until` says until when all that was committed
// lies before a position of a history.
void ReachIntoTail(
    std::vector<RecoveryWindow> &windows, const WalArchive &archive, const std::vector<BaseBackup> &backups,
    const std::vector<layout::TailName> &tail,
    const std::function<std::optional<TimePoint>(const TimelineHistory &history, Lsn end)> &known_until);

}    // namespace ark
