#include "pgdata/control_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/pgdata/control_sample.h"

namespace ark {
namespace {

using test::Altered;
using test::kReal15;
using test::kReal17;
using test::kReal18;
using test::Set32;

std::optional<Code> Refusal(ByteView file) {
    try {
        ParseControlFile(file);
    } catch (const Error &error) {
        return error.code;
    }
    return std::nullopt;
}

TEST(Crc32c, HasTheCheckValueOfTheStandard) {
    EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283u);
    EXPECT_EQ(Crc32c({}), 0u);
    EXPECT_EQ(Crc32c(Bytes(32)), 0x8A9136AAu);    // RFC 3720, B.4
}

TEST(ControlFile, ReadsARealOne) {
    ControlFile file = ParseControlFile(HexDecode(kReal15));
    EXPECT_EQ(file.system_identifier, 7642011472967116994u);
    EXPECT_EQ(file.version, 1300u);
    EXPECT_EQ(file.catalog_version, 202209061u);
    EXPECT_EQ(file.server_major, 15);
    EXPECT_EQ(ClusterStateName(file.state), "shut down");
    EXPECT_EQ(file.modified, 1779294450);
    EXPECT_EQ(file.checkpoint.Text(), "0/1500718");
    EXPECT_EQ(file.redo.Text(), "0/1500718");
    EXPECT_EQ(file.timeline.value, 1u);
    EXPECT_EQ(file.previous_timeline.value, 1u);
    EXPECT_EQ(file.minimum_recovery, Lsn{});
    EXPECT_EQ(file.minimum_recovery_timeline.value, 0u);
    EXPECT_EQ(file.backup_start, Lsn{});
    EXPECT_EQ(file.backup_end, Lsn{});
    EXPECT_FALSE(file.backup_end_required);
    EXPECT_EQ(file.block_size, 8192u);
    EXPECT_EQ(file.blocks_per_file, 131072u);
    EXPECT_EQ(file.wal_block_size, 8192u);
    EXPECT_EQ(file.wal_segment_size, 16u << 20);
    EXPECT_EQ(file.data_checksum_version, 0u);
    EXPECT_EQ(Refusal(Altered([](Bytes &) {})), std::nullopt) << "the padded file";
}

TEST(ControlFile, ReadsThoseOfLaterServers) {
    ControlFile file = ParseControlFile(HexDecode(kReal17));
    EXPECT_EQ(file.system_identifier, 7713192411116581298u);
    EXPECT_EQ(file.version, 1700u);
    EXPECT_EQ(file.server_major, 17);
    EXPECT_EQ(ClusterStateName(file.state), "shut down");
    EXPECT_EQ(file.redo.Text(), "0/15008C8");
    EXPECT_EQ(file.timeline.value, 1u);
    EXPECT_EQ(file.wal_segment_size, 16u << 20);
    EXPECT_EQ(file.data_checksum_version, 0u);
    file = ParseControlFile(HexDecode(kReal18));
    EXPECT_EQ(file.system_identifier, 7713192441432797942u);
    EXPECT_EQ(file.version, 1800u);
    EXPECT_EQ(file.server_major, 18);
    EXPECT_EQ(file.redo.Text(), "0/1765D28");
    EXPECT_EQ(file.blocks_per_file, 131072u);
    EXPECT_EQ(file.wal_segment_size, 16u << 20);
    EXPECT_EQ(file.data_checksum_version, 1u);
}

TEST(ControlFile, KnowsTheLayoutsOfLaterServers) {
    ControlFile file = ParseControlFile(Altered([](Bytes &bytes) {
        Set32(8, 1700)(bytes);
        Set32(12, 202406281)(bytes);
        Set32(60, 1)(bytes);    // wal_level of the checkpoint
        Set32(252, 1)(bytes);
    }));
    EXPECT_EQ(file.server_major, 17);
    EXPECT_EQ(file.redo.Text(), "0/1500718");
    EXPECT_EQ(file.data_checksum_version, 1u);
    file = ParseControlFile(Altered(
        [](Bytes &bytes) {
            Set32(8, 1800)(bytes);
            Set32(12, 202506291)(bytes);
            bytes.insert(bytes.begin() + 256, std::byte{1});    // default_char_signedness
        },
        292));
    EXPECT_EQ(file.server_major, 18);
    EXPECT_EQ(file.wal_segment_size, 16u << 20);
    EXPECT_EQ(ParseControlFile(Altered(Set32(12, 202301011))).server_major, 0) << "a development version";
}

TEST(ControlFile, ReadsWhereARecoveryStands) {
    ControlFile file = ParseControlFile(Altered([](Bytes &bytes) {
        Set32(16, 5)(bytes);
        Set32(48, 7)(bytes);
        Set32(52, 6)(bytes);
        PutLittleEndian<std::uint64_t>(bytes.data() + 136, 0x1234567890);
        Set32(144, 7)(bytes);
        PutLittleEndian<std::uint64_t>(bytes.data() + 152, 0x1100000028);
        PutLittleEndian<std::uint64_t>(bytes.data() + 160, 0x1200000000);
        bytes[168] = std::byte{1};
    }));
    EXPECT_EQ(ClusterStateName(file.state), "in archive recovery");
    EXPECT_EQ(file.timeline.value, 7u);
    EXPECT_EQ(file.previous_timeline.value, 6u);
    EXPECT_EQ(file.minimum_recovery.Text(), "12/34567890");
    EXPECT_EQ(file.minimum_recovery_timeline.value, 7u);
    EXPECT_EQ(file.backup_start.Text(), "11/28");
    EXPECT_EQ(file.backup_end.Text(), "12/0");
    EXPECT_TRUE(file.backup_end_required);
}

TEST(ControlFile, EveryAlteredBitIsSeen) {
    Bytes real = HexDecode(kReal15);
    for (std::size_t i = 0; i < 292; i++) {
        Bytes altered = real;
        altered[i] ^= std::byte{1};
        EXPECT_TRUE(Refusal(altered)) << i;
    }
    for (std::size_t size = 0; size < 292; size++)
        EXPECT_EQ(Refusal(ByteView(real).first(size)), Code::kCorrupt) << size;
    EXPECT_EQ(Refusal(Bytes(8192)), Code::kUnsupported);
}

TEST(ControlFile, RefusesOtherVersionsAndMachines) {
    EXPECT_EQ(Refusal(Altered(Set32(8, 1201))), Code::kUnsupported);
    EXPECT_EQ(Refusal(Altered(Set32(8, 1902))), Code::kUnsupported);
    EXPECT_EQ(Refusal(Altered(Set32(8, 0x14050000))), Code::kUnsupported) << "another byte order";
    EXPECT_EQ(Refusal(Altered(Set32(204, 4))), Code::kUnsupported) << "another alignment";
    EXPECT_EQ(Refusal(Altered(Set32(208, 4))), Code::kUnsupported) << "other floating-point numbers";
}

TEST(ControlFile, RefusesImpossibleNumbers) {
    const std::pair<std::size_t, std::uint32_t> impossible[] = {{16, 7},  {216, 8000}, {220, 0},
                                                                {224, 0}, {228, 1000}, {48, 0}};
    for (auto [at, value] : impossible) EXPECT_EQ(Refusal(Altered(Set32(at, value))), Code::kCorrupt) << at;
}

}    // namespace
}    // namespace ark
