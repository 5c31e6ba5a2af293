// Which pieces make up a segment, and what an absent segment means beside them. Pure. docs/repository-format.md, section 13.
#pragma once

#include <optional>
#include <vector>

#include "repo/layout.h"

namespace ark {

// Without what an earlier owner of the path shipped from where on a later one shipped of the same timeline: what lies behind is another
// history. What lies before is the later one's too: it began there because it had the same, or the store has those segments, or it had no
// older WAL any more.
std::vector<layout::TailName> WithoutSuperseded(std::vector<layout::TailName> names);

// The pieces of a segment that follow one another from its beginning on: of all such rows the one that reaches furthest, with the fewest
// pieces. Rows may cross, where pieces were joined, or where one shipper went on at another place than the one before. `names` may hold
// those of any segment and timeline, but no superseded ones.
std::vector<layout::TailName> ChainOf(const std::vector<layout::TailName> &names, const SegmentName &segment,
                                      WalSegmentSize size);

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
