#include "repo/compaction.h"

#include <algorithm>

#include "repo/pack_list.h"
#include "repo/tree_walk.h"

namespace ark {

CompactionLimits CompactionFor(double rewrite_share, int jobs) {
    CompactionLimits limits;
    limits.rewrite_share = rewrite_share;
    limits.scattered.reads = std::max(limits.scattered.reads, static_cast<std::size_t>(jobs) * 2);
    return limits;
}

Compaction::Compaction(const Repository &repository, std::shared_ptr<FrameReader> frames, const Manifest &base,
                       const CompactionLimits &limits, Ticker &ticker, const UsedBytes &used) {
    auto budget = static_cast<std::int64_t>(limits.rewrite_share * static_cast<double>(base.clear.stored_bytes));
    if (budget <= 0) return;
    std::int64_t half = budget / 2;
    ScatteredGroups::Limits scattered = limits.scattered;
    scattered.stored = std::min(scattered.stored, static_cast<std::uint64_t>(half));    // one group has room always
    ScatteredGroups groups(scattered);
    try {
        Count(repository, frames, base, groups, ticker, used);
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt && error.code != Code::kNotFound) throw;
        sparse_.clear();
        return;
    }
    std::int64_t sparse = 0;
    for (const auto &[pack, bytes] : sparse_) sparse += static_cast<std::int64_t>(bytes);
    scattered_ = groups.Choose(static_cast<std::uint64_t>(budget - std::min(sparse, half)));
    for (const FrameGroup &group : scattered_) budget -= static_cast<std::int64_t>(group.stored);
    budget_ = budget;
}

void Compaction::Count(const Repository &repository, const std::shared_ptr<FrameReader> &frames, const Manifest &base,
                       ScatteredGroups &groups, Ticker &ticker, const UsedBytes &used) {
    TreeRoot root = TreeRootFromJson(base.body.at("tree"));
    auto count = [&](const FrameRef &ref) { sparse_[ShortPackName(ref.pack)] += ref.stored; };
    for (const FrameRef &ref : root.frames) count(ref);
    for (int level = root.level; level > 0; level--)
        for (TreeWalk walk(frames, root, level); const Json *line = walk.Current(); walk.Next()) count(NodeOf(*line));
    for (TreeCursor cursor(frames, root); const Json *entry = cursor.Current(); cursor.Next()) {
        ticker.Check();
        std::vector<FrameRef> refs = FramesOf(*entry);
        std::vector<std::uint64_t> bytes = used ? used(*entry, refs) : std::vector<std::uint64_t>();
        for (std::size_t i = 0; i < refs.size(); i++)
            sparse_[ShortPackName(refs[i].pack)] += used ? bytes[i] : refs[i].stored;
        groups.Add(cursor.Path(), refs);
    }
    ReadPackList(repository, base.clear, [&](const PackInfo &pack) {
        if (auto at = sparse_.find(ShortPackName(pack.pack)); at != sparse_.end() && at->second * 2 >= pack.size)
            sparse_.erase(at);
    });
}

bool Compaction::LeavesPack(const FrameRef &ref, std::uint64_t used) const {
    if (sparse_.empty() || !sparse_.contains(ShortPackName(ref.pack))) return false;
    auto size = static_cast<std::int64_t>(used);
    if (budget_.fetch_sub(size) >= size) {
        tidied_ += used;
        return true;
    }
    budget_.fetch_add(size);
    return false;
}

void Compaction::DropScattered(std::string_view path, std::vector<FrameRef> &frames) const {
    if (scattered_.empty()) return;
    std::size_t frame = 0;
    std::erase_if(frames, [&](const FrameRef &ref) { return IsScattered(path, frame++, ref.stored); });
}

bool Compaction::IsScattered(std::string_view path, std::size_t frame, std::uint64_t used) const {
    if (!InGroups(scattered_, path, frame)) return false;
    tidied_ += used;
    return true;
}

}    // namespace ark
