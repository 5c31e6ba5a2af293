// One frame compressed by itself: a zstd frame with its content size and checksum, a gzip member, or the bytes as they are.
// What comes out of a decompressor was compared with the frame's own checksum, where it has one.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ark {

enum class CompressionKind { kNone, kZstd, kGzip };

struct Compression {
    CompressionKind kind = CompressionKind::kZstd;
    int level = 3;
    std::string Name() const;    // "zstd", "gzip", "none": as written in a pack's header
};

// "zstd:3", "zstd", "gzip:6", "gzip", "none"; throws kInvalidArgument with what is allowed.
Compression ParseCompression(std::string_view text);
CompressionKind CompressionKindFromName(std::string_view name);    // throws kUnsupported

// Keeps the library's working memory between calls. Not safe for concurrent use: one a thread.
class Compressor {
public:
    explicit Compressor(Compression compression);
    ~Compressor();
    void Compress(ByteView plain, Bytes &stored);    // appends; holds no second copy of a large frame meanwhile

private:
    struct State;
    std::unique_ptr<State> state_;
};

class Decompressor {
public:
    explicit Decompressor(CompressionKind kind);
    ~Decompressor();
    // Fills `plain`. Throws kCorrupt unless exactly its size comes out and nothing is left over.
    void Decompress(ByteView stored, MutableBytes plain);
    void Decompress(ByteView stored, std::uint64_t size, Bytes &plain);    // which is made that long

private:
    struct State;
    std::unique_ptr<State> state_;
};

// The plain size that a zstd frame names for itself; throws kCorrupt if it names none or more than `limit`.
std::uint64_t ZstdContentSize(ByteView stored, std::uint64_t limit);

}    // namespace ark
