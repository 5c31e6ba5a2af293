#include "repo/scattered_groups.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace ark {
namespace {

constexpr std::size_t kMostGroups = 16'384;           // about 4 MB; 128 GiB
constexpr std::size_t kMostFramesOfGroup = 65'536;    // when frames are tiny

bool IsWorse(const FrameGroup &a, const FrameGroup &b) {    // more reads a byte
    return static_cast<double>(a.reads) * static_cast<double>(b.stored) >
           static_cast<double>(b.reads) * static_cast<double>(a.stored);
}

}    // namespace

void ScatteredGroups::Add(std::string_view path, std::span<const FrameRef> frames) {
    for (std::size_t i = 0; i < frames.size(); i++) {
        if (!places_.empty() &&
            (group_.stored + frames[i].stored > limits_.stored || places_.size() == kMostFramesOfGroup))
            EndGroup();
        if (places_.empty()) group_.first = {std::string(path), i};
        group_.last.frame = i;
        if (group_.last.path != path) group_.last.path = path;
        group_.stored += frames[i].stored;
        places_.push_back({ShortPackName(frames[i].pack), frames[i].at, frames[i].stored});
    }
}

void ScatteredGroups::EndGroup() {
    FrameGroup ended = std::exchange(group_, {});
    ended.reads = PlanReads(places_, limits_.gap, std::numeric_limits<std::uint64_t>::max()).size();
    places_.clear();
    if (ended.reads <= limits_.reads) return;
    scattered_.push_back(std::move(ended));
    if (scattered_.size() == 2 * kMostGroups) KeepWorst(kMostGroups);
}

void ScatteredGroups::KeepWorst(std::size_t most) {
    std::ranges::stable_sort(scattered_, IsWorse);
    scattered_.resize(std::min(scattered_.size(), most));
}

std::vector<FrameGroup> ScatteredGroups::Choose(std::uint64_t budget) {
    EndGroup();
    KeepWorst(kMostGroups);
    std::vector<FrameGroup> chosen;
    for (FrameGroup &group : std::exchange(scattered_, {})) {
        if (group.stored > budget) continue;
        budget -= group.stored;
        chosen.push_back(std::move(group));
    }
    std::ranges::sort(chosen, {}, &FrameGroup::first);
    return chosen;
}

bool InGroups(const std::vector<FrameGroup> &groups, std::string_view path, std::size_t frame) {
    auto ends_before = [&](const FrameGroup &group) {
        int order = std::string_view(group.last.path).compare(path);
        return order < 0 || (order == 0 && group.last.frame < frame);
    };
    auto group = std::ranges::partition_point(groups, ends_before);
    if (group == groups.end()) return false;
    int order = std::string_view(group->first.path).compare(path);
    return order < 0 || (order == 0 && group->first.frame <= frame);
}

std::uint64_t ShortPackName(std::string_view pack) {
    std::uint64_t name = 0;
    std::string_view digits = pack.substr(pack.rfind('/') + 1, 16);
    std::from_chars(digits.data(), digits.data() + digits.size(), name, 16);
    return name;
}

}    // namespace ark
