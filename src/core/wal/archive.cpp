#include "wal/archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "wal/segment_object.h"
#include "wal/segment_place.h"
#include "wal/tail_chain.h"
#include "wal/tail_object.h"

namespace ark {
namespace {

TimelineHistory ReadHistory(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    std::string text;
    if (!ReadSegment(repository, keys, WalFileName::OfHistory(timeline),
                     [&](ByteView bytes) { text += AsText(bytes); }))
        throw Error(Code::kConflict, fmt::format("the history of timeline {} is gone", timeline.value));
    return TimelineHistory::Parse(timeline, text);
}

}    // namespace

TimelineHistory WalArchive::HistoryOf(TimelineId timeline) const {
    auto found = timelines.find(timeline);
    if (found == timelines.end() || !found->second.history) return TimelineHistory(timeline);
    return *found->second.history;
}

TimelineId WalArchive::LatestFrom(TimelineId timeline) const {
    for (;;) {
        auto next = timelines.find({timeline.value + 1});
        if (next == timelines.end() || !next->second.history) return timeline;
        timeline = next->first;
    }
}

std::vector<layout::TailName> WalArchive::UsefulTail() const {
    std::vector<layout::TailName> names;
    for (const TailFile &file : tail) names.push_back(file.name);
    return WithoutSuperseded(std::move(names));
}

std::optional<Lsn> WalArchive::LeftByYoungest(TimelineId timeline) const {
    std::optional<Lsn> left;
    for (const auto &[id, one] : timelines)
        if (std::optional<Lsn> at = one.history ? one.history->Left(timeline) : std::nullopt) left = at;
    return left;
}

bool WalArchive::WentOnTo(TimelineId timeline, Lsn end) const {
    return std::ranges::any_of(timelines, [&](const auto &one) {
        std::optional<Lsn> left = one.second.history ? one.second.history->Left(timeline) : std::nullopt;
        return left && *left >= end;
    });
}

const ArchivedFile *WalArchive::Find(const SegmentName &segment) const {
    auto timeline = timelines.find(segment.timeline);
    if (timeline == timelines.end()) return nullptr;
    const std::vector<ArchivedFile> &segments = timeline->second.segments;
    auto at =
        std::ranges::lower_bound(segments, segment, {}, [](const ArchivedFile &file) { return file.name.segment; });
    return at == segments.end() || at->name.segment != segment ? nullptr : &*at;
}

const ArchivedFile *WalArchive::FindPartial(const SegmentName &segment) const {
    auto timeline = timelines.find(segment.timeline);
    if (timeline == timelines.end()) return nullptr;
    for (const ArchivedFile &file : timeline->second.others)
        if (file.name == WalFileName::OfPartial(segment)) return &file;
    return nullptr;
}

bool WalArchive::HasPartials() const {
    return std::ranges::any_of(timelines, [](const auto &one) {
        return std::ranges::any_of(
            one.second.others, [](const ArchivedFile &file) { return file.name.kind == WalFileName::Kind::kPartial; });
    });
}

std::optional<Lsn> WalArchive::PartialEnd(const SegmentName &segment, WalSegmentSize size) const {
    if (!FindPartial(segment)) return std::nullopt;
    std::vector<TimelineHistory> histories;
    for (const auto &[id, one] : timelines)
        if (one.history) histories.push_back(*one.history);
    return EndOfPartial(segment, size, histories);
}

WalArchive ReadWalArchive(const Repository &repository, KeyRing &keys, Ticker &ticker) {
    WalArchive archive;
    VisitTail(repository, [&](const layout::TailName &name, const ObjectInfo &info) {
        ticker.Check();
        archive.tail.push_back({name, info.size, info.modified});
    });
    std::vector<TimelineId> histories;
    repository.List("wal/", [&](const ObjectInfo &info) {
        ticker.Check();
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a WAL file", info.name));
        WalFileName name = ParseWalFileName(place->id);
        ArchivedTimeline &timeline = archive.timelines[name.timeline];
        switch (name.kind) {
        case WalFileName::Kind::kSegment: timeline.segments.push_back({name, info.size, info.modified}); break;
        case WalFileName::Kind::kHistory: histories.push_back(name.timeline); break;
        default: timeline.others.push_back({name, info.size, info.modified});
        }
        return true;
    });
    for (TimelineId timeline : histories) archive.timelines[timeline].history = ReadHistory(repository, keys, timeline);
    return archive;
}

}    // namespace ark
