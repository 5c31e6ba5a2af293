// Whether a file that somebody else has is the one in the store.
#pragma once

#include <functional>

#include "base/digest.h"
#include "wal/segment_object.h"

namespace ark {

// What the store says of its file, if it is the same; nullopt where it has none of that name: then no digest is asked for. Throws kConflict
// for another content, whose detail says how they differ. For servers in recovery, whose WAL is their primary's.
std::optional<SegmentInfo> FindSameSegment(const Repository &repository, KeyRing &keys, const WalFileName &name,
                                           std::uint64_t length, const std::function<Sha256Digest()> &digest);

}    // namespace ark
