// What is asked of a base backup that copies a standby's files.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/digest.h"
#include "pgdata/wal_name.h"

namespace ark {

struct StandbyCopy {
    bool asks_primary = true;
    std::string primary_conninfo;    // empty: the standby's own
    Duration max_lag =
        std::chrono::minutes(1);    // how long the standby may take to replay what its primary has; 0: for ever
    Duration deadline = std::chrono::minutes(15);    // for the WAL, where no primary is asked
    // Whether the store has that segment. Throws kConflict if its content is another.
    std::function<bool(const SegmentName &, std::uint64_t length, const Sha256Digest &)> stored_same;
};

}    // namespace ark
