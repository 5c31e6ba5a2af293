#include "pgdata/wal_page.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::uint16_t kLongHeaderFlag = 0x0002;    // XLP_LONG_HEADER
constexpr std::uint16_t kKnownFlags = 0x000F;        // XLP_ALL_FLAGS

// XLOG_PAGE_MAGIC of access/xlog_internal.h in each release branch; it changes with every major version and never within
// one. Those of 15, 17 and 18 were compared with segments of such servers; the others are those of the sources.
struct Version {
    int major;
    std::uint16_t magic;
};
constexpr Version kVersions[] = {{13, 0xD106}, {14, 0xD10D}, {15, 0xD110}, {16, 0xD113}, {17, 0xD116}, {18, 0xD118}};

std::string Differs(std::string_view what, const std::string &found, const std::string &expected) {
    return fmt::format("The {} is {}, expected {}. ", what, found, expected);
}

std::string TimelineDifference(const WalLongHeader &header, const SegmentName &segment,
                               const WalExpectation &expected) {
    TimelineId wanted = segment.timeline;
    if (expected.history != nullptr)
        wanted = expected.history->At(segment.Start(expected.segment_size));
    else if (header.timeline < segment.timeline && header.timeline.value != 0)
        return {};
    if (header.timeline == wanted) return {};
    return Differs("timeline", std::to_string(header.timeline.value), std::to_string(wanted.value));
}

}    // namespace

std::optional<std::uint16_t> WalMagic(int server_major) {
    for (const Version &version : kVersions)
        if (version.major == server_major) return version.magic;
    return std::nullopt;
}

std::optional<int> ServerMajorOfWalMagic(std::uint16_t magic) {
    for (const Version &version : kVersions)
        if (version.magic == magic) return version.major;
    return std::nullopt;
}

WalLongHeader ReadWalLongHeader(ByteView front) {
    constexpr std::string_view kWhat = "this is not the beginning of a WAL segment";
    if (front.size() < kWalLongHeaderSize)
        throw Error(Code::kCorrupt, std::string(kWhat), fmt::format("It has only {} bytes.", front.size()));
    const std::byte *at = front.data();
    WalLongHeader header;
    header.magic = GetLittleEndian<std::uint16_t>(at);
    header.flags = GetLittleEndian<std::uint16_t>(at + 2);
    header.timeline = {GetLittleEndian<std::uint32_t>(at + 4)};
    header.address = {GetLittleEndian<std::uint64_t>(at + 8)};
    header.remaining = GetLittleEndian<std::uint32_t>(at + 16);    // four bytes of padding follow
    header.system_identifier = GetLittleEndian<std::uint64_t>(at + 24);
    header.segment_size = GetLittleEndian<std::uint32_t>(at + 32);
    header.block_size = GetLittleEndian<std::uint32_t>(at + 36);
    if (!ServerMajorOfWalMagic(header.magic))
        throw Error(Code::kCorrupt, std::string(kWhat),
                    fmt::format("Its magic number {:04X} is that of no known server version.", header.magic));
    if ((header.flags & kLongHeaderFlag) == 0 || (header.flags & ~kKnownFlags) != 0)
        throw Error(Code::kCorrupt, std::string(kWhat),
                    fmt::format("The flags {:04X} are not those of a segment's first page.", header.flags));
    return header;
}

void CheckWalSegmentFront(ByteView front, const SegmentName &segment, const WalExpectation &expected) {
    WalLongHeader header;
    try {
        header = ReadWalLongHeader(front);
    } catch (Error &error) {
        throw error.InContext(fmt::format("WAL segment \"{}\"", segment.Text()));
    }
    std::string foreign, wrong;
    if (header.system_identifier != expected.system_identifier)
        foreign += Differs("system identifier", std::to_string(header.system_identifier),
                           std::to_string(expected.system_identifier));
    if (int major = *ServerMajorOfWalMagic(header.magic); expected.server_major != 0 && major != expected.server_major)
        foreign += Differs("server's major version", std::to_string(major), std::to_string(expected.server_major));
    if (header.segment_size != expected.segment_size.bytes())
        wrong +=
            Differs("segment size", std::to_string(header.segment_size), std::to_string(expected.segment_size.bytes()));
    if (header.block_size != expected.block_size)
        wrong += Differs("block size", std::to_string(header.block_size), std::to_string(expected.block_size));
    if (Lsn start = segment.Start(expected.segment_size); header.address != start)
        wrong += Differs("position", header.address.Text(), start.Text());
    wrong += TimelineDifference(header, segment, expected);
    if (foreign.empty() && wrong.empty()) return;
    std::string detail = foreign + wrong;
    detail.pop_back();
    throw Error(foreign.empty() ? Code::kCorrupt : Code::kConflict,
                fmt::format("WAL segment \"{}\" is not what its name says", segment.Text()), detail,
                foreign.empty() ? "It was damaged or renamed. Look at it with pg_waldump."
                                : "It is the WAL of another cluster or version, which has its own path in the store.");
}

}    // namespace ark
