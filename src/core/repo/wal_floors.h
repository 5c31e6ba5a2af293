// Up to where WAL was deleted on each timeline: an event in the store before the deletion. docs/repository-format.md, section 4.
#pragma once

#include <map>

#include "repo/events.h"

namespace ark {

// Every file that was deleted from a timeline ended at its floor or before.
using WalFloors = std::map<TimelineId, Lsn>;

WalFloors ReadWalFloors(const Repository &repository, KeyRing *keys);

// Says that what lies below may be deleted from now on; a floor that is higher already stays where it is.
void RaiseWalFloors(Repository &repository, KeyRing &keys, const DomainKey &key, const WalFloors &floors,
                    std::string_view by, std::string_view reason, Clock &clock, Random &random);

// Throws kConflict if the WAL that a base backup needs from `start` on may have been deleted. Asked when all of it was seen in the store
// and before the commit: an expiry that did not see the begin of this backup has raised its floors before.
void CheckAboveFloor(const Repository &repository, KeyRing &keys, TimelineId timeline, Lsn start, WalSegmentSize size);

}    // namespace ark
