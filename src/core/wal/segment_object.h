// Archived files in the store: created once, never replaced, proven when read. docs/repository-format.md, section 11.
// A file is a segment, or one of the small ones that are archived beside segments (WalFileName). All of these are safe for
// concurrent use; memory is that of a few frames.
#pragma once

#include <functional>

#include "storage/storage.h"
#include "wal/segment_format.h"

namespace ark {

struct SegmentFacts {
    WalFileName name;
    std::string system_identifier;    // of the server that archives it
    Compression compression{CompressionKind::kZstd, 1};
};

enum class SegmentOutcome {
    kStored,         // by this call
    kSameAlready,    // the same file was there
};

struct SegmentResult {
    SegmentOutcome outcome = SegmentOutcome::kStored;
    SegmentInfo info;                  // of what is in the store
    std::uint64_t stored_bytes = 0;    // by this call
};

// Stores the file that `plain` brings; it is read twice, so it must be able to rewind. On return the store has it. That
// a segment's first page is what its name says is the caller's to check (CheckWalSegmentFront): he knows the server.
// `key` is keys.Newest("cluster", …), asked for once and not for every segment.
// Throws kInvalidArgument for a length that such a file cannot have; kConflict, having replaced nothing, for a file of
// another cluster, for a name that is taken by another content (both digests are in the detail), where a writer with a
// higher epoch has stored it, and for a file that changes meanwhile; kCorrupt where the name is taken by what cannot be
// read; and what the store throws.
SegmentResult WriteSegment(const Repository &repository, KeyRing &keys, const DomainKey &key, const SegmentFacts &facts,
                           Source &plain, Random &random);

// By what a file that was read is proven: the file's own digest, or the check line of its object and the checksums of its frames, which
// take a third of the time: for who waits for it, and will read it with checks of his own.
enum class SegmentProof { kDigest, kCheckLine };

// Hands the file to `sink` piece by piece, and returns after all of it was proven; nullopt, with nothing handed out, where
// the store says that it has no such object. What `sink` got before a throw is worth nothing.
std::optional<SegmentInfo> ReadSegment(const Repository &repository, KeyRing &keys, const WalFileName &name,
                                       const std::function<void(ByteView)> &sink,
                                       SegmentProof proof = SegmentProof::kDigest);

// What the sealed header says; nullopt where the store has no such object.
std::optional<SegmentInfo> StatSegment(const Repository &repository, KeyRing &keys, const WalFileName &name);

// The segments of a timeline, ascending, until `visit` returns false; the small files and partial segments are left out.
void ListSegments(const Repository &repository, TimelineId timeline,
                  const std::function<bool(const SegmentName &, const ObjectInfo &)> &visit);

}    // namespace ark
