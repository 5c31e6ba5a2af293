#include "pgdata/control_file.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "base/error.h"
#include "pgdata/crc32c.h"

namespace ark {
namespace {

// PG_CONTROL_VERSION, and where the CRC lies, which ends the data. Up to the nonce all three agree: the wal_level that 17
// put into the checkpoint fills what was padding, and default_char_signedness of 18 comes after the data checksum version.
// Compared with files of servers 15 (1300, which is that of 13 to 16), 17 and 18.
struct Layout {
    std::uint32_t version;
    std::size_t crc_at;
};
constexpr Layout kLayouts[] = {{1300, 288}, {1700, 288}, {1800, 292}};

// CATALOG_VERSION_NO of the releases; it never changes within a major version.
struct Release {
    std::uint32_t catalog_version;
    int major;
};
constexpr Release kReleases[] = {{202007201, 13}, {202107181, 14}, {202209061, 15},
                                 {202307071, 16}, {202406281, 17}, {202506291, 18}};

// Offsets of members of ControlFileData; those of its CheckPoint begin at 40.
namespace at {
constexpr std::size_t kSystemIdentifier = 0, kVersion = 8, kCatalogVersion = 12, kState = 16, kTime = 24,
                      kCheckpoint = 32, kRedo = 40, kTimeline = 48, kPreviousTimeline = 52, kMinimumRecovery = 136,
                      kMinimumRecoveryTimeline = 144, kBackupStart = 152, kBackupEnd = 160, kBackupEndRequired = 168,
                      kMaxAlign = 204, kFloat = 208, kBlockSize = 216, kBlocksPerFile = 220, kWalBlockSize = 224,
                      kWalSegmentSize = 228, kDataChecksums = 252;
}    // namespace at

constexpr double kFloatValue = 1234567.0;    // FLOATFORMAT_VALUE
constexpr std::uint32_t kAlignment = 8;

constexpr std::array<std::string_view, 7> kStateNames{"starting up",   "shut down",         "shut down in recovery",
                                                      "shutting down", "in crash recovery", "in archive recovery",
                                                      "in production"};

Error Damaged(std::string detail) {
    return Error(Code::kCorrupt, "the control file cannot be read", std::move(detail));
}

Error Foreign(std::string detail) {
    return Error(Code::kUnsupported, "the control file is of an unknown kind", std::move(detail),
                 "PostgreSQL 13 to 18 on 64-bit little-endian machines are known.");
}

const Layout &LayoutOf(std::uint32_t version) {
    for (const Layout &layout : kLayouts)
        if (layout.version == version) return layout;
    if (version % 65536 == 0 && version != 0)    // the test of pg_controldata
        throw Foreign(fmt::format("Its version number {} is one of another byte order.", version));
    throw Foreign(fmt::format("Its version number is {}.", version));
}

bool IsBlockSize(std::uint32_t size) { return std::has_single_bit(size) && size >= 512 && size <= 65536; }

}    // namespace

std::string_view ClusterStateName(ClusterState state) { return kStateNames.at(static_cast<std::size_t>(state)); }

ControlFile ParseControlFile(ByteView file) {
    if (file.size() < at::kCatalogVersion) throw Damaged(fmt::format("It has only {} bytes.", file.size()));
    auto u32 = [&](std::size_t offset) { return GetLittleEndian<std::uint32_t>(file.data() + offset); };
    auto u64 = [&](std::size_t offset) { return GetLittleEndian<std::uint64_t>(file.data() + offset); };

    const Layout &layout = LayoutOf(u32(at::kVersion));
    if (file.size() < layout.crc_at + 4) throw Damaged(fmt::format("It has only {} bytes.", file.size()));
    if (std::uint32_t found = Crc32c(file.first(layout.crc_at)), said = u32(layout.crc_at); found != said)
        throw Damaged(fmt::format("Its CRC is {:08X}, it says {:08X}.", found, said))
            .WithHint("If a server runs on it, read it again: it may have been written at this moment.");
    if (u32(at::kMaxAlign) != kAlignment || std::bit_cast<double>(u64(at::kFloat)) != kFloatValue)
        throw Foreign("It was written on a machine with another alignment or other floating-point numbers.");

    ControlFile out;
    out.system_identifier = u64(at::kSystemIdentifier);
    out.version = layout.version;
    out.catalog_version = u32(at::kCatalogVersion);
    for (const Release &release : kReleases)
        if (release.catalog_version == out.catalog_version) out.server_major = release.major;
    if (u32(at::kState) >= kStateNames.size()) throw Damaged(fmt::format("It has the state {}.", u32(at::kState)));
    out.state = static_cast<ClusterState>(u32(at::kState));
    out.modified = static_cast<std::int64_t>(u64(at::kTime));
    out.checkpoint = {u64(at::kCheckpoint)};
    out.redo = {u64(at::kRedo)};
    out.timeline = {u32(at::kTimeline)};
    out.previous_timeline = {u32(at::kPreviousTimeline)};
    out.minimum_recovery = {u64(at::kMinimumRecovery)};
    out.minimum_recovery_timeline = {u32(at::kMinimumRecoveryTimeline)};
    out.backup_start = {u64(at::kBackupStart)};
    out.backup_end = {u64(at::kBackupEnd)};
    out.backup_end_required = file[at::kBackupEndRequired] != std::byte{0};
    out.block_size = u32(at::kBlockSize);
    out.blocks_per_file = u32(at::kBlocksPerFile);
    out.wal_block_size = u32(at::kWalBlockSize);
    out.wal_segment_size = u32(at::kWalSegmentSize);
    out.data_checksum_version = u32(at::kDataChecksums);
    if (!IsBlockSize(out.block_size) || !IsBlockSize(out.wal_block_size) || out.blocks_per_file == 0 ||
        !WalSegmentSize::IsValid(out.wal_segment_size) || out.timeline.value == 0)
        throw Damaged(fmt::format(
            "Block size {}, WAL block size {}, blocks a file {}, WAL segment size {}, timeline {}: "
            "one of them is impossible.",
            out.block_size, out.wal_block_size, out.blocks_per_file, out.wal_segment_size, out.timeline.value));
    return out;
}

}    // namespace ark
