#include "wal/stored_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "wal/segment_place.h"

namespace ark {
namespace {

std::optional<TimelineHistory> ReadHistory(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    std::string text;
    if (!ReadSegment(repository, keys, WalFileName::OfHistory(timeline),
                     [&](ByteView bytes) { text += AsText(bytes); }))
        return std::nullopt;
    return TimelineHistory::Parse(timeline, text);
}

}    // namespace

TimelineHistory StoredHistory(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    return ReadHistory(repository, keys, timeline).value_or(TimelineHistory(timeline));
}

std::vector<TimelineHistory> YoungerHistories(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    std::vector<TimelineHistory> histories;
    for (const std::string &folder : repository.storage().Folders(repository.FullName("wal/"))) {
        TimelineId younger = ParseTimelineId(folder);
        if (younger <= timeline) continue;
        if (std::optional<TimelineHistory> history = ReadHistory(repository, keys, younger))
            histories.push_back(std::move(*history));
    }
    return histories;
}

void CheckOwnTimeline(const Repository &repository, KeyRing &keys, const TimelineHistory &own) {
    std::optional<TimelineHistory> stored = ReadHistory(repository, keys, own.timeline());
    auto point = [](const TimelineSwitch &one) { return std::pair(one.parent, one.at); };
    if (!stored || std::ranges::equal(stored->switches(), own.switches(), {}, point, point)) return;
    auto begin = [](const TimelineHistory &history) {
        return history.switches().empty()
                   ? std::string("has no parent")
                   : fmt::format("left timeline {} at {}", history.switches().back().parent.value,
                                 history.switches().back().at.Text());
    };
    throw Error(Code::kConflict,
                fmt::format("the store has another timeline {} than this server", own.timeline().value),
                fmt::format("The one in the store {}, this server's {}.", begin(*stored), begin(own)),
                "Two servers were promoted to the same number. Let this one recover once more with restore_command = "
                "'pg_ark wal-fetch …', so that it sees which are taken, and promote it then.");
}

TimelineId NewestTimeline(const Repository &repository, TimelineId timeline) {
    while (repository.Stat(layout::Wal(WalFileName::OfHistory({timeline.value + 1})))) timeline.value++;
    return timeline;
}

std::optional<Lsn> LeftByYoungest(const std::vector<TimelineHistory> &younger, TimelineId timeline) {
    std::optional<Lsn> left;
    TimelineId newest{};
    for (const TimelineHistory &history : younger)
        if (std::optional<Lsn> at = history.Left(timeline); at && history.timeline() > newest) {
            newest = history.timeline();
            left = at;
        }
    return left;
}

std::optional<Lsn> StoredPartialEnd(const Repository &repository, KeyRing &keys, const SegmentName &segment,
                                    WalSegmentSize size) {
    if (!repository.Stat(layout::Wal(WalFileName::OfPartial(segment)))) return std::nullopt;
    return EndOfPartial(segment, size, YoungerHistories(repository, keys, segment.timeline));
}

}    // namespace ark
