#include "physical/piece.h"

#include <gtest/gtest.h>

#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kUnit = 8 << 10;

FrameRef Frame(std::uint64_t number, std::uint64_t units) {
    FrameRef frame;
    frame.pack = "20261128T000000Z-00000000/" + std::string(64, 'a');
    frame.frame = number;
    frame.at = number;
    frame.stored = 1;
    frame.size = units * kUnit;
    frame.digest = std::string(64, 'd');
    return frame;
}
std::string Digest(char c) { return std::string(kUnitDigits, c); }

// Units a b c d e, in frames of 3 and 2.
Piece FivePlain() {
    PieceBuilder builder;
    for (char c : {'a', 'b', 'c'}) builder.Add(Digest(c));
    builder.Filled(Frame(0, 3));
    for (char c : {'d', 'e'}) builder.Add(Digest(c));
    builder.Filled(Frame(1, 2));
    return builder.Finish();
}

TEST(Piece, WhoseFramesFollowOneAnotherNeedsNoMap) {
    Json entry = PieceEntry("file/x#0000000000", FivePlain(), kUnit);
    EXPECT_FALSE(entry.contains("map"));
    Piece back = PieceFromEntry(entry, 5 * kUnit, kUnit);
    EXPECT_EQ(back.map, FivePlain().map);
    EXPECT_EQ(back.units, FivePlain().units);
    EXPECT_EQ(back.Unit(3), Digest('d'));
}

TEST(Piece, KeepsWhatIsTheSameAndStoresTheRestTogether) {
    Piece base = FivePlain();
    PieceBuilder builder;
    builder.Keep(base, 0, 0, Digest('a'));
    EXPECT_EQ(builder.Add(Digest('X')), 0u);
    builder.Keep(base, 0, 2, Digest('c'));
    EXPECT_EQ(builder.Add(Digest('Y')), 1u) << "into the same new frame";
    builder.Keep(base, 1, 1, Digest('e'));
    EXPECT_TRUE(builder.filling());
    builder.Filled(Frame(9, 2));
    Piece piece = builder.Finish();
    EXPECT_EQ(piece.map, (std::vector<UnitRun>{{1, 0, 0}, {1, 1, 0}, {1, 0, 2}, {1, 1, 1}, {1, 2, 1}}));
    ASSERT_EQ(piece.frames.size(), 3u);
    EXPECT_EQ(piece.frames[1].frame, 9u);
    EXPECT_EQ(piece.units, Digest('a') + Digest('X') + Digest('c') + Digest('Y') + Digest('e'));
    Json entry = PieceEntry("file/x#0000000000", piece, kUnit);
    EXPECT_TRUE(entry.contains("map"));
    EXPECT_EQ(PieceFromEntry(entry, 5 * kUnit, kUnit).map, piece.map);
    EXPECT_EQ(PieceFromEntry(entry, 4 * kUnit + 1, kUnit).Units(), 5u) << "the last unit may be short";
}

TEST(Piece, RunsOfTheSameFrameAreOne) {
    Piece base = FivePlain();
    PieceBuilder builder;
    builder.Keep(base, 0, 0, Digest('a'));
    builder.Keep(base, 0, 1, Digest('b'));
    builder.Keep(base, 0, 2, Digest('c'));
    builder.Keep(base, 1, 0, Digest('d'));
    builder.Keep(base, 1, 1, Digest('e'));
    EXPECT_EQ(builder.Finish().map, base.map);
}

TEST(Piece, WhatCannotBeRightIsRefused) {
    const Json good = PieceEntry("file/x#0000000000", FivePlain(), kUnit);
    auto refused = [&](auto change, std::uint64_t length = 5 * kUnit, std::uint64_t unit = kUnit) {
        Json entry = good;
        change(entry);
        return Thrown([&] { PieceFromEntry(entry, length, unit); }) == Code::kCorrupt;
    };
    auto nothing = [](Json &) {};
    EXPECT_FALSE(refused(nothing));
    EXPECT_TRUE(refused(nothing, 6 * kUnit)) << "a unit is missing";
    EXPECT_TRUE(refused(nothing, 4 * kUnit));
    EXPECT_TRUE(refused(nothing, 5 * kUnit, 3 * kUnit)) << "no power of two";
    EXPECT_TRUE(refused(nothing, kPieceSize + 1));
    EXPECT_TRUE(refused([](Json &entry) { entry.erase("units"); }));
    EXPECT_TRUE(refused([](Json &entry) { entry["units"] = entry["units"].get<std::string>() + "0"; }));
    EXPECT_TRUE(refused([](Json &entry) { entry["frames"].erase(1); }));
    for (const char *map :
         {"[[5,2,0]]", "[[3,0,0]]", "[[3,0,0],[3,1,0]]", "[[3,0,1],[2,1,0]]", "[[0,0,0],[3,0,0],[2,1,0]]",
          "[[3,0,0],[2,1]]", "[[3,0,-1],[2,1,0]]", "[[3,0,18446744073709551615],[2,1,0]]", "[3,0,0]", "{}"})
        EXPECT_TRUE(refused([&](Json &entry) { entry["map"] = Json::parse(map); })) << map;
    EXPECT_FALSE(refused([](Json &entry) { entry["map"] = Json::parse("[[2,1,0],[3,0,0]]"); }))
        << "any order covers it";
}

TEST(Piece, UnitsGrowWithTheFile) {
    EXPECT_EQ(UnitFor(0), kSmallestUnit);
    EXPECT_EQ(UnitFor(4 << 20), 2 * kSmallestUnit);
    EXPECT_EQ(UnitFor(std::uint64_t{1} << 40), 4 * kSmallestUnit);
}

}    // namespace
}    // namespace ark::test
