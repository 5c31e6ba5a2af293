// Which WAL nobody needs any more, and why. Pure: the same arguments give the same verdicts. docs/repository-format.md, section 4.
//
// Kept is: the WAL of each kept base backup from its start to its stop; and on each line (a timeline with its past) that a kept backup
// reaches, everything from a beginning on. That beginning is the start of the oldest kept backup of the line; with a recovery window
// it is that of the newest one that was stored before the window, if there is one. A line on which nothing came since has no window.
// What is not needed goes only if a kept backup proves it: one that was taken further on upon the same line, or, of a timeline that
// was left for another and is not the owner's, one of a younger timeline that was stored later.
// While a base backup is being taken, nothing goes that came since it began. Histories always stay. Pieces and marks of the shipped tail
// are judged like the WAL that they hold, and tell like a segment that a timeline is alive.
#pragma once

#include <set>

#include "wal/windows.h"

namespace ark {

struct BegunBackup {
    BackupId id;
    TimePoint begun{};    // by the store's clock
};

struct WalNeeds {
    std::vector<BaseBackup> kept;      // every base backup that is listed
    std::vector<BegunBackup> begun;    // base backups that are neither committed nor fenced
    TimelineId owner;                  // of the newest writer
    std::optional<Duration> recovery_window{};
    TimePoint now{};    // by the store's clock, or earlier
};

// Files of one timeline beside each other that share a fate.
struct WalRange {
    TimelineId timeline;
    bool keep = true;
    std::string reason;
    std::vector<const ArchivedFile *> files;    // of the archive; the oldest first

    std::uint64_t Bytes() const;
    std::string Names() const;    // "000000010000000000000003 to 000000010000000000000007"
};

// Another store into which this one's WAL is copied (ack=async).
struct WalReader {
    std::string store;
    Duration limit{};                              // how long a file waits for it
    std::optional<std::set<std::string>> has{};    // names of files; nullopt: that could not be found out
    WalFloors expired{};                           // what it has deleted itself
};

// What would go and some reader lacks stays, for as long as that one's limit says.
std::vector<WalRange> KeepForReaders(const std::vector<WalRange> &ranges, const std::vector<WalReader> &readers,
                                     WalSegmentSize size, TimePoint now);

// Every file but histories is in one range; ranges come by timeline and position.
std::vector<WalRange> JudgeWal(const WalArchive &archive, const WalNeeds &needs);

// The same of the tail: of one epoch and timeline.
struct TailRange {
    std::uint64_t epoch = 0;
    TimelineId timeline;
    bool keep = true;
    std::string reason;
    std::vector<const TailFile *> files;    // of the archive; never empty

    std::uint64_t Bytes() const;
    std::string Names() const;    // "tail of epoch 2, 0/3000000 to 0/3002A38"
};
std::vector<TailRange> JudgeTail(const WalArchive &archive, const WalNeeds &needs);

// For each timeline, the end of the last file that goes.
WalFloors FloorsOf(const std::vector<WalRange> &ranges, const std::vector<TailRange> &tail, const WalNeeds &needs);

}    // namespace ark
