#include "pgdata/wal_page.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

// The first 40 bytes of 000000010000000000000001, as initdb of server 15.20 left it.
const std::string kFirst15 =
    "10d10200010000000000000100000000"
    "0000000000000000c228aa0ff2e00d6a"
    "0000000100200000";
constexpr std::uint64_t kSystem = 7642011472967116994;
const WalSegmentSize k16M(16 << 20);

WalExpectation Expected() { return {.system_identifier = kSystem, .segment_size = k16M, .server_major = 15}; }
SegmentName Name(const char *text) { return ParseSegmentName(text); }

std::optional<Error> Refusal(ByteView front, const SegmentName &name, const WalExpectation &expected = Expected()) {
    try {
        CheckWalSegmentFront(front, name, expected);
    } catch (const Error &error) {
        return error;
    }
    return std::nullopt;
}

Bytes Front(std::uint32_t timeline, std::uint64_t address) {
    Bytes front = HexDecode(kFirst15);
    PutLittleEndian(front.data() + 4, timeline);
    PutLittleEndian(front.data() + 8, address);
    return front;
}

TEST(WalPage, ReadsTheFrontOfARealSegment) {
    WalLongHeader header = ReadWalLongHeader(HexDecode(kFirst15));
    EXPECT_EQ(header.magic, 0xD110);
    EXPECT_EQ(ServerMajorOfWalMagic(header.magic), 15);
    EXPECT_EQ(header.flags, 2);
    EXPECT_EQ(header.timeline.value, 1u);
    EXPECT_EQ(header.address.Text(), "0/1000000");
    EXPECT_EQ(header.remaining, 0u);
    EXPECT_EQ(header.system_identifier, kSystem);
    EXPECT_EQ(header.segment_size, 16u << 20);
    EXPECT_EQ(header.block_size, 8192u);
    EXPECT_FALSE(Refusal(HexDecode(kFirst15), Name("000000010000000000000001")));
}

// As initdb of servers 17.12 and 18.6 left it.
TEST(WalPage, ReadsThoseOfLaterServers) {
    const std::string k17 = "16d102000100000000000001000000000000000000000000b2b1d7b4a1c30a6b0000000100200000";
    const std::string k18 = "18d102000100000000000001000000000000000000000000f672d4c3a8c30a6b0000000100200000";
    SegmentName name = Name("000000010000000000000001");
    EXPECT_FALSE(Refusal(HexDecode(k17), name,
                         {.system_identifier = 7713192411116581298, .segment_size = k16M, .server_major = 17}));
    EXPECT_FALSE(Refusal(HexDecode(k18), name,
                         {.system_identifier = 7713192441432797942, .segment_size = k16M, .server_major = 18}));
    EXPECT_TRUE(Refusal(HexDecode(k18), name,
                        {.system_identifier = 7713192441432797942, .segment_size = k16M, .server_major = 17}));
}

TEST(WalPage, EveryVersionHasItsMagic) {
    for (int major = 13; major <= 18; major++) EXPECT_EQ(ServerMajorOfWalMagic(WalMagic(major).value()), major);
    EXPECT_EQ(WalMagic(12), std::nullopt);
    EXPECT_EQ(ServerMajorOfWalMagic(0), std::nullopt);
}

TEST(WalPage, ARenamedSegmentIsDamage) {
    std::optional<Error> error = Refusal(HexDecode(kFirst15), Name("000000010000000000000002"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::kCorrupt);
    EXPECT_EQ(error->message, "WAL segment \"000000010000000000000002\" is not what its name says");
    EXPECT_EQ(error->detail, "The position is 0/1000000, expected 0/2000000.");
}

TEST(WalPage, ASegmentOfAnotherClusterOrVersionIsAConflict) {
    WalExpectation expected = Expected();
    expected.system_identifier++;
    std::optional<Error> error = Refusal(HexDecode(kFirst15), Name("000000010000000000000002"), expected);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::kConflict);
    EXPECT_EQ(error->detail,
              "The system identifier is 7642011472967116994, expected 7642011472967116995. The position is 0/1000000, "
              "expected 0/2000000.");
    expected = Expected();
    expected.server_major = 16;
    EXPECT_EQ(Refusal(HexDecode(kFirst15), Name("000000010000000000000001"), expected)->code, Code::kConflict);
    expected.server_major = 0;
    EXPECT_FALSE(Refusal(HexDecode(kFirst15), Name("000000010000000000000001"), expected));
}

TEST(WalPage, ChecksSegmentAndBlockSize) {
    WalExpectation expected = Expected();
    expected.segment_size = WalSegmentSize(64 << 20);
    EXPECT_EQ(Refusal(HexDecode(kFirst15), Name("000000010000000000000001"), expected)->code, Code::kCorrupt);
    expected = Expected();
    expected.block_size = 16384;
    EXPECT_EQ(Refusal(HexDecode(kFirst15), Name("000000010000000000000001"), expected)->code, Code::kCorrupt);
}

TEST(WalPage, RefusesWhatIsNoSegment) {
    SegmentName name = Name("000000010000000000000001");
    EXPECT_EQ(Refusal({}, name)->code, Code::kCorrupt);
    Bytes real = HexDecode(kFirst15);
    EXPECT_EQ(Refusal(ByteView(real).first(39), name)->code, Code::kCorrupt);
    EXPECT_EQ(Refusal(Bytes(8192), name)->code, Code::kCorrupt) << "a segment that was never written to";
    Bytes swapped = real;
    std::swap(swapped[0], swapped[1]);
    EXPECT_EQ(Refusal(swapped, name)->code, Code::kCorrupt) << "another byte order";
    for (int flags : {0x0000, 0x0001, 0x0012, 0x8002}) {
        Bytes altered = real;
        PutLittleEndian(altered.data() + 2, static_cast<std::uint16_t>(flags));
        EXPECT_EQ(Refusal(altered, name)->code, Code::kCorrupt) << flags;
    }
}

TEST(WalPage, TheFirstSegmentOfATimelineBeginsOnItsParents) {
    TimelineHistory history = TimelineHistory::Parse({3}, "1\t0/3000100\t\n2\t0/5000100\t\n");
    WalExpectation expected = Expected();
    expected.history = &history;
    SegmentName first = Name("000000030000000000000005"), next = Name("000000030000000000000006");
    EXPECT_FALSE(Refusal(Front(2, 5 << 24), first, expected));
    EXPECT_EQ(Refusal(Front(1, 5 << 24), first, expected)->detail, "The timeline is 1, expected 2.");
    EXPECT_EQ(Refusal(Front(3, 5 << 24), first, expected)->code, Code::kCorrupt);
    EXPECT_FALSE(Refusal(Front(3, 6 << 24), next, expected));
    EXPECT_EQ(Refusal(Front(2, 6 << 24), next, expected)->code, Code::kCorrupt);
}

TEST(WalPage, WithoutAHistoryAnySmallerTimelineMayBeTheParent) {
    SegmentName name = Name("000000030000000000000005");
    EXPECT_FALSE(Refusal(Front(1, 5 << 24), name));
    EXPECT_FALSE(Refusal(Front(3, 5 << 24), name));
    EXPECT_EQ(Refusal(Front(0, 5 << 24), name)->code, Code::kCorrupt);
    EXPECT_EQ(Refusal(Front(4, 5 << 24), name)->code, Code::kCorrupt);
}

}    // namespace
}    // namespace ark
