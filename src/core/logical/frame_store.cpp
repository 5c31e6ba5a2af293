#include "logical/frame_store.h"

namespace ark {
namespace {

constexpr std::size_t kEarlierFramesKept = 50'000;    // about 15 MB, 50 GB of rows

}    // namespace

Candidates::Candidates(std::vector<FrameRef> frames) {
    for (FrameRef &frame : frames) {
        std::string digest = frame.digest;
        frames_.emplace(std::move(digest), std::move(frame));
    }
}

const FrameRef *Candidates::Find(std::uint64_t size, const std::string &digest) const {
    for (auto [at, end] = frames_.equal_range(digest); at != end; ++at)
        if (at->second.size == size) return &at->second;
    return nullptr;
}

void EarlierFrames::Keep(const std::string &path, const std::vector<FrameRef> &frames) {
    std::lock_guard lock(mutex_);
    if (count_ + frames.size() > kEarlierFramesKept) return;
    count_ += frames.size();
    auto &kept = frames_[path];
    kept.insert(kept.end(), frames.begin(), frames.end());
}

void EarlierFrames::Add(const std::string &path, std::vector<FrameRef> &candidates) const {
    std::lock_guard lock(mutex_);
    if (auto at = frames_.find(path); at != frames_.end())
        candidates.insert(candidates.end(), at->second.begin(), at->second.end());
}

FrameRef FrameStore::Put(ByteView plain, std::uint64_t rows, const Candidates &candidates) {
    std::string digest = session_.key().Digest(plain);
    counters_.plain_bytes += plain.size();
    FrameRef stored;
    const FrameRef *known = candidates.Find(plain.size(), digest);
    if (known && !compaction_.LeavesPack(*known) && session_.Reference(*known)) {
        stored = *known;
        counters_.reused_bytes += plain.size();
    } else {
        stored = packs_->Append(plain, std::move(digest));
    }
    stored.rows = rows;
    return stored;
}

}    // namespace ark
