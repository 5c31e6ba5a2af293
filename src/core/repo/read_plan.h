// Which ranged reads bring frames out of their packs. Values in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ark {

constexpr std::uint64_t kReadGap = 64 << 10;      // bytes between neighbours that are read rather than skipped
constexpr std::uint64_t kReadStored = 8 << 20;    // of one ranged read that brings several frames

struct FramePlace {
    std::uint64_t pack = 0;    // any number that tells packs apart
    std::uint64_t at = 0, stored = 0;
};

struct RangedRead {
    std::vector<std::size_t> frames;    // their places in what was planned, in the order in which they lie in the pack
    std::uint64_t at = 0, length = 0;
};

// Neighbours in a pack share a read, in whatever order they are wanted, and so does a frame that is wanted twice.
// The reads come in the order in which their first frame is wanted.
std::vector<RangedRead> PlanReads(std::span<const FramePlace> frames, std::uint64_t gap = kReadGap,
                                  std::uint64_t most = kReadStored);

}    // namespace ark
