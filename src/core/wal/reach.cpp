#include "wal/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pgdata/wal_records.h"
#include "wal/fetch.h"
#include "wal/tail_chain.h"
#include "wal/tail_object.h"

namespace ark {
namespace {

constexpr int kTimesLookedFor = 64;

// The segments of a path of timelines, one after the other from `first` on, each as whole or in pieces.
class Path {
public:
    Path(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size)
        : repository_(repository), keys_(keys), history_(history), size_(size), tail_(ListTail(repository)) {}

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
            std::optional<Place> place = PlaceOf(number);
            if (!place) return numbers;
            std::optional<Lsn> reached = place->name.End(size_);
            if (!place->whole) reached = ReadPieces(repository_, keys_, place->name, size_, {[] {}, [](ByteView) {}});
            if (!reached) return numbers;
            numbers.push_back(number);
            end = std::min(*reached, place->left);
            if (end.value != (number + 1) * size_.bytes()) return numbers;
        }
    }

    void Feed(std::uint64_t number, WalRecords &records) {
        std::optional<Place> place = PlaceOf(number);
        if (!place) return;
        Lsn at{number * size_.bytes()};
        const Lsn start = at;
        auto take = [&](ByteView bytes) {
            std::uint64_t room = place->left.value - std::min(at, place->left).value;
            records.Take(at, bytes.first(std::min<std::uint64_t>(bytes.size(), room)));
            at.value += bytes.size();
        };
        if (place->whole) {
            ReadSegment(repository_, keys_, WalFileName::OfSegment(place->name), take);
            return;
        }
        const WalRecords before = records;
        ReadPieces(repository_, keys_, place->name, size_,
                   {[&] {
                        records = before;
                        at = start;
                    },
                    take});
    }

private:
    // As a server looks for it: of the youngest timeline that may have it.
    template <class Look>
    void Timelines(std::uint64_t number, Look look) {
        for (TimelineId timeline : history_.Chain()) {
            std::optional<Lsn> begin = BeginOf(timeline);
            if (begin && number < begin->value / size_.bytes()) continue;
            if (std::optional<Lsn> left = history_.Left(timeline); left && number > left->value / size_.bytes()) return;
            if (look(SegmentName::OfNumber(timeline, number, size_))) return;
        }
    }
    std::optional<Lsn> BeginOf(TimelineId timeline) const {
        std::optional<Lsn> begin;
        for (const TimelineSwitch &one : history_.switches()) {
            if (one.parent == timeline) break;
            begin = one.at;
        }
        return begin;
    }
    // Where a server finds a segment: of the youngest timeline that has it, whole or in pieces; what lies behind the point where that one was
    // left is not its past.
    struct Place {
        SegmentName name;
        bool whole = false;
        Lsn left;
    };
    std::optional<Place> PlaceOf(std::uint64_t number) {
        std::optional<Place> place;
        Timelines(number, [&](const SegmentName &name) {
            bool whole = whole_.contains(name);
            if (whole || !ChainOf(tail_, name, size_).empty())
                place = Place{name, whole,
                              std::min(name.End(size_), history_.Left(name.timeline).value_or(name.End(size_)))};
            return place.has_value();
        });
        return place;
    }

    const Repository &repository_;
    KeyRing &keys_;
    const TimelineHistory &history_;
    WalSegmentSize size_;
    std::set<SegmentName> whole_;
    std::vector<layout::TailName> tail_;
};

}    // namespace

std::optional<TimePoint> KnownUntil(const Repository &repository, KeyRing &keys, const TimelineHistory &history,
                                    Lsn end) {
    std::vector<layout::TailName> names = ListTail(repository);
    std::erase_if(names, [&](const layout::TailName &name) {
        return name.end > end ||
               (name.timeline != history.At(name.end) && name.timeline != history.At({name.end.value - 1}));
    });
    std::ranges::sort(names, std::greater<>(),
                      [](const layout::TailName &name) { return std::tuple(name.end, name.epoch, name.mark); });
    int looks = 0;
    for (const layout::TailName &name : names) {
        if (looks++ == kTimesLookedFor) break;
        try {
            if (std::optional<TailInfo> info = StatTail(repository, keys, name); info && info->at) return info->at;
        } catch (const Error &error) {    // an older one tells less, and nothing wrong
            if (error.code != Code::kCorrupt) throw;
        }
    }
    return std::nullopt;
}

TimelineHistory StoredHistory(const Repository &repository, KeyRing &keys, TimelineId timeline) {
    std::string text;
    if (!ReadSegment(repository, keys, WalFileName::OfHistory(timeline),
                     [&](ByteView bytes) { text += AsText(bytes); }))
        return TimelineHistory(timeline);
    return TimelineHistory::Parse(timeline, text);
}

TimelineId NewestTimeline(const Repository &repository, TimelineId timeline) {
    while (repository.Stat(layout::Wal(WalFileName::OfHistory({timeline.value + 1})))) timeline.value++;
    return timeline;
}

std::optional<TimePoint> WalReach::Until() const {
    if (!known_until || !last_outcome) return known_until ? known_until : last_outcome;
    return std::max(*known_until, *last_outcome);
}

WalReach FindWalReach(const Repository &repository, KeyRing &keys, const TimelineHistory &history, WalSegmentSize size,
                      Lsn from, Ticker &ticker) {
    Path path(repository, keys, history, size);
    WalReach reach;
    std::vector<std::uint64_t> numbers = path.Numbers(from, reach.end, ticker);
    // Two at a time: a record may begin in the one and end in the other.
    for (std::size_t last = numbers.size(); last > 0 && !reach.last_outcome; last--) {
        ticker.Check();
        WalRecords records(size);
        for (std::size_t i = last - std::min<std::size_t>(last, 2); i < last; i++) path.Feed(numbers[i], records);
        if (!reach.last_record) reach.last_record = records.last_begin();
        reach.last_outcome = records.last_outcome();
    }
    reach.known_until = KnownUntil(repository, keys, history, reach.end);
    return reach;
}

std::optional<Lsn> PositionOf(TimePoint moment, bool inclusive, const WalReach &reach, TimePoint window_begin) {
    if (reach.last_outcome && (inclusive ? *reach.last_outcome > moment : *reach.last_outcome >= moment))
        return std::nullopt;
    std::optional<TimePoint> until = reach.Until();
    if (until && moment <= *until && reach.last_record) return reach.last_record;
    throw Error(Code::kNotFound,
                fmt::format("{} lies behind what the store knows of this cluster", FormatTime(moment, true)),
                fmt::format("The window is from {} to {}; its last commit was at {}.", FormatTime(window_begin),
                            until ? FormatTime(*until, true) : "its backup's end",
                            reach.last_outcome ? FormatTime(*reach.last_outcome, true) : "no time in it"),
                "Give a moment of the window, or no target at all to go to the end. On a quiet server the window "
                "grows while ark.wal_ship_interval is above 0.");
}

}    // namespace ark
