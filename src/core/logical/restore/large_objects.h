// Large objects that restored rows name and that are gone: they come back with their owner, grants and comment. One that is
// there stays as it is, and an undo leaves those that came back.
#pragma once

#include <set>

#include "logical/restore/caller_rights.h"
#include "logical/restore/recreate.h"

namespace ark {

// OIDs in columns of type oid (or a domain over it) of rows that will be written, without a large object of that number.
std::set<std::uint32_t> FindLostObjects(Connection &connection, const Target &target);

struct LostObject {
    std::uint32_t oid = 0;
    TocEntry made_by;
};
// Those that the backup has. A backup of chosen entities has none.
std::vector<LostObject> FindInBackup(BackupReader &backup, const std::set<std::uint32_t> &oids);

// Returns what was not brought back, for people: a caller who is no member of the owner's role does not make objects for it.
std::vector<std::string> BringBack(Connection &connection, Recreation &recreation, BackupReader &backup,
                                   const std::vector<LostObject> &objects, const Caller &caller, Ticker &ticker);

}    // namespace ark
