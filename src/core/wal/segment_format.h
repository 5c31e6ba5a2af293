// The object of an archived file: header, seal, frames, check line. docs/repository-format.md, section 11.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "codec/compress.h"
#include "pgdata/wal_name.h"
#include "repo/keys.h"

namespace ark {

constexpr std::uint64_t kLongestWalFile = 1 << 30;
constexpr std::size_t kWalFrameSize = 1 << 20;    // plain bytes, as we write it
constexpr std::size_t kMostWalFrame = 4 << 20;    // as anybody may
constexpr std::size_t kWalPrefixSize = 8;         // before each frame
constexpr std::size_t kSealLineSize = 70;
constexpr std::size_t kWalFrontLimit = kHeaderLimit + kSealLineSize;

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

// Encrypts and decrypts the frames of one object; in a path without encryption they are what they are.
class SegmentCipher {
public:
    SegmentCipher(const Repository &repository, const DomainKey &key, const SegmentInfo &info);
    void SealTail(std::uint64_t frame, Bytes &bytes, std::size_t from) const;
    void Open(std::uint64_t frame, Bytes &stored) const;    // in place; throws kCorrupt

private:
    std::optional<Key> key_;
    std::string context_;
};

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
