// Frames in, packs in the store out. One a thread; a pack is streamed while it grows (a bounded queue of parts and
// an uploading thread), never held whole. Section 2.
#pragma once

#include <functional>
#include <memory>

#include "base/cancel.h"
#include "codec/compress.h"
#include "repo/frame.h"
#include "repo/keys.h"

namespace ark {

struct PackInfo {
    std::string pack;    // "<backup id>/<64 hex>"
    std::uint64_t size = 0;
    std::string sha256;
};

struct PackSettings {
    Compression compression;
    std::uint64_t target_size = 64 << 20;
    std::size_t part_size = 4 << 20;    // of the queue between compressor and uploader
    std::size_t parts_queued = 2;
};

class PackWriter {
public:
    // `finished` is called (from the calling thread) for each pack that was proven to be in the store.
    PackWriter(std::shared_ptr<Repository> repository, DomainKey key, BackupId backup, PackSettings settings,
               Random &random, std::function<void(PackInfo)> finished);
    ~PackWriter();    // without Finish(): the pack being written is abandoned, its upload aborted

    // While it is set (nullptr: no longer), Append gives up its wait for a slow store when `stop` says so, with kCancelled: nothing of
    // that frame is stored, and the writer can be used again.
    // Returns what was set before.
    Ticker *StopWith(Ticker *stop);

    // Stores `plain` as one frame. `digest` may be given if the caller computed key.Digest(plain) already.
    // A failure of the upload is thrown here or by Finish().
    FrameRef Append(ByteView plain, std::string digest = {});
    // The same for content that its owner knows by digests of its own: the reference gets that of the stored bytes, which are fewer.
    FrameRef AppendDigestStored(ByteView plain);
    void End();       // hands over what is left; several writers that are ended first wait together in Finish()
    void Finish();    // until all of it was proven to be in the store
    std::uint64_t stored_bytes() const;    // so far, over all packs

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
