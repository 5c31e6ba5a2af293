// When a promoted server may take over a cluster's path by itself. docs/repository-format.md, section 9.
#pragma once

#include "pgdata/data_directory.h"
#include "repo/writers.h"

namespace ark {

// Whether the server with this history goes on where the owner stopped: it was promoted from the owner's timeline behind the point where
// the owner began to write, and the store has no whole segment of the owner's from the switch point on. If it has one, the owner
// went on (a split brain), or this server was restored to an earlier moment: a person decides. One without a
// timeline of its own (a clone) never succeeds.
bool Succeeds(const Repository &repository, const Writer &owner, const TimelineHistory &history, WalSegmentSize size);

// A copy that was recovered from the archive to its end looks like a promoted standby, while the owner lives. So whoever fetches WAL
// for such a recovery leaves a mark in pg_wal (which base backups leave out), and a directory with the mark takes over nothing by itself, not even where it was restored in place.
void MarkIfBeingRestored(const DataDirectory &directory);
// The mark of a directory that is recovering says from which path in a store, once that is known; what it says already stays.
void NameWhatIsRestored(const DataDirectory &directory, const Repository &repository);

}    // namespace ark
