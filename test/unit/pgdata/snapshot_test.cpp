#include "pgdata/snapshot.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

TEST(Snapshot, TellsWhichTransactionsHadEnded) {
    Snapshot snapshot = ParseSnapshot("795:799:795,797");
    for (std::uint64_t ended : {3, 794, 796, 798}) EXPECT_TRUE(snapshot.HasEnded(ended)) << ended;
    for (std::uint64_t running : {795, 797, 799, 800}) EXPECT_FALSE(snapshot.HasEnded(running)) << running;
    EXPECT_TRUE(ParseSnapshot("800:800:").HasEnded(799));
    EXPECT_FALSE(ParseSnapshot("800:800:").HasEnded(800));
}

TEST(Snapshot, FindsTheEpochOfATransaction) {
    const std::uint64_t epoch = std::uint64_t{1} << 32;
    Snapshot young{.xmin = epoch + 10, .xmax = epoch + 10, .running = {}};    // just behind a wraparound
    EXPECT_TRUE(young.HasEnded(9));
    EXPECT_FALSE(young.HasEnded(10));
    EXPECT_TRUE(young.HasEnded(epoch - 1)) << "4294967295, before the wraparound";
    EXPECT_FALSE(young.HasEnded(epoch + 10));
    Snapshot old{.xmin = 2 * epoch - 5, .xmax = 2 * epoch - 5, .running = {}};    // just before one
    EXPECT_TRUE(old.HasEnded(epoch - 6));
    EXPECT_FALSE(old.HasEnded(7)) << "behind the wraparound";
    Snapshot first{.xmin = 800, .xmax = 800, .running = {}};
    EXPECT_TRUE(first.HasEnded(3));
    EXPECT_FALSE(first.HasEnded(epoch - 1)) << "there is no epoch before the first";
}

TEST(Snapshot, IsRefusedIfItIsNone) {
    for (const char *text :
         {"", "1", "1:2", "2:1:", "1:2:2", "1:5:3,3", "1:5:4,3", "1:5:,3", "1:5:3,", "x:5:", "1:5:3 "})
        EXPECT_THROW(ParseSnapshot(text), Error) << text;
}

}    // namespace
}    // namespace ark
