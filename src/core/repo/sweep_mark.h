// One look of a sweep at a whole cluster path: what is alive, and what is dead. docs/repository-format.md, section 4.
#pragma once

#include <map>
#include <set>

#include "base/cancel.h"
#include "repo/catalog.h"

namespace ark {

struct MarkedBackup {
    bool begin = false, packs = false, manifest = false, end = false;
    bool aborted = false;
    bool fence = false;                      // aborted by another than its writer, which may still be alive
    std::vector<BackupId> bases;             // of an open one
    std::vector<std::string> checkpoints;    // objects

    bool Open() const { return begin && !manifest; }
    // A manifest alone is what a late request brought back after the backup had been removed.
    bool Listed() const { return manifest && !aborted && !end && (begin || packs); }
    bool Gone() const { return !Open() && !Listed(); }    // others may need packs that it made
    bool HasLeftovers() const { return Gone() && (begin || packs || end || (manifest && !fence)); }
    // Its removal has begun: whoever names it as a base and is open began after it had ended, and does not reuse it.
    bool HalfRemoved() const { return end && !begin && !packs; }
};

struct Mark {
    std::map<BackupId, MarkedBackup> backups;
    std::map<std::string, std::uint64_t> dead;      // pack and its size
    std::map<BackupId, std::uint64_t> own_packs;    // how many packs a backup's name stands over
    std::set<std::string> stale_quarantine;         // objects about packs that are not there
    std::set<std::string> stale_checkpoints;        // of backups that came to an end, and that nobody goes on from

    std::set<BackupId> bases_of_open;

    bool IsBaseOfOpen(const BackupId &id) const { return bases_of_open.contains(id); }
};

// Throws kCorrupt, kUnsupported or kNotFound for what it cannot read, parse or place; kConflict if another sweep removed
// what it was about to read.
Mark MarkAll(const Repository &repository, Ticker &ticker);

}    // namespace ark
