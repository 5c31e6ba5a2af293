// Frames out of the store: fetched by ranged reads, decrypted, decompressed, and their digests compared before a byte is
// handed out. Safe for concurrent use.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <variant>

#include "base/buffer.h"
#include "base/error.h"
#include "repo/frame.h"
#include "repo/keys.h"

namespace ark {

using FrameOutcome = std::variant<Buffer, Error>;    // the frame's bytes, or what kept them from being read

bool WithinLimits(const FrameRef &ref);    // of the format; others are refused before anything is read

class FrameReader {
public:
    FrameReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys);
    ~FrameReader();

    // Throws kCorrupt naming pack and frame if anything does not fit, kNotFound if the pack is gone.
    Buffer Read(const FrameRef &ref);
    // One ranged read of `length` bytes at `at` of a pack, and what became of each of the frames in it.
    std::vector<FrameOutcome> ReadRange(std::span<const FrameRef> refs, std::uint64_t at, std::uint64_t length);
    // Visits the frames in the order given, all before the first that cannot be read. Requests as FrameStream makes them.
    // `visit` runs in the calling thread.
    void ReadAll(std::span<const FrameRef> refs, std::size_t ahead,
                 const std::function<void(const FrameRef &, ByteView plain)> &visit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
