// Backups that began and came to no end, and left word of what they stored: another can go on from there.
// docs/repository-format.md, "Going on from an interrupted backup".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "repo/checkpoint.h"

namespace ark {

struct InterruptedBackup {
    BackupId id;
    std::uint64_t sequence = 0;
    std::vector<BackupId> bases;      // whose packs its own entries may lie in
    std::uint64_t checkpoints = 0;    // the last one's number
    std::string host;
    int pid = 0;
};

// Those of the kind with a checkpoint, whose sequence is higher than `after`; the newest first, at most four. One whose begin is
// damaged is none. (They may be alive: packs do not change, so it does no harm to use them.)
std::vector<InterruptedBackup> FindInterrupted(const Repository &repository, std::string_view kind,
                                               std::uint64_t after);

// Its writer is known to be dead: it ran on this machine, and its process is gone or this one.
bool WriterIsGone(const InterruptedBackup &backup);
std::string HostName();

// The entries of one, asked for in ascending order. Memory: one checkpoint. Throws what keeps a checkpoint from being read.
class CheckpointEntries {
public:
    using Load = std::function<Checkpoint(std::uint64_t number)>;
    CheckpointEntries(Load load, std::uint64_t checkpoints) : load_(std::move(load)), checkpoints_(checkpoints) {}

    // The first entry whose path is `path` or behind it; nullptr if there is none. Valid until the next call.
    const Json *SkipTo(std::string_view path);

private:
    bool NextEntry();

    Load load_;
    std::uint64_t checkpoints_, loaded_ = 0;
    std::string lines_;    // of the checkpoint loaded last
    std::size_t at_ = 0;
    std::string path_;    // of current_
    Json current_;
    bool ended_ = false;
};

}    // namespace ark
