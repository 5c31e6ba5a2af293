// What of the WAL that a server gave up a store really lacks: another server, or a try that was given up, may have stored some of it.
#pragma once

#include <vector>

#include "pgdata/wal_gap.h"
#include "wal/segment_object.h"

namespace ark {

std::vector<WalGap> StillMissing(const Repository &repository, const std::vector<WalGap> &gaps, WalSegmentSize size);

}    // namespace ark
