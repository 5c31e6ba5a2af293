#include "wal/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pgdata/wal_records.h"
#include "wal/fetch.h"
#include "wal/segment_place.h"
#include "wal/stored_history.h"
#include "wal/tail_chain.h"
#include "wal/tail_object.h"

namespace ark {
namespace {

constexpr int kTimesLookedFor = 64;

// The segments along a history, one after the other, each as whole or in pieces, up to a position.
class Path {
public:
    Path(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size, Lsn until)
        : repository_(repository),
          keys_(keys),
          history_(history),
          size_(size),
          until_(until),
          younger_(YoungerHistories(repository, keys, history.Chain().back())),
          tail_(WithoutSuperseded(ListTail(repository))) {}

    // The numbers of segments, and where the last of them ends.
    std::vector<std::uint64_t> Numbers(Lsn from, Lsn &end, Ticker &ticker) {
        for (TimelineId timeline : history_.Chain())
            ListSegments(repository_, timeline, [&](const SegmentName &name, const ObjectInfo &) {
                ticker.Check();
                if (name.Number(size_) >= from.value / size_.bytes()) whole_.insert(name);
                return true;
            });
        std::vector<std::uint64_t> numbers;
        std::uint64_t number = from.value / size_.bytes();
        for (;; number++) {
            ticker.Check();
            end = Lsn{number * size_.bytes()};
            std::optional<SegmentPlace> place = end < until_ ? PlaceOf(number) : std::nullopt;
            if (!place) return numbers;
            std::optional<Lsn> reached = place->end;
            if (place->InPieces())
                reached = ReadPieces(repository_, keys_, place->from, size_, place->end, {[] {}, [](ByteView) {}});
            if (!reached) return numbers;
            numbers.push_back(number);
            end = std::min(*reached, until_);
            if (end.value != (number + 1) * size_.bytes()) return numbers;
        }
    }

    void Feed(std::uint64_t number, WalRecords &records) {
        std::optional<SegmentPlace> place = PlaceOf(number);
        if (!place) return;
        const Lsn start{number * size_.bytes()}, end = std::min(place->end, until_);
        Lsn at = start;
        auto take = [&](ByteView bytes) {
            std::uint64_t room = end.value - std::min(at, end).value;
            records.Take(at, bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), room))));
            at.value += bytes.size();
        };
        if (!place->InPieces()) {
            ReadSegment(repository_, keys_, place->Object(), take);
            return;
        }
        const WalRecords before = records;
        ReadPieces(repository_, keys_, place->from, size_, end,
                   {[&] {
                        records = before;
                        at = start;
                    },
                    take});
    }

private:
    std::optional<SegmentPlace> PlaceOf(std::uint64_t number) const {
        return FindSegment(
            history_, number, size_,
            {[&](const SegmentName &name) { return whole_.contains(name); }, tail_,
             [&](TimelineId timeline) { return LeftByYoungest(younger_, timeline); },
             [&](const SegmentName &name) { return StoredPartialEnd(repository_, keys_, name, size_); }});
    }

    const Repository &repository_;
    KeyRing &keys_;
    const TimelineHistory &history_;
    WalSegmentSize size_;
    Lsn until_;
    std::vector<TimelineHistory> younger_;
    std::vector<layout::TailName> tail_;
    std::set<SegmentName> whole_;
};

}    // namespace

std::optional<KnownTime> FindKnownTime(const Repository &repository, KeyRing &keys, const TimelineHistory &history,
                                       Lsn end) {
    std::vector<layout::TailName> names = WithoutSuperseded(ListTail(repository));
    std::uint64_t owner = 0;    // of the history's own timeline: what an earlier one knew is not what the later one did
    for (const layout::TailName &name : names)
        if (name.timeline == history.timeline()) owner = std::max(owner, name.epoch);
    std::erase_if(names, [&](const layout::TailName &name) {
        if (name.end > end) return true;
        if (name.timeline == history.timeline()) return name.epoch != owner;
        // Whoever had not written behind the point where it was left may have waited there long after.
        return history.At(name.end) != name.timeline;
    });
    std::ranges::sort(names, std::greater<>(),
                      [](const layout::TailName &name) { return std::tuple(name.end, name.epoch, name.mark); });
    int looks = 0;
    for (const layout::TailName &name : names) {
        if (looks++ == kTimesLookedFor) break;
        try {
            if (std::optional<TailInfo> info = StatTail(repository, keys, name); info && info->at)
                return KnownTime{*info->at, name.end};
        } catch (const Error &error) {    // an older one tells less, and nothing wrong
            if (error.code != Code::kCorrupt) throw;
        }
    }
    return std::nullopt;
}

std::optional<TimePoint> WalReach::Until() const {
    if (!known || !last_outcome) return known ? std::optional(known->until) : last_outcome;
    return std::max(known->until, *last_outcome);
}

bool WalReach::Knows(TimePoint moment) const { return known && moment <= known->until; }

bool WalReach::IsQuietSinceKnown() const { return known && (!last_outcome_begin || *last_outcome_begin < known->end); }

WalReach FindWalReach(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size,
                      const ReachQuestion &question, Ticker &ticker) {
    Path path(repository, keys, history, size, question.until);
    WalReach reach;
    std::vector<std::uint64_t> numbers = path.Numbers(question.from, reach.end, ticker);
    if (question.times) reach.known = FindKnownTime(repository, keys, history, reach.end);
    auto answered = [&](std::size_t looked) {
        if (!question.times) return reach.last_record.has_value();
        if (!reach.last_outcome) return false;
        return !question.moment || *question.moment <= *reach.last_outcome ||
               (reach.Knows(*question.moment) && reach.IsQuietSinceKnown()) || looked >= question.segments;
    };
    // Two at a time: a record may begin in the one and end in the other.
    for (std::size_t last = numbers.size(); last > 0 && !answered(numbers.size() - last); last--) {
        ticker.Check();
        WalRecords records(size);
        for (std::size_t i = last - std::min<std::size_t>(last, 2); i < last; i++) path.Feed(numbers[i], records);
        if (!reach.last_record) reach.last_record = records.last_begin();
        if (!reach.last_outcome_begin) reach.last_outcome_begin = records.last_outcome_begin();
        if (std::optional<TimePoint> outcome = records.last_outcome())
            reach.last_outcome = std::max(reach.last_outcome.value_or(*outcome), *outcome);
    }
    return reach;
}

std::optional<TargetPosition> PositionOf(Lsn position, const WalReach &reach) {
    if (!reach.last_record || position <= *reach.last_record) return std::nullopt;
    return TargetPosition{*reach.last_record};
}

std::optional<TargetPosition> PositionOf(TimePoint moment, bool inclusive, const WalReach &reach,
                                         TimePoint window_begin) {
    if (reach.last_outcome && (inclusive ? *reach.last_outcome > moment : *reach.last_outcome >= moment))
        return std::nullopt;
    if (reach.last_outcome != moment && reach.Knows(moment) && !reach.IsQuietSinceKnown())
        return TargetPosition{reach.known->end, false};
    std::optional<TimePoint> until = reach.Until();
    if (until && moment <= *until && reach.last_record) return TargetPosition{*reach.last_record};
    throw Error(Code::kNotFound,
                fmt::format("{} lies behind what the store knows of this cluster", FormatTime(moment, true)),
                fmt::format("The window is from {} to {}; its last commit was at {}.", FormatTime(window_begin),
                            until ? FormatTime(*until, true) : "its backup's end",
                            reach.last_outcome ? FormatTime(*reach.last_outcome, true) : "no time in it"),
                "Give a moment of the window, or no target at all to go to the end. On a quiet server the window "
                "grows while ark.wal_ship_interval is above 0.");
}

}    // namespace ark
