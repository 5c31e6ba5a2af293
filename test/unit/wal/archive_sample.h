// WAL of a store as a listing gives it, spelled in the numbers of its segments: segment 5 of 16 MiB begins at 0/5000000.
#pragma once

#include <set>

#include "wal/windows.h"

namespace ark::test {

struct ArchiveSample {
    explicit ArchiveSample(std::uint64_t segment_mib = 16) : size(segment_mib << 20) {}

    // Stored one a minute: segment n at minute n of the day.
    void Segments(std::uint32_t timeline, std::uint64_t first, std::uint64_t last,
                  std::set<std::uint64_t> without = {}) {
        std::vector<ArchivedFile> &segments = archive.timelines[{timeline}].segments;
        for (std::uint64_t n = first; n <= last; n++)
            if (!without.contains(n)) segments.push_back({WalFileName::OfSegment(Name(timeline, n)), 1000, Minute(n)});
        Sort(segments);
    }
    void Partial(std::uint32_t timeline, std::uint64_t n) {
        archive.timelines[{timeline}].others.push_back({WalFileName::OfPartial(Name(timeline, n)), 500, Minute(n)});
    }
    void Label(std::uint32_t timeline, std::uint64_t n) {
        WalFileName name = WalFileName::OfSegment(Name(timeline, n));
        name.kind = WalFileName::Kind::kBackupLabel;
        name.offset = 0x28;
        archive.timelines[{timeline}].others.push_back({name, 300, Minute(n)});
    }
    // "1 0/5800000" or several of these: where the ancestors were left.
    void History(std::uint32_t timeline, const std::string &lines) {
        archive.timelines[{timeline}].history = TimelineHistory::Parse({timeline}, lines);
    }
    BaseBackup Backup(const std::string &id, std::uint32_t timeline, const std::string &start,
                      const std::string &stop) const {
        BaseBackup backup;
        backup.id = id;
        backup.timeline = backup.stop_timeline = {timeline};
        backup.start = ParseLsn(start);
        backup.stop = ParseLsn(stop);
        backup.segment_size = size;
        backup.stopped = Minute(backup.stop.value / size.bytes());
        backup.stored_at = backup.stopped + std::chrono::seconds(30);
        return backup;
    }

    SegmentName Name(std::uint32_t timeline, std::uint64_t n) const {
        return SegmentName::OfNumber({timeline}, n, size);
    }
    static TimePoint Minute(std::uint64_t n) { return ParseTime("2026-01-16T00:00:00Z") + std::chrono::minutes(n); }
    static void Sort(std::vector<ArchivedFile> &files) {
        std::ranges::sort(files, {}, [](const ArchivedFile &file) { return file.name.segment; });
    }

    WalSegmentSize size;
    WalArchive archive;
};

}    // namespace ark::test
