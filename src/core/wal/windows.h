// Recovery windows: from which base backup to which moments a cluster can be recovered. Pure. docs/wal.md says what they mean.
//
// A window opens at a backup's stop and ends where the unbroken row of segments ends that a server reads which recovers on its
// timeline. A segment counts by its name on the newest timeline of the history that had begun in it, as the server looks for it; while
// that one has not come, a whole segment of the timeline before reaches to the switch point (wal-fetch gives it in its place). Pieces, and
// a `.partial` of the timeline before, count in tail_windows.h.
// Positions are certain. Of times the store knows when a file came: no commit in the window is younger than the last file of it, by
// the store's clock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgdata/snapshot.h"
#include "pgdata/wal_gap.h"
#include "repo/catalog.h"
#include "repo/wal_floors.h"
#include "wal/archive.h"

namespace ark {

// What a committed base backup says of itself.
struct BaseBackup {
    BackupId id;
    TimelineId timeline, stop_timeline;    // of its start and its stop
    Lsn start, stop;
    WalSegmentSize segment_size{std::uint64_t{16} << 20};
    TimePoint stopped{};                   // by the clock of the machine it was taken on
    TimePoint stored_at{};                 // by the store's
    bool damaged = false;                  // as its newest verification found
    std::optional<Snapshot> snapshot{};    // at its stop; older ones and those of a standby alone do not say
};

// nullopt for a backup of another kind and for one that cannot be read.
std::optional<BaseBackup> BaseBackupOf(const BackupSummary &backup);
std::vector<BaseBackup> BaseBackupsOf(const std::vector<BackupSummary> &backups);    // in the same order

struct RecoveryWindow {
    enum class End {
        kArchive,    // nothing lies behind: the next segment was not archived yet
        kHole,       // `missing` must exist, and is not there
        kExpired,    // what comes next was deleted, because no window needed it
    };

    BackupId backup{};
    TimelineId timeline{};    // on which recovery ends
    Lsn from{};               // the backup's stop
    TimePoint opens{};
    Lsn until{};    // of the first byte that is not there; before `from`: the backup cannot be restored
    TimelineId until_timeline{};
    std::optional<TimePoint> until_stored{};    // when the last file of the row came; nullopt without any
    SegmentName last{};                         // that file; meaningful with until_stored
    SegmentName missing{};                      // the first segment that is not there
    End end = End::kArchive;
    std::optional<TimePoint> beyond_stored{};    // of a hole: when the first segment behind it came
    std::string why{};                           // of a hole: as the store has it on record; empty if it has not

    bool Opens() const { return until >= from; }
};

// For each backup in order: a window on its own timeline, and one on each that went on from it at or after its stop, ascending.
std::vector<RecoveryWindow> RecoveryWindows(const WalArchive &archive, const std::vector<BaseBackup> &backups,
                                            const WalFloors &floors = {});

// What is on record as lost for ever is a hole, whether something lies behind it or not, and why is known.
void ExplainHoles(std::vector<RecoveryWindow> &windows, const std::vector<WalGap> &gaps);

// For people: "20260116T080000Z-1a2b3c4d, timeline 2: 0/3000100 (opening) to 0/9000000 (when its last file came)", and why it ends there.
std::string DescribeWindow(const RecoveryWindow &window);

}    // namespace ark
