// What a backup stores afresh although it could reuse it, so that old packs can go and neighbours lie together again.
// Nothing else compacts. docs/repository-format.md, "Compaction".
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/cancel.h"
#include "repo/manifest.h"
#include "repo/scattered_groups.h"
#include "repo/tree.h"

namespace ark {

struct CompactionLimits {
    double rewrite_share = 0.10;    // of the bytes of the base's packs: the budget
    ScatteredGroups::Limits scattered{};
};
// For a backup that `jobs` connections store side by side: so many packs a group comes to lie in anyway.
CompactionLimits CompactionFor(double rewrite_share, int jobs);

// Decides about the frames of a base, which it reads once. Two things are stored afresh within one budget, of which each has
// half if it needs it: what lies in packs of which the base needs less than half, and scattered groups (the worst first).
// Memory: 32 bytes a pack, and the chosen groups.
class Compaction {
public:
    // How many of each frame's stored bytes an entry of the base needs. Asked in the order of the tree.
    using UsedBytes = std::function<std::vector<std::uint64_t>(const Json &entry, const std::vector<FrameRef> &frames)>;

    Compaction() = default;    // of nothing
    // Of a base whose tree is damaged nothing is known. Without `used` entries need all of their frames.
    Compaction(const Repository &repository, std::shared_ptr<FrameReader> frames, const Manifest &base,
               const CompactionLimits &limits, Ticker &ticker, const UsedBytes &used = nullptr);

    // True if the frame lies in a sparse pack, and what is used of it shall be stored afresh; takes that out of the budget.
    // Thread-safe.
    bool LeavesPack(const FrameRef &ref, std::uint64_t used) const;
    bool LeavesPack(const FrameRef &ref) const { return LeavesPack(ref, ref.stored); }
    // True if that frame of the base's entry belongs to a scattered group. Thread-safe.
    bool IsScattered(std::string_view path, std::size_t frame, std::uint64_t used) const;
    // Takes away those of the base's entry at `path`. Thread-safe.
    void DropScattered(std::string_view path, std::vector<FrameRef> &frames) const;
    // Stored bytes that were answered to be stored afresh, so far.
    std::uint64_t tidied() const { return tidied_; }

private:
    void Count(const Repository &repository, const std::shared_ptr<FrameReader> &frames, const Manifest &base,
               ScatteredGroups &groups, Ticker &ticker, const UsedBytes &used);

    std::unordered_map<std::uint64_t, std::uint64_t> sparse_;    // short names of packs -> bytes in use
    std::vector<FrameGroup> scattered_;
    mutable std::atomic<std::int64_t> budget_{0};
    mutable std::atomic<std::uint64_t> tidied_{0};
};

}    // namespace ark
