#include "wal/expiry.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace ark {
namespace {

// Between a begin and a segment the store's own clocks may differ a little.
constexpr Duration kClockSlack = std::chrono::minutes(1);

Lsn SegmentStart(Lsn lsn, WalSegmentSize size) { return {lsn.value / size.bytes() * size.bytes()}; }

// The bytes that a file may hold, whichever of the sizes is the right one.
struct Extent {
    Lsn from, to;
};

std::string Days(Duration time) {
    return time % std::chrono::days(1) == Duration::zero() ? fmt::format("{} days", time / std::chrono::days(1))
                                                           : HumanDuration(time);
}

class Judge {
public:
    Judge(const WalArchive &archive, const WalNeeds &needs) : archive_(archive), needs_(needs) {
        for (const BaseBackup &backup : needs.kept) sizes_.insert(backup.segment_size);
        for (const auto &[id, timeline] : archive.timelines) histories_.emplace(id, archive.HistoryOf(id));
        for (const BaseBackup &backup : needs.kept) {
            histories_.try_emplace(backup.timeline, archive.HistoryOf(backup.timeline));
            histories_.try_emplace(backup.stop_timeline, archive.HistoryOf(backup.stop_timeline));
        }
        for (const auto &[id, history] : histories_)
            if (std::optional<Line> line = LineOf(history)) lines_.push_back(std::move(*line));
    }

    std::optional<Extent> ExtentOf(const SegmentName &name) const {
        std::optional<Extent> extent;
        for (WalSegmentSize size : sizes_) {
            if (name.part >= size.PerLog()) continue;
            Lsn from = name.Start(size), to = name.End(size);
            extent = extent ? Extent{std::min(extent->from, from), std::max(extent->to, to)} : Extent{from, to};
        }
        return extent;
    }

    std::pair<bool, std::string> operator()(const ArchivedFile &file) const {
        if (needs_.kept.empty()) return {true, "without a base backup nothing is deleted"};
        std::optional<Extent> extent = ExtentOf(file.name.segment);
        if (!extent) return {true, "no base backup has segments of such a size"};
        return Of(file.name.timeline, *extent, file.stored_at);
    }
    std::pair<bool, std::string> operator()(const TailFile &file) const {
        if (needs_.kept.empty()) return {true, "without a base backup nothing is deleted"};
        return Of(file.name.timeline, {file.name.start, file.name.end}, file.stored_at);
    }

private:
    // A timeline with its past, and from where on it is kept whole.
    struct Line {
        TimelineHistory history;
        Lsn from;
        const BaseBackup *since;
    };

    std::pair<bool, std::string> Of(TimelineId timeline, const Extent &extent, TimePoint stored_at) const {
        for (const BegunBackup &backup : needs_.begun)
            if (stored_at >= backup.begun - kClockSlack)
                return {true, fmt::format("backup {} is being taken", backup.id)};
        for (const BaseBackup &backup : needs_.kept)
            if (IsOfItsOwn(backup, timeline, extent))
                return {true, fmt::format("backup {} needs it to be restored", backup.id)};
        for (const Line &line : lines_)
            if (OnLine(line.history, timeline, extent) && extent.to > line.from)
                return {true, fmt::format("it is in the recovery window since backup {}", line.since->id)};
        if (const BaseBackup *later = LaterOnItsLine(timeline, extent))
            return {false, IsReached(timeline, extent)
                               ? fmt::format("older than the recovery window of {}, and backup {} is later",
                                             Days(*needs_.recovery_window), later->id)
                               : fmt::format("backup {} is later, and no kept one needs it", later->id)};
        if (timeline != needs_.owner)
            for (const BaseBackup &backup : needs_.kept)
                if (!backup.damaged && backup.timeline > timeline && backup.stored_at > stored_at)
                    return {false, fmt::format("timeline {} was left, and no kept backup needs it", timeline.value)};
        return {true, "no kept base backup proves that it is not needed"};
    }

    bool Reaches(const BaseBackup &backup, const TimelineHistory &history) const {
        return history.DescendsFrom(backup.stop_timeline, backup.stop);
    }

    // nullopt: no kept backup reaches it, or nothing came on it within the recovery window, which begins with no damaged one.
    std::optional<Line> LineOf(const TimelineHistory &history) const {
        const BaseBackup *oldest = nullptr, *before_window = nullptr;
        for (const BaseBackup &backup : needs_.kept) {
            if (!Reaches(backup, history)) continue;
            if (!oldest || backup.start < oldest->start) oldest = &backup;
            if (needs_.recovery_window && !backup.damaged && backup.stored_at <= needs_.now - *needs_.recovery_window &&
                (!before_window || backup.start > before_window->start))
                before_window = &backup;
        }
        if (!oldest || (needs_.recovery_window && !IsLive(history.timeline()))) return std::nullopt;
        const BaseBackup *since = before_window ? before_window : oldest;
        return Line{history, SegmentStart(since->start, since->segment_size), since};
    }

    bool IsLive(TimelineId timeline) const {
        if (timeline == needs_.owner || timeline == histories_.rbegin()->first) return true;
        const TimePoint begin = needs_.now - *needs_.recovery_window;
        auto found = archive_.timelines.find(timeline);
        return (found != archive_.timelines.end() &&
                std::ranges::any_of(found->second.segments,
                                    [&](const ArchivedFile &file) { return file.stored_at > begin; })) ||
               std::ranges::any_of(archive_.tail, [&](const TailFile &file) {
                   return file.name.timeline == timeline && file.stored_at > begin;
               });
    }

    static bool OnLine(const TimelineHistory &history, TimelineId timeline, const Extent &extent) {
        if (timeline == history.timeline()) return true;
        std::optional<Lsn> left = history.Left(timeline);
        return left && extent.from < *left;
    }

    // On whichever timeline it is restored: one that began in the segment of its stop has another one there.
    bool IsOfItsOwn(const BaseBackup &backup, TimelineId timeline, const Extent &extent) const {
        return extent.to > SegmentStart(backup.start, backup.segment_size) && extent.from < backup.stop &&
               std::ranges::any_of(histories_, [&](const auto &one) {
                   return Reaches(backup, one.second) && OnLine(one.second, timeline, extent);
               });
    }

    bool IsReached(TimelineId timeline, const Extent &extent) const {
        for (const auto &[id, history] : histories_)
            if (OnLine(history, timeline, extent))
                for (const BaseBackup &backup : needs_.kept)
                    if (Reaches(backup, history) && extent.to > SegmentStart(backup.start, backup.segment_size))
                        return true;
        return false;
    }

    // The first of them that is whole.
    const BaseBackup *LaterOnItsLine(TimelineId timeline, const Extent &extent) const {
        const BaseBackup *first = nullptr;
        for (const BaseBackup &backup : needs_.kept)
            if (!backup.damaged && OnLine(histories_.at(backup.timeline), timeline, extent) &&
                extent.to <= SegmentStart(backup.start, backup.segment_size) && (!first || backup.start < first->start))
                first = &backup;
        return first;
    }

    const WalArchive &archive_;
    const WalNeeds &needs_;
    std::set<WalSegmentSize> sizes_;
    std::map<TimelineId, TimelineHistory> histories_;
    std::vector<Line> lines_;
};

}    // namespace

std::uint64_t WalRange::Bytes() const {
    std::uint64_t bytes = 0;
    for (const ArchivedFile *file : files) bytes += file->bytes;
    return bytes;
}

std::string WalRange::Names() const {
    std::string first = files.front()->name.segment.Text(), last = files.back()->name.segment.Text();
    return first == last ? first : first + " to " + last;
}

std::vector<WalRange> JudgeWal(const WalArchive &archive, const WalNeeds &needs) {
    Judge judge(archive, needs);
    std::vector<WalRange> ranges;
    for (const auto &[id, timeline] : archive.timelines) {
        std::vector<const ArchivedFile *> files;
        for (const auto *list : {&timeline.segments, &timeline.others})
            for (const ArchivedFile &file : *list) files.push_back(&file);
        std::ranges::stable_sort(files, {}, [](const ArchivedFile *file) { return file->name.segment; });
        for (const ArchivedFile *file : files) {
            auto [keep, reason] = judge(*file);
            if (ranges.empty() || ranges.back().timeline != id || ranges.back().keep != keep ||
                ranges.back().reason != reason)
                ranges.push_back({id, keep, std::move(reason), {}});
            ranges.back().files.push_back(file);
        }
    }
    return ranges;
}

std::uint64_t TailRange::Bytes() const {
    std::uint64_t bytes = 0;
    for (const TailFile *file : files) bytes += file->bytes;
    return bytes;
}

std::string TailRange::Names() const {
    return fmt::format("tail of epoch {}, {} to {}", epoch, files.front()->name.start.Text(),
                       files.back()->name.end.Text());
}

namespace {

// The last of its owner's, while something of an earlier one lies behind it, which would count again without it (WithoutSuperseded()).
bool Hides(const WalArchive &archive, const layout::TailName &name) {
    bool last = true, hides = false;
    for (const TailFile &file : archive.tail) {
        if (file.name.timeline != name.timeline) continue;
        last = last && (file.name.epoch != name.epoch || file.name.end <= name.end);
        hides = hides || (file.name.epoch < name.epoch && file.name.end > name.start);
    }
    return last && hides;
}

}    // namespace

std::vector<TailRange> JudgeTail(const WalArchive &archive, const WalNeeds &needs) {
    Judge judge(archive, needs);
    std::vector<TailRange> ranges;
    for (const TailFile &file : archive.tail) {
        auto [keep, reason] = judge(file);
        if (!keep && Hides(archive, file.name))
            std::tie(keep, reason) = std::pair(true, "it hides what an earlier owner of the path wrote behind it");
        if (ranges.empty() || ranges.back().epoch != file.name.epoch || ranges.back().timeline != file.name.timeline ||
            ranges.back().keep != keep || ranges.back().reason != reason)
            ranges.push_back({file.name.epoch, file.name.timeline, keep, std::move(reason), {}});
        ranges.back().files.push_back(&file);
    }
    return ranges;
}

std::vector<WalRange> KeepForReaders(const std::vector<WalRange> &ranges, const std::vector<WalReader> &readers,
                                     WalSegmentSize size, TimePoint now) {
    auto waiting = [&](const ArchivedFile &file) -> const WalReader * {
        for (const WalReader &reader : readers) {
            if (file.stored_at <= now - reader.limit || (reader.has && reader.has->contains(file.name.Text())))
                continue;
            auto floor = reader.expired.find(file.name.timeline);
            bool gone = floor != reader.expired.end() && file.name.segment.part < size.PerLog() &&
                        file.name.segment.End(size) <= floor->second;
            if (!gone) return &reader;
        }
        return nullptr;
    };
    std::vector<WalRange> out;
    for (const WalRange &range : ranges) {
        if (range.keep) {
            out.push_back(range);
            continue;
        }
        const WalReader *last = nullptr;
        for (const ArchivedFile *file : range.files) {
            const WalReader *reader = waiting(*file);
            if (file == range.files.front() || reader != last)
                out.push_back({range.timeline,
                               reader != nullptr,
                               reader ? fmt::format("store \"{}\" has not copied it yet (async_limit)", reader->store)
                                      : range.reason,
                               {}});
            out.back().files.push_back(file);
            last = reader;
        }
    }
    return out;
}

WalFloors FloorsOf(const std::vector<WalRange> &ranges, const std::vector<TailRange> &tail, const WalNeeds &needs) {
    WalFloors floors;
    WalArchive none;
    Judge judge(none, needs);
    for (const WalRange &range : ranges)
        if (!range.keep) {
            Lsn &floor = floors[range.timeline];
            floor = std::max(floor, judge.ExtentOf(range.files.back()->name.segment)->to);
        }
    for (const TailRange &range : tail)
        if (!range.keep)
            for (const TailFile *file : range.files)
                floors[range.timeline] = std::max(floors[range.timeline], file->name.end);
    return floors;
}

}    // namespace ark
