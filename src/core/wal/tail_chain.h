// Which pieces make up a segment, and what an absent segment means beside them. Pure. docs/repository-format.md, section 13.
#pragma once

#include <optional>
#include <vector>

#include "repo/layout.h"

namespace ark {

// The pieces of one epoch and timeline that follow one another from `from` on: of all such rows the one that reaches furthest, with the
// fewest pieces. Rows may cross, where pieces were joined, or where one shipper went on at another place than the one before. `names` may
// hold anything.
std::vector<layout::TailName> ChainFrom(const std::vector<layout::TailName> &names, std::uint64_t epoch,
                                        TimelineId timeline, Lsn from);

// The chain of the newest epoch that has one from the beginning of the segment, without what lies behind its end.
std::vector<layout::TailName> ChainOf(const std::vector<layout::TailName> &names, const SegmentName &segment,
                                      WalSegmentSize size);

// Without what an earlier owner of the path shipped from where on a later one shipped of the same timeline: a server that was set back, or a
// copy that took over, goes on from there. What lies behind is another history.
std::vector<layout::TailName> WithoutSuperseded(std::vector<layout::TailName> names);

// Whether the segment was written to its end: its timeline's pieces and marks reach so far. No, if a younger timeline left this one
// before, at `limit`: what they hold from there on is not that one's past.
bool TellsOfEnd(const std::vector<layout::TailName> &names, const SegmentName &segment, WalSegmentSize size,
                std::optional<Lsn> limit);

// Neighbours of one size become one, so that the pieces of a segment stay few however long it takes to be filled. `levels` are
// those of a chain's pieces: 0 for one that was shipped, one more for each time that it was joined. Returns how many at the
// end are to be joined, `neighbours`; 0: none.
constexpr std::size_t kJoined = 8;
std::size_t ToJoin(const std::vector<int> &levels, std::size_t neighbours = kJoined);

}    // namespace ark
