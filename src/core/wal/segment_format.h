// The object of an archived file: header, seal, frames, check line. docs/repository-format.md, section 11.
#pragma once

#include <optional>
#include <string>

#include "pgdata/wal_name.h"
#include "wal/sealed_object.h"

namespace ark {

constexpr std::uint64_t kLongestWalFile = 1 << 30;

// What the header says.
struct SegmentInfo {
    WalFileName name;
    std::uint64_t epoch = 0;    // of the writer
    std::string domain = "cluster";
    std::uint64_t generation = 0;
    CompressionKind compression = CompressionKind::kNone;
    std::string salt;    // 64 hex
    std::string system_identifier;
    std::uint64_t length = 0;    // of the file
    std::string digest;          // 64 hex; comparable under one key only

    // The position of its first byte; nullopt for histories and labels.
    std::optional<Lsn> Start() const;
};

// Whether a file may be so long: a segment's length is a segment size.
bool IsWalFileLength(const WalFileName &name, std::uint64_t length);

std::string SegmentDigest(const DomainKey &key, const Sha256Digest &file);

FrameCipher SegmentCipher(const Repository &repository, const DomainKey &key, const SegmentInfo &info);

std::string FormatSegmentFront(const Repository &repository, const DomainKey &key, const SegmentInfo &info);

// The two lines at the front of an object, proven by the seal; `key` is that of the file, `size` their length. Throws as
// ParseHeader and KeyRing::Get do, kCorrupt if they do not fit the seal, the name or the cluster path.
struct SegmentFront {
    SegmentInfo info;
    DomainKey key;
    std::size_t size = 0;
};
SegmentFront ParseSegmentFront(ByteView object, const Repository &repository, KeyRing &keys, const WalFileName &name);

}    // namespace ark
