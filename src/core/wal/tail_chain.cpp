#include "wal/tail_chain.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace ark {

std::vector<layout::TailName> ChainOf(const std::vector<layout::TailName> &names, const SegmentName &segment,
                                      WalSegmentSize size) {
    // From each place on, how far one gets, over how many pieces, and over which first; the last places first.
    struct Row {
        Lsn reach;
        std::size_t pieces;
        const layout::TailName *first;
    };
    const Lsn from = segment.Start(size), to = segment.End(size);
    std::vector<const layout::TailName *> pieces;
    for (const layout::TailName &name : names)
        if (!name.IsMark() && name.timeline == segment.timeline && name.start >= from && name.start < to &&
            name.end > name.start)
            pieces.push_back(&name);
    std::ranges::sort(pieces, std::greater<>(), [](const layout::TailName *name) { return name->start; });
    std::map<Lsn, Row> rows;
    for (const layout::TailName *piece : pieces) {
        auto next = rows.find(piece->end);
        Row row =
            next == rows.end() ? Row{piece->end, 1, piece} : Row{next->second.reach, next->second.pieces + 1, piece};
        auto [at, fresh] = rows.try_emplace(piece->start, row);
        if (!fresh && std::pair(row.reach, at->second.pieces) > std::pair(at->second.reach, row.pieces))
            at->second = row;
    }
    std::vector<layout::TailName> chain;
    for (auto at = rows.find(from); at != rows.end(); at = rows.find(chain.back().end))
        chain.push_back(*at->second.first);
    return chain;
}

std::vector<layout::TailName> WithoutSuperseded(std::vector<layout::TailName> names) {
    std::map<std::pair<TimelineId, std::uint64_t>, Lsn> begins;    // of each timeline and epoch
    for (const layout::TailName &name : names) {
        auto [at, fresh] = begins.try_emplace({name.timeline, name.epoch}, name.start);
        at->second = std::min(at->second, name.start);
    }
    std::erase_if(names, [&](const layout::TailName &name) {
        for (auto later = begins.upper_bound({name.timeline, name.epoch});
             later != begins.end() && later->first.first == name.timeline; ++later)
            if (later->second < name.end) return true;
        return false;
    });
    return names;
}

bool TellsOfEnd(const std::vector<layout::TailName> &names, const SegmentName &segment, WalSegmentSize size,
                std::optional<Lsn> limit) {
    const Lsn end = segment.End(size);
    if (limit && *limit < end) return false;
    return std::ranges::any_of(
        names, [&](const layout::TailName &name) { return name.timeline == segment.timeline && name.end >= end; });
}

std::size_t ToJoin(const std::vector<int> &levels, std::size_t neighbours) {
    if (levels.size() < neighbours) return 0;
    auto from = levels.end() - static_cast<std::ptrdiff_t>(neighbours);
    return std::all_of(from, levels.end(), [&](int level) { return level == *from; }) ? neighbours : 0;
}

}    // namespace ark
