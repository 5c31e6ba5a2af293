// What pg_current_snapshot() says: which transactions had ended at a moment. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ark {

struct Snapshot {
    std::uint64_t xmin = 0, xmax = 0;      // all below had ended; this one and all above had not
    std::vector<std::uint64_t> running;    // between them, ascending: those that had not

    // `xid` as a server counts them, or without its epoch: then the one nearest to the snapshot is meant.
    bool HasEnded(std::uint64_t xid) const;
};

// "795:799:795,797". Throws kInvalidArgument.
Snapshot ParseSnapshot(std::string_view text);

}    // namespace ark
