#include "repo/read_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace ark {

std::vector<RangedRead> PlanReads(std::span<const FramePlace> frames, std::uint64_t gap, std::uint64_t most) {
    std::vector<std::size_t> order(frames.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {},
                      [&](std::size_t i) { return std::tuple(frames[i].pack, frames[i].at, frames[i].stored, i); });
    std::vector<RangedRead> reads;
    const FramePlace *before = nullptr;
    for (std::size_t i : order) {
        const FramePlace &frame = frames[i];
        RangedRead *read = before && before->pack == frame.pack ? &reads.back() : nullptr;
        bool again = read && before->at == frame.at && before->stored == frame.stored;
        std::uint64_t end = read ? read->at + read->length : 0;
        bool near = read && frame.at >= end && frame.at - end <= gap && frame.at + frame.stored - read->at <= most;
        if (!again && !near) read = &reads.emplace_back(RangedRead{{}, frame.at, 0});
        read->frames.push_back(i);
        read->length = frame.at + frame.stored - read->at;
        before = &frame;
    }
    std::ranges::sort(reads, {}, [](const RangedRead &read) { return *std::ranges::min_element(read.frames); });
    return reads;
}

}    // namespace ark
