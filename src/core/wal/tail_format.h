// The object of a piece of WAL whose segment is not in the store yet, or of a mark. docs/repository-format.md, section 13.
#pragma once

#include <optional>
#include <string>

#include "pgdata/wal_name.h"
#include "wal/sealed_object.h"

namespace ark {

constexpr std::uint64_t kMostTailBytes = 64 << 20;    // of a piece, as anybody may make it

// What the header says.
struct TailInfo {
    layout::TailName name;
    std::string domain = "cluster";
    std::uint64_t generation = 0;
    CompressionKind compression = CompressionKind::kNone;
    std::string salt;    // 64 hex
    std::string system_identifier;
    std::uint64_t segment_size = 0;
    // Digests (as SegmentDigest) of the segment's bytes from its beginning up to the piece's start, and up to its end.
    std::string before, after;
    // By the server's clock: what had been committed until then ends at or before `end`. Nullopt: it was not asked.
    std::optional<TimePoint> at;

    std::uint64_t length() const { return name.end.value - name.start.value; }
};

// Of a piece; of a mark the one that would go on there.
SegmentName SegmentOf(const layout::TailName &name, WalSegmentSize size);

FrameCipher TailCipher(const Repository &repository, const DomainKey &key, const TailInfo &info);
std::string FormatTailFront(const Repository &repository, const DomainKey &key, const TailInfo &info);

// The two lines at the front of an object, proven by the seal; `size` is their length. Throws as ParseSegmentFront does.
struct TailFront {
    TailInfo info;
    DomainKey key;
    std::size_t size = 0;
};
TailFront ParseTailFront(ByteView object, const Repository &repository, KeyRing &keys, const layout::TailName &name);

}    // namespace ark
