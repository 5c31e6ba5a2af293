// WAL that a server gave up without its being archived (ark.archive_backlog_limit), as it wrote it down: the file pg_wal/ark_gaps, one
// line a gap, "<first segment> <last segment> <since> <until> <reason>". pg_wal, because base backups leave that out: a copy of the
// cluster has gaps of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pgdata/wal_name.h"

namespace ark {

inline constexpr const char *kWalGapsFile = "pg_wal/ark_gaps";    // below the data directory
inline constexpr const char *kGivenUp = "more WAL waited than archive_backlog_limit allows";    // the reason

struct WalGap {
    SegmentName first, last;
    TimePoint since{}, until{};    // when the first and the last of it were given up
    std::string reason;
    bool operator==(const WalGap &) const = default;

    bool Contains(const SegmentName &segment) const {
        return segment.timeline == first.timeline && first <= segment && segment <= last;
    }
    std::string Names() const;    // "000000010000000000000005 to 000000010000000000000007"
};

// Ascending. A line that cannot be read is none.
std::vector<WalGap> ParseWalGaps(std::string_view text);
std::string FormatWalGaps(const std::vector<WalGap> &gaps);

// With one segment more: the gap before it goes on if it is its neighbour and has the same reason. True: a gap begins.
bool AddToWalGaps(std::vector<WalGap> &gaps, const SegmentName &segment, WalSegmentSize size, TimePoint at,
                  std::string_view reason);

// Empty if there is no such file.
std::vector<WalGap> ReadLocalWalGaps(const std::filesystem::path &data_directory);
// Durable on return. As AddToWalGaps().
bool NoteLocalWalGap(const std::filesystem::path &data_directory, const SegmentName &segment, WalSegmentSize size,
                     TimePoint at, std::string_view reason);

}    // namespace ark
