#include "wal/tail_chain.h"

#include <gtest/gtest.h>

namespace ark {
namespace {

const WalSegmentSize kSize(1 << 20);

layout::TailName Piece(std::uint64_t start, std::uint64_t end, std::uint64_t epoch = 1, std::uint32_t timeline = 1) {
    return {.epoch = epoch, .timeline = {timeline}, .start = {start}, .end = {end}};
}
layout::TailName Mark(std::uint64_t at) { return {.epoch = 1, .timeline = {1}, .start = {at}, .end = {at}, .mark = 1}; }
constexpr std::uint64_t kBegin = 3 << 20, kEnd = 4 << 20;
const SegmentName kSegment = SegmentName::OfNumber({1}, 3, kSize);
using Names = std::vector<layout::TailName>;

TEST(TailChain, FollowsOneAnotherUpToTheHole) {
    Names names{Piece(kBegin, kBegin + 10), Piece(kBegin + 10, kBegin + 30), Piece(kBegin + 40, kBegin + 50)};
    EXPECT_EQ(ChainOf(names, kSegment, kSize), Names(names.begin(), names.begin() + 2));
    names.erase(names.begin());
    EXPECT_TRUE(ChainOf(names, kSegment, kSize).empty()) << "without its beginning nothing is of use";
}

TEST(TailChain, TakesWhatReachesFurthest) {
    Names names{Piece(kBegin, kBegin + 10), Piece(kBegin, kBegin + 30), Piece(kBegin + 10, kBegin + 20),
                Piece(kBegin + 30, kBegin + 31), Mark(kBegin + 31)};
    EXPECT_EQ(ChainOf(names, kSegment, kSize), (Names{names[1], names[3]}));
}

TEST(TailChain, TakesTheRowThatReachesFurthestWhereRowsCross) {
    // One that died with pieces on their way left the second; its successor cut at other places.
    Names names{Piece(kBegin, kBegin + 10), Piece(kBegin + 20, kBegin + 40), Piece(kBegin + 10, kBegin + 20),
                Piece(kBegin + 20, kBegin + 30), Piece(kBegin + 30, kBegin + 50)};
    EXPECT_EQ(ChainOf(names, kSegment, kSize), (Names{names[0], names[2], names[3], names[4]}));
    names.pop_back();
    EXPECT_EQ(ChainOf(names, kSegment, kSize), (Names{names[0], names[2], names[1]}));
    names.push_back(Piece(kBegin, kBegin + 20));
    names.push_back(Piece(kBegin + 40, kEnd));
    names.push_back(Piece(kBegin + 30, kEnd));
    EXPECT_EQ(ChainOf(names, kSegment, kSize).size(), 3u);
    EXPECT_EQ(ChainOf(names, kSegment, kSize).front(), names[4]) << "of the fewest pieces";
}

TEST(TailChain, ALaterOwnerMayGoOnWhereAnEarlierOneWas) {
    Names names{Piece(kBegin, kBegin + 10), Piece(kBegin + 10, kBegin + 50), Piece(kBegin + 50, kBegin + 60, 2),
                Piece(kBegin, kBegin + 70, 3, 2)};
    EXPECT_EQ(ChainOf(WithoutSuperseded(names), kSegment, kSize), Names(names.begin(), names.begin() + 3));
    names[2].start = {kBegin + 20};
    EXPECT_EQ(ChainOf(WithoutSuperseded(names), kSegment, kSize), Names{names[0]}) << "not over what lies behind";
    names[2].start = {kBegin};
    EXPECT_EQ(ChainOf(WithoutSuperseded(names), kSegment, kSize), Names{names[2]});
}

TEST(TailChain, EndsWithItsSegment) {
    Names names{Piece(kBegin, kEnd), Piece(kEnd, kEnd + 10)};
    EXPECT_EQ(ChainOf(names, kSegment, kSize), Names{names[0]});
}

TEST(TailChain, ALaterPieceOrMarkTellsThatTheSegmentWasWritten) {
    EXPECT_FALSE(TellsOfEnd({Piece(kBegin, kEnd - 1), Mark(kEnd - 1)}, kSegment, kSize, {}));
    for (const layout::TailName &name :
         {Piece(kBegin, kEnd), Piece(kEnd, kEnd + 1), Piece(kEnd + 8, kEnd + 9), Mark(kEnd)})
        EXPECT_TRUE(TellsOfEnd({name}, kSegment, kSize, {})) << layout::Tail(name);
    EXPECT_FALSE(TellsOfEnd({Piece(kEnd, kEnd + 1, 1, 2)}, kSegment, kSize, {})) << "of another timeline";
    EXPECT_FALSE(TellsOfEnd({Piece(kEnd, kEnd + 1)}, kSegment, kSize, Lsn{kEnd - 1}))
        << "the younger timeline left before the end";
    EXPECT_TRUE(TellsOfEnd({Piece(kEnd, kEnd + 1)}, kSegment, kSize, Lsn{kEnd}));
}

TEST(TailChain, WhatALaterOwnerShippedTakesTheEarlierOnesPlace) {
    Names names{Piece(kBegin, kBegin + 10), Piece(kBegin + 10, kEnd), Piece(kEnd, kEnd + 50), Mark(kEnd + 50)};
    EXPECT_EQ(WithoutSuperseded(names), names);
    names.push_back(Piece(kBegin, kBegin + 5, 1, 2));
    names.push_back(Piece(kBegin, kBegin + 7, 4, 2));
    names.push_back(Piece(kEnd, kEnd + 20, 3));
    EXPECT_EQ(WithoutSuperseded(names), (Names{names[0], names[1], names[5], names[6]}))
        << "from where on it shipped, on that timeline";
    EXPECT_TRUE(TellsOfEnd(names, SegmentName::OfNumber({1}, 2, kSize), kSize, {}));
    names = {Piece(kBegin, kBegin + 100), Mark(kBegin + 100)};
    names.push_back({.epoch = 2, .timeline = {1}, .start = {kBegin + 50}, .end = {kBegin + 50}, .mark = 1});
    EXPECT_EQ(WithoutSuperseded(names), Names{names[2]}) << "a mark tells where its server was";
}

TEST(TailChain, PiecesStayFew) {
    std::vector<int> levels;
    std::size_t most = 0;
    for (int i = 0; i < 100'000; i++) {
        levels.push_back(0);
        while (std::size_t count = ToJoin(levels)) {
            int level = levels.back();
            levels.resize(levels.size() - count);
            levels.push_back(level + 1);
        }
        most = std::max(most, levels.size());
    }
    EXPECT_LE(most, 42u);
    EXPECT_EQ(ToJoin({0, 0, 0, 0, 0, 0, 0}), 0u);
    EXPECT_EQ(ToJoin({1, 0, 0, 0, 0, 0, 0, 0}), 0u);
    EXPECT_EQ(ToJoin({1, 0, 0, 0, 0, 0, 0, 0, 0}), 8u);
}

}    // namespace
}    // namespace ark
