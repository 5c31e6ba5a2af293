#include "logical/plan.h"

#include <gtest/gtest.h>

namespace ark {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

TEST(Plan, OneReaderReadsEveryTableAsOneUpToALimit) {
    EXPECT_TRUE(ReadAsOne({10 * kGiB}, 10 * kGiB, 1));
    EXPECT_TRUE(ReadAsOne({kMostReadAsOne}, 100 * kGiB, 1));
    EXPECT_FALSE(ReadAsOne({kMostReadAsOne + 8192}, 100 * kGiB, 1));
}

TEST(Plan, SeveralReadersDivideATableThatIsMoreThanAShare) {
    EXPECT_TRUE(ReadAsOne({2 * kGiB}, 8 * kGiB, 4));
    EXPECT_FALSE(ReadAsOne({3 * kGiB}, 8 * kGiB, 4));
    EXPECT_FALSE(ReadAsOne({3 * kGiB}, 0, 2));    // it grew since the total was asked for
    EXPECT_TRUE(ReadAsOne({kChunkBytes}, kChunkBytes, 16));
}

// The frames of a table that is read as one are held until it is through: the others must have room beside it.
TEST(Plan, ManyReadersReadOnlySmallerTablesAsOne) {
    EXPECT_TRUE(ReadAsOne({12 * kGiB}, 1000 * kGiB, 8));
    EXPECT_FALSE(ReadAsOne({13 * kGiB}, 1000 * kGiB, 8));
    EXPECT_TRUE(ReadAsOne({24 * kGiB}, 1000 * kGiB, 4));
    EXPECT_FALSE(ReadAsOne({25 * kGiB}, 1000 * kGiB, 4));
}

TEST(Plan, ToastCountsAndMakesChunksShorter) {
    EXPECT_FALSE(ReadAsOne({2 * kGiB, 500 * kGiB}, 600 * kGiB, 1));
    EXPECT_FALSE(ReadAsOne({kGiB, 3 * kGiB}, 8 * kGiB, 4));
    EXPECT_EQ(BlocksOfChunk({kGiB, kGiB}, 8192), 8192u);
    EXPECT_EQ(BlocksOfChunk({kGiB, 2 * kGiB}, 8192), 2048u);
    EXPECT_EQ(BlocksOfChunk({kGiB, 4 * kGiB}, 8192), 2048u);
    EXPECT_EQ(BlocksOfChunk({kGiB, 5 * kGiB}, 8192), 512u);
    EXPECT_EQ(BlocksOfChunk({8192, 500 * kGiB}, 8192), 1u);
    EXPECT_EQ(BlocksOfChunk({0, kGiB}, 8192), 1u);
    std::uint64_t end = 0;
    for (std::uint64_t number = 0;; number++) {
        std::optional<BlockRange> range = ChunkOf({100 * 8192, 10 * kGiB}, 8192, number);
        if (!range) break;
        EXPECT_EQ(range->first, end);
        end = range->end;
    }
    EXPECT_EQ(end, 100u);
}

TEST(Plan, AReaderNeedsTwoCores) {
    EXPECT_EQ(BusyReaders(2, 1), 1u);
    EXPECT_EQ(BusyReaders(2, 2), 1u);
    EXPECT_EQ(BusyReaders(2, 8), 2u);
    EXPECT_EQ(BusyReaders(16, 8), 4u);
    EXPECT_EQ(BusyReaders(2, 0), 1u);    // not known
}

TEST(Plan, ChunksCoverTheHeapAndTheLastIsOpen) {
    std::uint64_t blocks = 0;
    for (std::uint64_t number = 0;; number++) {
        std::optional<BlockRange> range = ChunkOf({kChunkBytes * 5 / 2}, 8192, number);
        if (!range) break;
        EXPECT_EQ(range->first, blocks);
        EXPECT_EQ(range->open, number == 2);
        EXPECT_FALSE(range->whole);
        blocks = range->end;
    }
    EXPECT_EQ(blocks, kChunkBytes * 5 / 2 / 8192);
}

TEST(Plan, AWholeHeapIsReadByCopyOfTheTable) {
    BackupTable table;
    table.schema = "public";
    table.name = "t";
    table.copy = {"a"};
    EXPECT_EQ(CopyChunkSql(table, WholeHeap({10 * kGiB}, 8192), "UTF8"),
              "COPY \"public\".\"t\" (\"a\") TO STDOUT WITH (ENCODING 'UTF8')");
    EXPECT_NE(CopyChunkSql(table, ChunkOf({10 * kGiB}, 8192, 1), "UTF8").find("ctid >= '(8192,0)'"), std::string::npos);
}

}    // namespace
}    // namespace ark
