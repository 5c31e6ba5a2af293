// Stored bytes of a frame into plain ones, with the facts of its pack. Safe for concurrent use.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/buffer.h"
#include "repo/pack_format.h"

namespace ark {

class FrameDecoder {
public:
    FrameDecoder(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys)
        : repository_(std::move(repository)), keys_(std::move(keys)) {}

    // What the pack's header says; kept for the packs used last. (Threads that meet a pack at the same moment may each read it.)
    struct Facts {
        PackHeader header;
        DomainKey key;
        std::optional<Key> pack_key;
    };
    std::shared_ptr<const Facts> FactsOf(const std::string &pack);

    // Throws kCorrupt naming pack, frame and what did not fit.
    Buffer Decode(const FrameRef &ref, const Facts &facts, ByteView stored) const;

private:
    using Entry = std::pair<std::string, std::shared_ptr<const Facts>>;
    std::shared_ptr<const Facts> ReadFacts(const std::string &pack) const;

    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
    std::mutex mutex_;
    std::list<Entry> recent_;    // the pack used last in front
    std::unordered_map<std::string, std::list<Entry>::iterator> by_pack_;
};

}    // namespace ark
