#include "wal/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <set>
#include <thread>

#include "repo/wal_floors.h"
#include "repo/wal_gaps.h"

namespace ark {
namespace {

constexpr std::size_t kMostFollowed = 64;                         // segments that are asked for one after the other
constexpr std::uint64_t kMostPlain = std::uint64_t{128} << 20;    // in memory at once
constexpr std::string_view kBy = "pg_ark wal-copy";

// The files of a timeline in the order of their positions.
std::vector<ArchivedFile> InOrder(TimelineId id, const ArchivedTimeline &timeline) {
    std::vector<ArchivedFile> files;
    for (const auto *list : {&timeline.segments, &timeline.others})
        files.insert(files.end(), list->begin(), list->end());
    std::ranges::stable_sort(files, {}, [](const ArchivedFile &file) { return file.name.segment; });
    if (timeline.history) files.insert(files.begin(), {WalFileName::OfHistory(id), 0, {}});
    return files;
}

std::set<std::string> NamesOf(const WalArchive &archive) {
    std::set<std::string> names;
    for (const auto &[id, timeline] : archive.timelines)
        for (const ArchivedFile &file : InOrder(id, timeline)) names.insert(file.name.Text());
    return names;
}

}    // namespace

WalCopier::WalCopier(const Repository &from, KeyRing &from_keys, Repository &to, KeyRing &to_keys, DomainKey key,
                     WalSegmentSize size, Compression compression, Clock &clock, Random &random, Log &log)
    : from_(from),
      from_keys_(from_keys),
      to_(to),
      to_keys_(to_keys),
      key_(std::move(key)),
      size_(size),
      compression_(compression),
      clock_(clock),
      random_(random),
      log_(log) {}

void WalCopier::Look(Ticker &ticker) {
    // The second one first: what comes meanwhile only seems to wait, and is settled by its name.
    WalArchive target = ReadWalArchive(to_, to_keys_, ticker);
    WalFloors expired = ReadWalFloors(to_, &to_keys_);
    WalArchive source = ReadWalArchive(from_, from_keys_, ticker);
    RecordGaps(source, target);
    std::set<std::string> there = NamesOf(target);
    waiting_.clear();
    queue_.last.reset();
    for (const auto &[id, timeline] : source.timelines) {
        auto floor = expired.find(id);
        for (const ArchivedFile &file : InOrder(id, timeline)) {
            bool segment = file.name.kind == WalFileName::Kind::kSegment;
            if (there.contains(file.name.Text())) {
                if (!segment) continue;
                queue_.last = file.name;
                queue_.last_came = file.stored_at;
                continue;
            }
            bool gone = file.name.kind != WalFileName::Kind::kHistory && floor != expired.end() &&
                        file.name.segment.End(size_) <= floor->second;
            if (!gone) waiting_.push_back(file);
        }
    }
    Count();
}

// Lost is what was given up before the first store had it, and what that one has expired before it was copied.
void WalCopier::RecordGaps(const WalArchive &source, const WalArchive &target) {
    std::vector<WalGap> gaps = ReadWalGaps(from_, &from_keys_);
    WalFloors floors = ReadWalFloors(from_, &from_keys_);
    for (const auto &[id, timeline] : target.timelines) {
        auto theirs = source.timelines.find(id);
        auto floor = floors.find(id);
        if (timeline.segments.empty() || theirs == source.timelines.end() || floor == floors.end()) continue;
        const SegmentName last = timeline.segments.back().name.segment, first_lost = last.Next(size_);
        if (first_lost.End(size_) > floor->second) continue;
        auto next = std::ranges::find_if(theirs->second.segments,
                                         [&](const ArchivedFile &file) { return file.name.segment > last; });
        SegmentName end = next != theirs->second.segments.end() ? next->name.segment
                                                                : SegmentName::Containing(id, floor->second, size_);
        if (end <= first_lost) continue;
        gaps.push_back({first_lost, end.Previous(size_), clock_.Now(), clock_.Now(),
                        "it expired in the store that it is copied from before it was copied (async_limit)"});
    }
    if (std::size_t count = RecordWalGaps(to_, to_keys_, key_, gaps, kBy, clock_, random_))
        log_.Warn(fmt::format("{} gap{} in the WAL were put on record: a base backup opens a new recovery window",
                              count, count == 1 ? "" : "s"));
}

bool WalCopier::LookForNext() {
    if (!waiting_.empty()) return false;
    if (!queue_.last) return true;
    SegmentName next = queue_.last->segment;
    for (std::size_t i = 0; i < kMostFollowed; i++) {
        next = next.Next(size_);
        WalFileName name = WalFileName::OfSegment(next);
        std::optional<ObjectInfo> info = from_.Stat(layout::Wal(name));
        if (!info) break;
        waiting_.push_back({name, info->size, info->modified});
    }
    Count();
    return waiting_.empty() && from_.Stat(layout::Wal(WalFileName::OfHistory({next.timeline.value + 1})));
}

bool WalCopier::CopySome(std::size_t threads, Ticker &ticker) {
    ticker.Check();
    std::size_t count = std::min({waiting_.size(), std::max<std::size_t>(threads, 1),
                                  static_cast<std::size_t>(std::max<std::uint64_t>(kMostPlain / size_.bytes(), 1))});
    if (count == 0) return false;
    std::vector<char> copied(count);
    std::vector<std::exception_ptr> failures(count);
    {
        std::vector<std::jthread> others;
        auto copy = [&](std::size_t i) {
            try {
                copied[i] = CopyOne(waiting_[i].name);
            } catch (...) {
                failures[i] = std::current_exception();
            }
        };
        for (std::size_t i = 1; i < count; i++) others.emplace_back(copy, i);
        copy(0);
    }
    for (std::size_t i = 0; i < count; i++) {
        if (failures[i]) {
            Count();
            std::rethrow_exception(failures[i]);
        }
        if (!copied[i]) {    // expired meanwhile
            Count();
            return false;
        }
        const ArchivedFile &file = waiting_.front();
        if (file.name.kind == WalFileName::Kind::kSegment) {
            queue_.last = file.name;
            queue_.last_came = file.stored_at;
        }
        waiting_.pop_front();
    }
    Count();
    return true;
}

bool WalCopier::CopyOne(const WalFileName &name) {
    Bytes plain;
    std::optional<SegmentInfo> info =
        ReadSegment(from_, from_keys_, name, [&](ByteView bytes) { Append(plain, bytes); });
    if (!info) return false;
    MemorySource source{ByteView(plain)};
    WriteSegment(to_, to_keys_, key_, {name, info->system_identifier, compression_}, source, random_);
    return true;
}

void WalCopier::Count() {
    queue_.files = waiting_.size();
    queue_.bytes = 0;
    queue_.waiting_since.reset();
    for (const ArchivedFile &file : waiting_) {
        queue_.bytes += file.bytes;
        if (file.stored_at != TimePoint{} && (!queue_.waiting_since || file.stored_at < *queue_.waiting_since))
            queue_.waiting_since = file.stored_at;
    }
}

}    // namespace ark
