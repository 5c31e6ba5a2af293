#include "wal/archive.h"

#include <fmt/format.h>

#include "wal/segment_object.h"

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

WalArchive ReadWalArchive(const Repository &repository, KeyRing &keys, Ticker &ticker) {
    WalArchive archive;
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
