// WAL that is lost for ever, and why: an event in the store, so that a recovery window that ends there can say so. docs/repository-format.md,
// section 5.
#pragma once

#include <vector>

#include "pgdata/wal_gap.h"
#include "repo/events.h"

namespace ark {

std::vector<WalGap> ReadWalGaps(const Repository &repository, KeyRing *keys);

// Those of `gaps` that are not on record yet. Returns how many there were.
std::size_t RecordWalGaps(Repository &repository, KeyRing &keys, const DomainKey &key, const std::vector<WalGap> &gaps,
                          std::string_view by, Clock &clock, Random &random);

}    // namespace ark
