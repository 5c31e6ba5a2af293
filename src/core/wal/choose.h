// From which backup a recovery begins. Pure. docs/restore.md says the rules.
#pragma once

#include <functional>

#include "wal/windows.h"

namespace ark {

// Where a recovery shall end, as far as that says where it must begin.
struct RecoveryGoal {
    enum class Kind {
        kEnd,           // of the archive
        kConsistent,    // as soon as the cluster is
        kPosition,
        kTime,
        kUnplaced,    // a transaction, or a name that the store knows nothing of: it may lie anywhere
    };
    Kind kind = Kind::kEnd;
    Lsn position{};                                // of kPosition: a byte
    TimePoint time{};                              // of kTime
    std::optional<std::uint64_t> transaction{};    // of kUnplaced: it must not have ended before the backup did
    std::optional<TimelineId> on{};                // of a position: the timeline that it was written on
    std::string timeline = "latest";               // or "current", or a number
    std::optional<BackupId> backup{};              // that and no other
};

struct WindowChoice {
    const RecoveryWindow *window = nullptr;    // null: none contains the goal
    std::string why_not;                       // of the newest backup, for people
    std::vector<BackupId> passed_over{};       // newer ones that contain the goal too, and are damaged
};

// The window of the newest backup (they come newest first) that contains the goal on the timeline that recovery will follow; of a damaged
// backup only if there is no other. A window
// contains a position from its start up to its end, and the one where the first record behind it would begin; a moment from its opening
// to the time when its last file came to the store, or to a later one if `reaches` says that its WAL does; the end of the archive, if
// no hole ends it; what is not placed, and consistency, if it opens at all, and a transaction if its backup does not say that it had
// ended before.
WindowChoice ChooseWindow(const WalArchive &archive, const std::vector<BaseBackup> &backups,
                          const std::vector<RecoveryWindow> &windows, const RecoveryGoal &goal,
                          const std::function<bool(const BaseBackup &, const RecoveryWindow &)> &reaches = {});

// The timeline that a server restored from the backup recovers on.
TimelineId TimelineToFollow(const WalArchive &archive, const BaseBackup &backup, const std::string &timeline);

}    // namespace ark
