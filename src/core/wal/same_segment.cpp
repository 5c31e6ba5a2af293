#include "wal/same_segment.h"

#include <fmt/format.h>

namespace ark {

std::optional<SegmentInfo> FindSameSegment(const Repository &repository, KeyRing &keys, const WalFileName &name,
                                           std::uint64_t length, const std::function<Sha256Digest()> &digest) {
    std::optional<SegmentInfo> stored = StatSegment(repository, keys, name);
    if (!stored) return std::nullopt;
    if (stored->length == length &&
        stored->digest == SegmentDigest(keys.Get(stored->domain, stored->generation), digest()))
        return stored;
    throw Error(Code::kConflict, fmt::format("WAL file \"{}\" is in the store with another content", name.Text()),
                fmt::format("Stored: {} bytes, epoch {}. Here: {} bytes.", stored->length, stored->epoch, length),
                "This standby and the server that archives have parted: it does not follow that one's timeline.");
}

}    // namespace ark
