// What earlier owners of the path shipped, for a later one of the same history: it goes on behind, so that at no moment less can be restored
// than before it came. docs/repository-format.md, section 13.
#pragma once

#include <deque>
#include <vector>

#include "base/log.h"
#include "wal/tail_object.h"

namespace ark {

struct InheritedPiece {
    layout::TailName name;
    // Of its segment's bytes up to its end, without a key. Nullopt: the piece reaches further than the server's WAL, where `name` ends then.
    std::optional<Sha256Digest> after;
};

// The pieces of epochs before `epoch` that follow one another from the beginning of `first` on, over one segment after the other, up to
// `flushed`. Each was read and proven. What is damaged, or of more than kMostJoined bytes, ends the row, and so does a segment that has pieces of
// `epoch` itself. `useful` is without what is superseded. Throws kUnavailable where a piece is gone: the row is another one then.
std::deque<InheritedPiece> ReadInherited(const Repository &repository, KeyRing &keys,
                                         const std::vector<layout::TailName> &useful, std::uint64_t epoch,
                                         SegmentName first, WalSegmentSize size, Lsn flushed, Log &log);

}    // namespace ark
