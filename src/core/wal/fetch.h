// From the store into a file: what restore_command asks for.
#pragma once

#include <filesystem>

#include "wal/segment_object.h"
#include "wal/tail_object.h"

namespace ark {

enum class FetchOutcome {
    kFetched,    // the file is there, whole and proven
    kAbsent,     // the store says that it has no such file, and nothing says that it should have
};

// Writes the file under another name beside `to` and renames it, replacing what was there. Throws for everything that is not proof of
// absence.
FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name,
                          const std::filesystem::path &to);

// What a segment that is not in the store as a whole has in pieces (section 13). Hands the unbroken row of them to `take`, from the
// beginning of the segment up to where one is missing, or to `limit`: there the timeline was left. Returns where that is; nullopt where
// there is none. `begin` is called before: pieces may be joined or go while they are read, and then all begins anew. Throws kCorrupt
// for a piece that is damaged or does not continue the one before.
struct PiecesSink {
    std::function<void()> begin;
    std::function<void(ByteView)> take;
};
std::optional<Lsn> ReadPieces(const Repository &repository, KeyRing &keys, const SegmentName &segment,
                              WalSegmentSize size, std::optional<Lsn> limit, const PiecesSink &sink);

enum class PartWanted { kWhole, kAny };
// What there is of a segment that is not in the store as a whole, with zeros behind, as FetchWalFile does: from its pieces, or, of a
// timeline's first one, from what the store has of the timeline that it left, up to that point. `kWhole` only if that is all of it.
// kAbsent says nothing of the segment itself. It is also said where the server's own file `own` begins with all that a part has: a
// server keeps what it restores in the place of its own, and a standby has mostly streamed more than was shipped.
FetchOutcome FetchPart(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size,
                       PartWanted wanted, const std::filesystem::path &to, const std::filesystem::path &own);

// Whether a segment that is absent must exist: a later one of its timeline does, or pieces behind its end, or a timeline that goes on from
// this one further on. A server would take its absence for the end of the WAL. Lists the timeline.
bool IsHole(const Repository &repository, KeyRing &keys, const SegmentName &segment, WalSegmentSize size);

}    // namespace ark
