// Positions in the write-ahead log and the names of its files, as PostgreSQL spells them (access/xlog_internal.h:
// XLogFileName, TLHistoryFileName, BackupHistoryFileName). Parsing takes what a server writes and refuses everything
// else with kInvalidArgument.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace ark {

// A byte of the log.
struct Lsn {
    std::uint64_t value = 0;
    auto operator<=>(const Lsn &) const = default;
    std::string Text() const;    // "16/B374D848"
};
Lsn ParseLsn(std::string_view text);    // two numbers of 1 to 8 hexadecimal digits, of either case

// One history of the cluster. 0 is none.
struct TimelineId {
    std::uint32_t value = 0;
    auto operator<=>(const TimelineId &) const = default;
    std::string Text() const;    // "00000002": as in names of files
};
TimelineId ParseTimelineId(std::string_view text);    // eight digits

// A power of two from 1 MiB to 1 GiB, fixed by initdb.
class WalSegmentSize {
public:
    explicit WalSegmentSize(std::uint64_t bytes);    // throws kInvalidArgument for any other number
    static bool IsValid(std::uint64_t bytes);
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t PerLog() const { return (std::uint64_t{1} << 32) / bytes_; }    // segments in 4 GiB
    auto operator<=>(const WalSegmentSize &) const = default;

private:
    std::uint64_t bytes_;
};

// "000000010000000A000000C3": timeline, upper half of the position, number within its 4 GiB. Which bytes it holds follows
// from the segment size: every member that takes one throws kInvalidArgument for a name that this size cannot have.
struct SegmentName {
    TimelineId timeline;
    std::uint32_t log = 0;
    std::uint32_t part = 0;

    auto operator<=>(const SegmentName &) const = default;    // the order of the names
    std::string Text() const;

    static SegmentName OfNumber(TimelineId timeline, std::uint64_t number, WalSegmentSize size);
    static SegmentName Containing(TimelineId timeline, Lsn lsn, WalSegmentSize size);

    std::uint64_t Number(WalSegmentSize size) const;
    Lsn Start(WalSegmentSize size) const;
    Lsn End(WalSegmentSize size) const;    // of the first byte behind it
    bool Contains(Lsn lsn, WalSegmentSize size) const;
    SegmentName Next(WalSegmentSize size) const;
    SegmentName Previous(WalSegmentSize size) const;
};
SegmentName ParseSegmentName(std::string_view text);

// What archive_command and restore_command are asked for.
struct WalFileName {
    enum class Kind {
        kSegment,
        kPartial,        // "….partial": the last segment of a timeline that was left, as far as it was written
        kHistory,        // "00000002.history"
        kBackupLabel,    // "0000000100000000000000C3.00000028.backup": a base backup began in that segment, at that offset
    };
    Kind kind = Kind::kSegment;
    TimelineId timeline;         // of all kinds
    SegmentName segment;         // of all but kHistory
    std::uint32_t offset = 0;    // of kBackupLabel

    bool operator==(const WalFileName &) const = default;
    std::string Text() const;

    static WalFileName OfSegment(const SegmentName &segment) { return {Kind::kSegment, segment.timeline, segment}; }
    static WalFileName OfPartial(const SegmentName &segment) { return {Kind::kPartial, segment.timeline, segment}; }
    static WalFileName OfHistory(TimelineId timeline) { return {Kind::kHistory, timeline, {}}; }
};
WalFileName ParseWalFileName(std::string_view text);

}    // namespace ark
