#include "pgdata/wal_name.h"

#include <fmt/format.h>

#include <bit>
#include <optional>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::size_t kSegmentDigits = 24;
constexpr std::string_view kPartialEnd = ".partial", kHistoryEnd = ".history", kBackupEnd = ".backup";

std::optional<unsigned> Digit(char c, bool lower) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    if (lower && c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    return std::nullopt;
}

// One to eight hexadecimal digits.
std::optional<std::uint32_t> Hex32(std::string_view text, bool lower) {
    if (text.empty() || text.size() > 8) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : text) {
        std::optional<unsigned> digit = Digit(c, lower);
        if (!digit) return std::nullopt;
        value = value << 4 | *digit;
    }
    return value;
}

// Eight digits as they stand in names: upper case.
std::optional<std::uint32_t> NamePart(std::string_view text) {
    return text.size() == 8 ? Hex32(text, false) : std::nullopt;
}

std::optional<SegmentName> TrySegment(std::string_view text) {
    if (text.size() != kSegmentDigits) return std::nullopt;
    std::optional<std::uint32_t> timeline = NamePart(text.substr(0, 8)), log = NamePart(text.substr(8, 8)),
                                 part = NamePart(text.substr(16));
    // No segment size gives a part above 4095 (4 GiB / 1 MiB).
    if (!timeline || !log || !part || *timeline == 0 || *part > 4095) return std::nullopt;
    return SegmentName{{*timeline}, *log, *part};
}

// "<segment>.<offset>.backup"
std::optional<WalFileName> TryBackupLabel(std::string_view text) {
    if (text.size() != kSegmentDigits + 9 + kBackupEnd.size() || text[kSegmentDigits] != '.' ||
        !text.ends_with(kBackupEnd))
        return std::nullopt;
    std::optional<SegmentName> segment = TrySegment(text.substr(0, kSegmentDigits));
    std::optional<std::uint32_t> offset = NamePart(text.substr(kSegmentDigits + 1, 8));
    if (!segment || !offset) return std::nullopt;
    return WalFileName{WalFileName::Kind::kBackupLabel, segment->timeline, *segment, *offset};
}

std::optional<WalFileName> TryFile(std::string_view text) {
    if (std::optional<SegmentName> segment = TrySegment(text)) return WalFileName::OfSegment(*segment);
    if (text.size() == 8 + kHistoryEnd.size() && text.ends_with(kHistoryEnd)) {
        std::optional<std::uint32_t> timeline = NamePart(text.substr(0, 8));
        return timeline && *timeline != 0 ? std::optional(WalFileName::OfHistory({*timeline})) : std::nullopt;
    }
    if (text.ends_with(kPartialEnd)) {
        std::optional<SegmentName> segment = TrySegment(text.substr(0, text.size() - kPartialEnd.size()));
        return segment ? std::optional(WalFileName::OfPartial(*segment)) : std::nullopt;
    }
    return TryBackupLabel(text);
}

// The last segment of all has no end that a position could say, and no server gets there.
std::uint64_t SegmentsOfAll(WalSegmentSize size) { return size.PerLog() << 32; }

}    // namespace

std::string Lsn::Text() const { return fmt::format("{:X}/{:X}", value >> 32, value & 0xFFFFFFFF); }

Lsn ParseLsn(std::string_view text) {
    std::size_t slash = text.find('/');
    std::optional<std::uint32_t> high, low;
    if (slash != std::string_view::npos) {
        high = Hex32(text.substr(0, slash), true);
        low = Hex32(text.substr(slash + 1), true);
    }
    if (!high || !low)
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a position in the write-ahead log", text),
                    "Such a position reads like 16/B374D848.");
    return {std::uint64_t{*high} << 32 | *low};
}

std::string TimelineId::Text() const { return fmt::format("{:08X}", value); }

TimelineId ParseTimelineId(std::string_view text) {
    std::optional<std::uint32_t> value = NamePart(text);
    if (!value || *value == 0)
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a timeline", text),
                    "A timeline is written with eight hexadecimal digits, like 00000002.");
    return {*value};
}

bool WalSegmentSize::IsValid(std::uint64_t bytes) {
    return std::has_single_bit(bytes) && bytes >= (1 << 20) && bytes <= (1 << 30);
}

WalSegmentSize::WalSegmentSize(std::uint64_t bytes) : bytes_(bytes) {
    if (!IsValid(bytes))
        throw Error(Code::kInvalidArgument, fmt::format("{} bytes are not the size of a WAL segment", bytes),
                    "Segments are a power of two from 1 MiB to 1 GiB long.");
}

std::string SegmentName::Text() const { return fmt::format("{:08X}{:08X}{:08X}", timeline.value, log, part); }

SegmentName SegmentName::OfNumber(TimelineId timeline, std::uint64_t number, WalSegmentSize size) {
    if (number >= SegmentsOfAll(size) - 1)
        throw Error(Code::kInvalidArgument, fmt::format("there is no WAL segment number {}", number));
    return {timeline, static_cast<std::uint32_t>(number / size.PerLog()),
            static_cast<std::uint32_t>(number % size.PerLog())};
}

SegmentName SegmentName::Containing(TimelineId timeline, Lsn lsn, WalSegmentSize size) {
    return OfNumber(timeline, lsn.value / size.bytes(), size);
}

std::uint64_t SegmentName::Number(WalSegmentSize size) const {
    std::uint64_t number = std::uint64_t{log} * size.PerLog() + part;
    if (part >= size.PerLog() || number == SegmentsOfAll(size) - 1)
        throw Error(Code::kInvalidArgument,
                    fmt::format("\"{}\" is not the name of a WAL segment of {} bytes", Text(), size.bytes()));
    return number;
}

Lsn SegmentName::Start(WalSegmentSize size) const { return {Number(size) * size.bytes()}; }
Lsn SegmentName::End(WalSegmentSize size) const { return {(Number(size) + 1) * size.bytes()}; }

bool SegmentName::Contains(Lsn lsn, WalSegmentSize size) const { return lsn.value / size.bytes() == Number(size); }

SegmentName SegmentName::Next(WalSegmentSize size) const { return OfNumber(timeline, Number(size) + 1, size); }

SegmentName SegmentName::Previous(WalSegmentSize size) const {
    std::uint64_t number = Number(size);
    if (number == 0) throw Error(Code::kInvalidArgument, fmt::format("there is no WAL segment before \"{}\"", Text()));
    return OfNumber(timeline, number - 1, size);
}

SegmentName ParseSegmentName(std::string_view text) {
    if (std::optional<SegmentName> segment = TrySegment(text)) return *segment;
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the name of a WAL segment", text),
                "Such a name has 24 hexadecimal digits in upper case.");
}

std::string WalFileName::Text() const {
    switch (kind) {
    case Kind::kSegment: return segment.Text();
    case Kind::kPartial: return fmt::format("{}{}", segment.Text(), kPartialEnd);
    case Kind::kHistory: return fmt::format("{}{}", timeline.Text(), kHistoryEnd);
    case Kind::kBackupLabel: break;
    }
    return fmt::format("{}.{:08X}{}", segment.Text(), offset, kBackupEnd);
}

WalFileName ParseWalFileName(std::string_view text) {
    if (std::optional<WalFileName> file = TryFile(text)) return *file;
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the name of a file that PostgreSQL archives", text),
                "These are segments (000000010000000A000000C3), partial ones (….partial), timeline histories "
                "(00000002.history) and backup labels (000000010000000A000000C3.00000028.backup).",
                "In archive_command give %p (or %f), in restore_command %f, as they are.");
}

}    // namespace ark
