#include "pgdata/wal_name.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

const WalSegmentSize k16M(16 << 20), k1M(1 << 20), k1G(1 << 30);

template <class Work>
bool IsRefused(Work work) {
    try {
        work();
        return false;
    } catch (const Error &error) {
        return error.code == Code::kInvalidArgument;
    }
}

TEST(WalName, PositionsAreReadBackAsTheyArePrinted) {
    EXPECT_EQ(ParseLsn("16/B374D848").value, 0x16B374D848u);
    for (const char *text : {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/1"}) EXPECT_EQ(ParseLsn(text).Text(), text);
    EXPECT_EQ(ParseLsn("0a/00b").Text(), "A/B");
    EXPECT_LT(ParseLsn("1/FFFFFFFF"), ParseLsn("2/0"));
}

TEST(WalName, RefusesWhatIsNoPosition) {
    for (const char *text : {"", "/", "1", "1/", "/1", "1/2/3", " 1/2", "1/2 ", "-1/2", "g/1", "123456789/1", "0x1/1"})
        EXPECT_TRUE(IsRefused([&] { ParseLsn(text); })) << text;
}

TEST(WalName, SegmentsFollowFromTimelineNumberAndSize) {
    // pg_walfile_name() of a server 15.
    EXPECT_EQ(SegmentName::Containing({1}, ParseLsn("0/1500718"), k16M).Text(), "000000010000000000000001");
    EXPECT_EQ(SegmentName::Containing({2}, ParseLsn("16/B374D848"), k16M).Text(), "0000000200000016000000B3");
    EXPECT_EQ(SegmentName::Containing({2}, ParseLsn("16/B374D848"), k1M).Text(), "000000020000001600000B37");
    EXPECT_EQ(SegmentName::Containing({2}, ParseLsn("16/B374D848"), k1G).Text(), "000000020000001600000002");
}

TEST(WalName, SegmentsBorderOnEachOther) {
    for (const WalSegmentSize &size : {k1M, k16M, k1G}) {
        for (std::uint64_t number : {std::uint64_t{1}, size.PerLog() - 1, size.PerLog(), 77 * size.PerLog() - 1}) {
            SegmentName name = SegmentName::OfNumber({3}, number, size);
            EXPECT_EQ(name.Number(size), number);
            EXPECT_EQ(ParseSegmentName(name.Text()), name);
            EXPECT_EQ(name.Next(size).Previous(size), name);
            EXPECT_EQ(name.Next(size).Start(size), name.End(size));
            EXPECT_LT(name, name.Next(size));
            EXPECT_LT(name.Text(), name.Next(size).Text());
            EXPECT_TRUE(name.Contains(name.Start(size), size));
            EXPECT_TRUE(name.Contains({name.End(size).value - 1}, size));
            EXPECT_FALSE(name.Contains(name.End(size), size));
            EXPECT_FALSE(name.Contains({name.Start(size).value - 1}, size));
            EXPECT_EQ(name.End(size).value - name.Start(size).value, size.bytes());
        }
    }
    EXPECT_EQ(ParseSegmentName("0000000100000000000000FF").Next(k16M).Text(), "000000010000000100000000");
}

TEST(WalName, RefusesSegmentsThatASizeCannotHave) {
    EXPECT_TRUE(IsRefused([] { ParseSegmentName("000000010000000000000100").Number(k16M); }));
    EXPECT_EQ(ParseSegmentName("000000010000000000000100").Number(k1M), 256u);
    EXPECT_TRUE(IsRefused([] { ParseSegmentName("000000010000000000000004").Start(k1G); }));
    EXPECT_TRUE(IsRefused([] { ParseSegmentName("000000010000000000000000").Previous(k16M); }));
    EXPECT_TRUE(IsRefused([] { ParseSegmentName("00000001FFFFFFFF000000FF").End(k16M); }));
    EXPECT_TRUE(IsRefused([] { ParseSegmentName("00000001FFFFFFFF000000FE").Next(k16M); }));
    EXPECT_EQ(ParseSegmentName("00000001FFFFFFFF000000FE").End(k16M).Text(), "FFFFFFFF/FF000000");
    EXPECT_TRUE(IsRefused([] { SegmentName::Containing({1}, {~std::uint64_t{0}}, k16M); }));
    for (std::uint64_t size : {0ull, 1ull, 16'000'000ull, 1ull << 19, 1ull << 31, (1ull << 32) + (1 << 20)})
        EXPECT_TRUE(IsRefused([&] { WalSegmentSize{size}; })) << size;
}

TEST(WalName, KnowsEveryNameThatIsArchived) {
    using Kind = WalFileName::Kind;
    const std::pair<const char *, Kind> names[] = {
        {"0000000100000000000000C3", Kind::kSegment}, {"0000000100000000000000C3.partial", Kind::kPartial},
        {"00000002.history", Kind::kHistory},         {"0000000100000000000000C3.00000028.backup", Kind::kBackupLabel},
        {"FFFFFFFFFFFFFFFF00000FFF", Kind::kSegment},
    };
    for (const auto &[text, kind] : names) {
        WalFileName name = ParseWalFileName(text);
        EXPECT_EQ(name.kind, kind) << text;
        EXPECT_EQ(name.Text(), text);
    }
    EXPECT_EQ(ParseWalFileName("00000002.history").timeline.value, 2u);
    EXPECT_EQ(ParseWalFileName("0000000A00000000000000C3.00000028.backup").offset, 0x28u);
    EXPECT_EQ(ParseWalFileName("0000000A00000000000000C3.00000028.backup").timeline.value, 10u);
    EXPECT_EQ(ParseTimelineId("0000000A").value, 10u);
}

TEST(WalName, RefusesEveryOtherName) {
    const std::string segment = "0000000100000000000000C3";
    for (const std::string &text : {std::string(),
                                    segment.substr(1),
                                    segment + "0",
                                    std::string("0000000100000000000000c3"),
                                    std::string("0000000000000000000000C3"),
                                    std::string("000000010000000000001000"),
                                    segment + ".gz",
                                    segment + ".partial.partial",
                                    segment + ".backup",
                                    segment + ".0000028.backup",
                                    segment + ".00000028.backup2",
                                    segment + ".0000002g.backup",
                                    "../" + segment,
                                    segment + "/",
                                    " " + segment,
                                    segment + "\n",
                                    std::string("00000000.history"),
                                    std::string("2.history"),
                                    std::string("0000000a.history"),
                                    std::string("00000002.History"),
                                    std::string("RECOVERYXLOG"),
                                    std::string("RECOVERYHISTORY"),
                                    std::string("00000002.history.partial"),
                                    std::string(".history"),
                                    std::string(".partial"),
                                    std::string("archive_status"),
                                    segment + std::string(1, '\0')})
        EXPECT_TRUE(IsRefused([&] { ParseWalFileName(text); })) << text;
    for (const char *text : {"", "1", "00000000", "0000000G", "000000001", "0000000a"})
        EXPECT_TRUE(IsRefused([&] { ParseTimelineId(text); })) << text;
}

}    // namespace
}    // namespace ark
