// References to frames, as they stand in a manifest tree. Section 2.
#pragma once

#include <string>
#include <vector>

#include "repo/header.h"

namespace ark {

constexpr std::uint64_t kLargestFrame = std::uint64_t{1} << 31;     // stored or plain bytes
constexpr std::uint64_t kMostFrames = 65536;                        // of a pack
constexpr std::uint64_t kLargestOffset = std::uint64_t{1} << 40;    // in a pack

struct FrameRef {
    std::string pack;    // "<backup id>/<64 hex>"
    std::uint64_t frame = 0;
    std::uint64_t at = 0;
    std::uint64_t stored = 0;
    std::uint64_t size = 0;
    std::string digest;        // 64 hex
    bool of_stored = false;    // what `digest` is of: the stored bytes, or the plain ones
    std::uint64_t rows = 0;    // table data only; 0 is not written
};

Json ToJson(const FrameRef &ref);
FrameRef FrameRefFromJson(const Json &json);    // throws kCorrupt
std::vector<FrameRef> FramesOf(
    const Json &entry);    // of an entry of the tree; none where it has no `frames`. Throws kCorrupt

}    // namespace ark
