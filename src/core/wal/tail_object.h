// Pieces and marks in the store: created once, proven when read. docs/repository-format.md, section 13.
// Safe for concurrent use; memory is that of one piece when it is written and of a few frames when it is read.
#pragma once

#include <functional>
#include <vector>

#include "wal/tail_format.h"

namespace ark {

// Stores what `info` names (all but the key's and the compression's names), whose bytes are `plain`; none of a mark. Its salt is a new random
// one. On return the store has it. Returns how many bytes it takes there. Throws kConflict where the name is taken by another content.
std::uint64_t WriteTail(const Repository &repository, KeyRing &keys, const DomainKey &key, TailInfo info,
                        const Compression &compression, ByteView plain);

// Hands the bytes to `sink` piece by piece, and returns after all were proven to be those that were stored; that they continue what
// lies before them is the caller's to compare (`before`, `after`). Nullopt where the store has no such object.
std::optional<TailInfo> ReadTail(const Repository &repository, KeyRing &keys, const layout::TailName &name,
                                 const std::function<void(ByteView)> &sink);

// What the sealed header says; nullopt where the store has no such object.
std::optional<TailInfo> StatTail(const Repository &repository, KeyRing &keys, const layout::TailName &name);

// All of them, or those of one timeline, ascending by epoch, timeline and start.
std::vector<layout::TailName> ListTail(const Repository &repository, std::optional<TimelineId> timeline = {});
void VisitTail(const Repository &repository,
               const std::function<void(const layout::TailName &, const ObjectInfo &)> &visit);

}    // namespace ark
