#include "pgdata/wal_gap.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

const WalSegmentSize kSize(std::uint64_t{16} << 20);

SegmentName Name(std::uint64_t number, std::uint32_t timeline = 1) {
    return SegmentName::OfNumber({timeline}, number, kSize);
}
TimePoint At(int second) { return ParseTime("2026-01-16T08:00:00Z") + std::chrono::seconds(second); }

TEST(WalGap, NeighboursAreOneGap) {
    std::vector<WalGap> gaps;
    EXPECT_TRUE(AddToWalGaps(gaps, Name(5), kSize, At(1), "full"));
    EXPECT_FALSE(AddToWalGaps(gaps, Name(6), kSize, At(2), "full"));
    EXPECT_FALSE(AddToWalGaps(gaps, Name(6), kSize, At(3), "full")) << "once more";
    EXPECT_TRUE(AddToWalGaps(gaps, Name(9), kSize, At(4), "full"));
    EXPECT_TRUE(AddToWalGaps(gaps, Name(10, 2), kSize, At(5), "full")) << "another timeline";
    EXPECT_TRUE(AddToWalGaps(gaps, Name(10), kSize, At(6), "other")) << "another reason";
    ASSERT_EQ(gaps.size(), 4U);
    EXPECT_EQ(gaps[0], (WalGap{Name(5), Name(6), At(1), At(2), "full"}));
    EXPECT_EQ(gaps[0].Names(), "000000010000000000000005 to 000000010000000000000006");
    EXPECT_EQ(gaps[1].Names(), "000000010000000000000009");
    EXPECT_TRUE(gaps[0].Contains(Name(6)));
    EXPECT_FALSE(gaps[0].Contains(Name(7)));
    EXPECT_FALSE(gaps[0].Contains(Name(6, 2)));
}

TEST(WalGap, GoesOverTheBoundaryOf4GiB) {
    std::vector<WalGap> gaps;
    AddToWalGaps(gaps, Name(255), kSize, At(1), "full");
    EXPECT_FALSE(AddToWalGaps(gaps, Name(256), kSize, At(2), "full"));
    EXPECT_EQ(gaps[0].Names(), "0000000100000000000000FF to 000000010000000100000000");
}

TEST(WalGap, ComesBackAsItWasWritten) {
    std::vector<WalGap> gaps{{Name(5), Name(6), At(1), At(2), "the disk; was full"},
                             {Name(9), Name(9), At(3), At(3), ""}};
    EXPECT_EQ(ParseWalGaps(FormatWalGaps(gaps)), gaps);
    std::vector<WalGap> one;
    AddToWalGaps(one, Name(5), kSize, At(1), "two\nlines");
    EXPECT_EQ(ParseWalGaps(FormatWalGaps(one)), one);
    EXPECT_EQ(one[0].reason, "two lines");
}

TEST(WalGap, ALineThatCannotBeReadIsNone) {
    std::string good = FormatWalGaps({{Name(5), Name(6), At(1), At(2), "full"}});
    EXPECT_EQ(ParseWalGaps("nonsense\n" + good + "000000010000000000000009 0000000100000000000000").size(), 1U);
    EXPECT_TRUE(ParseWalGaps("000000010000000000000006 000000010000000000000005 2026-01-16T08:00:00Z "
                             "2026-01-16T08:00:00Z backwards\n")
                    .empty());
    EXPECT_TRUE(ParseWalGaps("").empty());
}

TEST(WalGap, IsKeptBesideTheWal) {
    TemporaryDirectory directory;
    std::filesystem::create_directory(directory.path() / "pg_wal");
    EXPECT_TRUE(ReadLocalWalGaps(directory.path()).empty());
    EXPECT_TRUE(NoteLocalWalGap(directory.path(), Name(5), kSize, At(1), "full"));
    EXPECT_FALSE(NoteLocalWalGap(directory.path(), Name(6), kSize, At(2), "full"));
    EXPECT_EQ(ReadLocalWalGaps(directory.path()), (std::vector<WalGap>{{Name(5), Name(6), At(1), At(2), "full"}}));
    EXPECT_THROW(NoteLocalWalGap(directory.path() / "nowhere", Name(5), kSize, At(1), "full"), Error);
}

}    // namespace
}    // namespace ark::test
