// Where an export's frames go: to the frames of the base that hold the same, else into a pack.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "logical/base_backup.h"

namespace ark {

// Over all threads of an export.
struct StoreCounters {
    std::atomic<std::uint64_t> plain_bytes{0};
    std::atomic<std::uint64_t> reused_bytes{0};    // plain
};

// Frames that may be reused for one entry, by digest.
class Candidates {
public:
    Candidates() = default;
    explicit Candidates(std::vector<FrameRef> frames);
    const FrameRef *Find(std::uint64_t size, const std::string &digest) const;
    void Add(const FrameRef &frame) { frames_.emplace(frame.digest, frame); }

private:
    std::unordered_multimap<std::string, FrameRef> frames_;
};

// Frames stored by an attempt that was given up, for the next one: by path, as long as they are not many.
class EarlierFrames {
public:
    void Keep(const std::string &path, const std::vector<FrameRef> &frames);
    void Add(const std::string &path, std::vector<FrameRef> &candidates) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<FrameRef>, std::less<>> frames_;
    std::size_t count_ = 0;
};

// One a thread.
class FrameStore {
public:
    FrameStore(BackupSession &session, const PackSettings &settings, const Compaction &compaction,
               StoreCounters &counters)
        : session_(session), packs_(session.NewPackWriter(settings)), compaction_(compaction), counters_(counters) {}

    FrameRef Put(ByteView plain, std::uint64_t rows, const Candidates &candidates);
    PackWriter &packs() { return *packs_; }

private:
    BackupSession &session_;
    std::unique_ptr<PackWriter> packs_;
    const Compaction &compaction_;
    StoreCounters &counters_;
};

}    // namespace ark
