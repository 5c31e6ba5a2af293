#include "wal/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "repo/header.h"

namespace ark {
namespace {

constexpr std::string_view kWhat = "a base backup";

// The segments of one timeline as numbers of one segment size. Names that this size cannot have are another history's.
class Row {
public:
    Row() = default;
    Row(const ArchivedTimeline &timeline, WalSegmentSize size) {
        for (const ArchivedFile &file : timeline.segments) {
            if (file.name.segment.part >= size.PerLog()) continue;
            numbers_.push_back(file.name.segment.Number(size));
            stored_.push_back(file.stored_at);
        }
        ends_.resize(numbers_.size());
        for (std::size_t i = numbers_.size(); i-- > 0;)
            ends_[i] = i + 1 < numbers_.size() && numbers_[i + 1] == numbers_[i] + 1 ? ends_[i + 1] : numbers_[i] + 1;
    }

    // The first number from `number` on that is not there.
    std::uint64_t EndFrom(std::uint64_t number) const {
        std::optional<std::size_t> at = Find(number);
        return at ? ends_[*at] : number;
    }
    bool Has(std::uint64_t number) const { return Find(number).has_value(); }
    // When the first one from `number` on came.
    std::optional<TimePoint> StoredFrom(std::uint64_t number) const {
        auto at = std::ranges::lower_bound(numbers_, number);
        if (at == numbers_.end()) return std::nullopt;
        return stored_[static_cast<std::size_t>(at - numbers_.begin())];
    }
    TimePoint StoredAt(std::uint64_t number) const { return stored_[Find(number).value()]; }

private:
    std::optional<std::size_t> Find(std::uint64_t number) const {
        auto at = std::ranges::lower_bound(numbers_, number);
        if (at == numbers_.end() || *at != number) return std::nullopt;
        return static_cast<std::size_t>(at - numbers_.begin());
    }

    std::vector<std::uint64_t> numbers_, ends_;
    std::vector<TimePoint> stored_;
};

class Windows {
public:
    Windows(const WalArchive &archive, const WalFloors &floors) : archive_(archive), floors_(floors) {}

    void Of(const BaseBackup &backup, std::vector<RecoveryWindow> &windows) {
        windows.push_back(On(backup, archive_.HistoryOf(backup.stop_timeline)));
        for (const auto &[id, timeline] : archive_.timelines)
            if (id > backup.stop_timeline && timeline.history &&
                timeline.history->DescendsFrom(backup.stop_timeline, backup.stop))
                windows.push_back(On(backup, *timeline.history));
    }

private:
    RecoveryWindow On(const BaseBackup &backup, const TimelineHistory &history) {
        const WalSegmentSize size = backup.segment_size;
        RecoveryWindow window{.backup = backup.id,
                              .timeline = history.timeline(),
                              .from = backup.stop,
                              .opens = backup.stopped,
                              .until_timeline = backup.timeline};
        std::uint64_t number = backup.start.value / size.bytes();
        TimelineId holder;
        for (;;) {
            holder = history.At({(number + 1) * size.bytes() - 1});
            std::uint64_t end = std::min(RowOf(holder, size).EndFrom(number), HolderMayChange(history, number, size));
            if (end == number) break;
            Reach(window, holder, end - 1, {end * size.bytes()}, size);
            number = end;
        }
        if (!window.until_stored) window.until = {number * size.bytes()};
        window.missing = SegmentName::OfNumber(holder, number, size);
        window.beyond_stored = RowOf(holder, size).StoredFrom(number + 1);
        window.end = EndOf(window, holder, number, size);
        if (window.end != RecoveryWindow::End::kExpired) ReachBeside(window, history, holder, number, size);
        return window;
    }

    void Reach(RecoveryWindow &window, TimelineId on, std::uint64_t last, Lsn until, WalSegmentSize size) {
        window.until = until;
        window.until_timeline = on;
        window.until_stored = RowOf(on, size).StoredAt(last);
        window.last = SegmentName::OfNumber(on, last, size);
    }

    // A whole segment of an older timeline in the place of one that begins further on in it and is not there yet.
    void ReachBeside(RecoveryWindow &window, const TimelineHistory &history, TimelineId holder, std::uint64_t number,
                     WalSegmentSize size) {
        if (IsToBeThere(window, holder, number, size)) return;    // no server is given another in its place
        TimelineId oldest = history.At({number * size.bytes()});
        for (TimelineId older : history.Chain()) {
            if (older >= holder || older < oldest || !RowOf(older, size).Has(number)) continue;
            if (Lsn left = *history.Left(older); left > window.until) Reach(window, older, number, left, size);
        }
        if (window.Opens()) window.end = RecoveryWindow::End::kArchive;
    }

    // Whether the timeline went on behind the segment.
    bool IsToBeThere(const RecoveryWindow &window, TimelineId holder, std::uint64_t number, WalSegmentSize size) const {
        return window.beyond_stored || archive_.WentOnTo(holder, {(number + 1) * size.bytes()});
    }

    RecoveryWindow::End EndOf(const RecoveryWindow &window, TimelineId holder, std::uint64_t number,
                              WalSegmentSize size) const {
        if (!window.Opens()) return RecoveryWindow::End::kHole;    // what a backup needs itself never expires
        Lsn end{(number + 1) * size.bytes()};
        auto floor = floors_.find(holder);
        if (floor != floors_.end() && floor->second >= end) return RecoveryWindow::End::kExpired;
        return IsToBeThere(window, holder, number, size) ? RecoveryWindow::End::kHole : RecoveryWindow::End::kArchive;
    }

    // The first number behind this one in which another timeline may have begun.
    static std::uint64_t HolderMayChange(const TimelineHistory &history, std::uint64_t number, WalSegmentSize size) {
        std::uint64_t next = std::numeric_limits<std::uint64_t>::max();
        for (const TimelineSwitch &one : history.switches())
            if (std::uint64_t in = one.at.value / size.bytes(); in > number) next = std::min(next, in);
        return next;
    }

    const Row &RowOf(TimelineId timeline, WalSegmentSize size) {
        auto [at, fresh] = rows_.try_emplace({timeline, size});
        auto found = archive_.timelines.find(timeline);
        if (fresh && found != archive_.timelines.end()) at->second = Row(found->second, size);
        return at->second;
    }

    const WalArchive &archive_;
    const WalFloors &floors_;
    std::map<std::pair<TimelineId, WalSegmentSize>, Row> rows_;
};

}    // namespace

std::optional<BaseBackup> BaseBackupOf(const BackupSummary &backup) {
    const Manifest &manifest = backup.manifest;
    if (manifest.clear.kind != "physical" || !backup.error.empty() || !manifest.readable()) return std::nullopt;
    const Json &body = manifest.body;
    BaseBackup out;
    out.id = manifest.clear.backup;
    out.timeline = {static_cast<std::uint32_t>(JsonNumber(body, "timeline", kWhat))};
    out.stop_timeline = {static_cast<std::uint32_t>(JsonNumber(body, "stop_timeline", kWhat))};
    out.start = ParseLsn(JsonString(body, "start_lsn", kWhat));
    out.stop = ParseLsn(JsonString(body, "stop_lsn", kWhat));
    out.segment_size = WalSegmentSize(JsonNumber(body, "wal_segment_size", kWhat));
    out.stopped = body.contains("stopped") ? ParseTime(JsonString(body, "stopped", kWhat)) : manifest.clear.finished;
    out.stored_at = backup.stored_at;
    out.damaged = backup.verified && backup.verified->body.is_object() && !backup.verified->body.value("ok", true);
    if (std::string snapshot = body.value("stop_snapshot", ""); !snapshot.empty())
        out.snapshot = ParseSnapshot(snapshot);
    return out;
}

std::vector<BaseBackup> BaseBackupsOf(const std::vector<BackupSummary> &backups) {
    std::vector<BaseBackup> out;
    for (const BackupSummary &backup : backups)
        if (std::optional<BaseBackup> one = BaseBackupOf(backup)) out.push_back(std::move(*one));
    return out;
}

std::vector<RecoveryWindow> RecoveryWindows(const WalArchive &archive, const std::vector<BaseBackup> &backups,
                                            const WalFloors &floors) {
    std::vector<RecoveryWindow> windows;
    Windows of(archive, floors);
    for (const BaseBackup &backup : backups) of.Of(backup, windows);
    return windows;
}

void ExplainHoles(std::vector<RecoveryWindow> &windows, const std::vector<WalGap> &gaps) {
    for (RecoveryWindow &window : windows) {
        if (window.end == RecoveryWindow::End::kExpired) continue;
        for (const WalGap &gap : gaps)
            if (gap.Contains(window.missing)) {
                window.end = RecoveryWindow::End::kHole;
                window.why = fmt::format("{} ({})", gap.reason, gap.Names());
            }
    }
}

std::string DescribeWindow(const RecoveryWindow &window) {
    std::string text = fmt::format("{}, timeline {}: ", window.backup, window.timeline.value);
    if (window.Opens())
        text += fmt::format("{} ({}) to {} ({})", window.from.Text(), FormatTime(window.opens), window.until.Text(),
                            FormatTime(*window.until_stored));
    else
        text += "cannot be restored";
    if (window.end == RecoveryWindow::End::kHole)
        text += fmt::format("; {} is missing{}{}", window.missing.Text(), window.why.empty() ? "" : ": ", window.why);
    if (window.end == RecoveryWindow::End::kExpired) text += "; the WAL behind it has expired";
    return text;
}

}    // namespace ark
