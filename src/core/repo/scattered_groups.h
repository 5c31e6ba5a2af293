// Which neighbours of a backup lie so scattered over packs that reading them costs too many requests. No input, no output.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repo/frame.h"
#include "repo/read_plan.h"

namespace ark {

// Frames of consecutive entries: from one frame of an entry up to and with one of the same or a later entry.
struct FrameGroup {
    struct Edge {
        std::string path;
        std::size_t frame = 0;    // of that entry, from 0
        auto operator<=>(const Edge &) const = default;
    };
    Edge first, last;
    std::uint64_t stored = 0;
    std::size_t reads = 0;    // ranged reads that bring all of it
};

class ScatteredGroups {
public:
    struct Limits {
        std::uint64_t stored = 8 << 20;    // bytes of a group
        std::size_t reads = 8;             // more of them, and the group is scattered
        std::uint64_t gap = kReadGap;
    };
    explicit ScatteredGroups(const Limits &limits) : limits_(limits) {}

    // Entries in ascending order of their paths. Memory: one group's frames in short, and the 16,384 worst groups.
    void Add(std::string_view path, std::span<const FrameRef> frames);
    // After the last entry: the worst groups that `budget` stored bytes have room for, ascending.
    std::vector<FrameGroup> Choose(std::uint64_t budget);

private:
    void EndGroup();
    void KeepWorst(std::size_t most);

    Limits limits_;
    FrameGroup group_;    // that grows
    std::vector<FramePlace> places_;
    std::vector<FrameGroup> scattered_;
};

// Is frame number `frame` of the entry at `path` in one of them? They ascend.
bool InGroups(const std::vector<FrameGroup> &groups, std::string_view path, std::size_t frame);

// Packs are named by 64 random digits; their first 16 tell them apart well enough for a decision about thrift.
std::uint64_t ShortPackName(std::string_view pack);

}    // namespace ark
