// Frames out of the store: fetched by ranged reads (neighbours in one request), decrypted, decompressed, and
// their digests compared before a byte is handed out. Safe for concurrent use.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "repo/frame.h"
#include "repo/keys.h"

namespace ark {

class FrameReader {
public:
    FrameReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys);
    ~FrameReader();

    // Throws kCorrupt naming pack and frame if anything does not fit, kNotFound if the pack is gone.
    Bytes Read(const FrameRef &ref);
    // Visits the frames in the order given. Ranged reads of up to 8 MiB cover runs of neighbours; up to `ahead` such
    // reads are under way in threads. `visit` runs in the calling thread.
    void ReadAll(std::span<const FrameRef> refs, std::size_t ahead,
                 const std::function<void(const FrameRef &, ByteView plain)> &visit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
