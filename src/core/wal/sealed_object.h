// What the objects of WAL are made of: two lines at the front (header and seal), frames, a check line. docs/repository-format.md,
// sections 11 and 13.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "codec/compress.h"
#include "repo/keys.h"
#include "storage/storage.h"

namespace ark {

constexpr std::size_t kWalFrameSize = 1 << 20;    // plain bytes, as we write it
constexpr std::size_t kMostWalFrame = 4 << 20;    // as anybody may
constexpr std::size_t kWalPrefixSize = 8;         // before each frame
constexpr std::size_t kSealLineSize = 70;
constexpr std::size_t kWalFrontLimit = kHeaderLimit + kSealLineSize;

// Encrypts and decrypts the frames of one object; with a key of a path without encryption they are what they are.
class FrameCipher {
public:
    // `info` and `context` as the format says for the kind of object; the frame's number is added to the context.
    FrameCipher(const DomainKey &key, const std::string &salt, std::string_view info, std::string context);
    void SealTail(std::uint64_t frame, Bytes &bytes, std::size_t from) const;
    void Open(std::uint64_t frame, Bytes &stored) const;    // in place; throws kCorrupt

private:
    std::optional<Key> key_;
    std::string context_;
};

// The second line, of a first one with its newline.
std::string SealLine(const DomainKey &key, const std::string &salt, std::string_view info, std::string_view header);

// A frame with its prefix, behind what `out` holds.
void AppendFrame(ByteView plain, std::uint64_t frame, Compressor &compressor, const FrameCipher &cipher, Bytes &out);

// As much of the front as there is, at most kWalFrontLimit.
Bytes ReadFront(Reader &reader);

// What lies behind the front, taken frame by frame and digested. Throws kCorrupt, naming the object as `what` does.
class SealedBody {
public:
    // `begin` was read before, and its first `front` bytes are the front.
    SealedBody(Reader &reader, std::string what, Bytes begin, std::size_t front);

    // The next frame, decoded, which is at most `left` bytes long.
    void TakeFrame(std::uint64_t left, const FrameCipher &cipher, Decompressor &decompressor, Bytes &plain);
    void Finish();    // the check line, and nothing behind it
    Error Damaged(std::string detail) const;

private:
    void Take(std::size_t size, Bytes &to, bool digested = true);

    Reader &reader_;
    std::string what_;
    Bytes have_, stored_;
    std::size_t at_ = 0;
    std::uint64_t frame_ = 0;
    Sha256Stream digest_;
};

}    // namespace ark
