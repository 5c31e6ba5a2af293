// The header at the front of a WAL segment (access/xlog_internal.h, XLogLongPageHeaderData), and whether it is that of
// the segment which the file's name says.
//
// The bytes are read one by one as little-endian numbers at the offsets that a 64-bit server gives them. Such files are
// only ever read beside the server that wrote them or one like it: PostgreSQL itself refuses WAL of another byte order,
// and a file of a big-endian server is refused here for its magic number.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "pgdata/timeline_history.h"
#include "pgdata/wal_name.h"

namespace ark {

constexpr std::size_t kWalLongHeaderSize = 40;     // of a segment's first page (XLogLongPageHeaderData, aligned)
constexpr std::size_t kWalShortHeaderSize = 24;    // of every other one (XLogPageHeaderData, aligned)
constexpr std::uint32_t kWalBlockSize = 8192;      // unless the server was built with another one

struct WalLongHeader {
    std::uint16_t magic = 0;
    std::uint16_t flags = 0;
    TimelineId timeline;    // of the first record on the page
    Lsn address;            // of the page
    std::uint32_t remaining = 0;
    std::uint64_t system_identifier = 0;
    std::uint32_t segment_size = 0;
    std::uint32_t block_size = 0;
};

// The magic number of a server's major version, and the reverse; nullopt for one that is not known.
std::optional<std::uint16_t> WalMagic(int server_major);
std::optional<int> ServerMajorOfWalMagic(std::uint16_t magic);

// From the first bytes of a segment. Throws kCorrupt if they are too few, or not the beginning of a segment of a known
// version.
WalLongHeader ReadWalLongHeader(ByteView front);

struct WalExpectation {
    std::uint64_t system_identifier = 0;
    WalSegmentSize segment_size;
    int server_major = 0;    // 0: any that is known
    std::uint32_t block_size = kWalBlockSize;
    // The history of the segment's timeline, where it is at hand. Promotion copies the old timeline's last segment up to
    // the switch point under the new timeline's name (XLogInitNewTimeline), so that the first page of a timeline's first
    // segment names an ancestor. With a history exactly the right ancestor is asked for, without one any smaller timeline
    // is accepted.
    const TimelineHistory *history = nullptr;
};

// Throws where the first bytes of `segment` are not what its name and the server say, with every difference in the
// detail: kConflict if they are those of another cluster or server version, else kCorrupt.
void CheckWalSegmentFront(ByteView front, const SegmentName &segment, const WalExpectation &expected);

}    // namespace ark
