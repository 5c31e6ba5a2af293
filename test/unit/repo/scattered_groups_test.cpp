#include "repo/scattered_groups.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

FrameRef At(int pack, std::uint64_t at, std::uint64_t stored = 10) {
    FrameRef ref;
    ref.pack = fmt::format("20260116T080000Z-0a1b2c3d/{:016x}{:048x}", pack, 0);
    ref.at = at;
    ref.stored = stored;
    return ref;
}

std::vector<FrameRef> InPacksOfTheirOwn(std::size_t frames) {
    std::vector<FrameRef> refs;
    for (std::size_t i = 0; i < frames; i++) refs.push_back(At(100 + static_cast<int>(i), 0));
    return refs;
}

// A group has 100 bytes, ten frames; four reads are too many.
constexpr ScatteredGroups::Limits kLimits{.stored = 100, .reads = 3, .gap = 5};

std::string Describe(const FrameGroup &group) {
    return fmt::format("{}:{}-{}:{} {}/{}", group.first.path, group.first.frame, group.last.path, group.last.frame,
                       group.reads, group.stored);
}
std::vector<std::string> Chosen(ScatteredGroups &groups, std::uint64_t budget) {
    std::vector<std::string> all;
    for (const FrameGroup &group : groups.Choose(budget)) all.push_back(Describe(group));
    return all;
}

TEST(ScatteredGroups, WhatLiesTogetherIsLeftAlone) {
    ScatteredGroups groups(kLimits);
    for (int i = 0; i < 200; i++)    // by turns in three packs, as three threads store it
        groups.Add(fmt::format("{:04}", i), std::vector{At(i % 3, static_cast<std::uint64_t>(i / 3) * 10)});
    EXPECT_THAT(Chosen(groups, 1'000'000), IsEmpty());
}

TEST(ScatteredGroups, MoreReadsThanAllowedMakeAGroupScattered) {
    for (std::size_t packs : {3, 4}) {
        ScatteredGroups groups(kLimits);
        std::vector<FrameRef> refs;
        for (std::size_t i = 0; i < 10; i++) refs.push_back(At(static_cast<int>(i % packs), i / packs * 10));
        groups.Add("a", refs);
        EXPECT_EQ(Chosen(groups, 1000).size(), packs == 4 ? 1u : 0u);
    }
    ScatteredGroups holes(kLimits);    // in one pack, but with gaps too wide to be read over
    holes.Add("a", std::vector{At(1, 0), At(1, 16), At(1, 32), At(1, 48)});
    EXPECT_THAT(Chosen(holes, 1000), ElementsAre("a:0-a:3 4/40"));
}

TEST(ScatteredGroups, BeginAndEndInsideEntries) {
    ScatteredGroups groups(kLimits);
    groups.Add("a", InPacksOfTheirOwn(7));
    groups.Add("b", {});
    groups.Add("c", InPacksOfTheirOwn(25));
    std::vector<FrameGroup> chosen = groups.Choose(10'000);
    ASSERT_EQ(chosen.size(), 3u);                       // the last has two frames: not too many
    EXPECT_EQ(Describe(chosen[0]), "a:0-c:2 7/100");    // three of them are the same as before
    EXPECT_EQ(Describe(chosen[1]), "c:3-c:12 10/100");
    EXPECT_TRUE(InGroups(chosen, "a", 0));
    EXPECT_TRUE(InGroups(chosen, "b", 7));
    EXPECT_TRUE(InGroups(chosen, "c", 22));
    EXPECT_FALSE(InGroups(chosen, "c", 23));
    EXPECT_FALSE(InGroups(chosen, "d", 0));
    EXPECT_FALSE(InGroups(chosen, "A", 9));
    EXPECT_FALSE(InGroups({}, "a", 0));
}

TEST(ScatteredGroups, OfAGapBetweenGroupsNothingIsIn) {
    ScatteredGroups groups(kLimits);
    groups.Add("a", InPacksOfTheirOwn(10));
    groups.Add("b", std::vector{At(1, 0, 100)});
    groups.Add("c", InPacksOfTheirOwn(10));
    std::vector<FrameGroup> chosen = groups.Choose(10'000);
    ASSERT_EQ(chosen.size(), 2u);
    EXPECT_TRUE(InGroups(chosen, "a", 9));
    EXPECT_FALSE(InGroups(chosen, "a", 10));
    EXPECT_FALSE(InGroups(chosen, "b", 0));
    EXPECT_TRUE(InGroups(chosen, "c", 0));
}

TEST(ScatteredGroups, TheBudgetGoesToTheWorst) {
    for (auto [budget, expected] : std::vector<std::pair<std::uint64_t, std::vector<std::size_t>>>{
             {99, {}}, {100, {10}}, {250, {9, 10}}, {1000, {4, 5, 9, 10}}}) {
        ScatteredGroups groups(kLimits);
        for (std::size_t reads : {4, 5, 9, 10}) {
            std::vector<FrameRef> refs = InPacksOfTheirOwn(reads);
            for (std::size_t i = reads; i < 10; i++) refs.push_back(At(100, (i - reads + 1) * 10));
            groups.Add(fmt::format("{:02}", reads), refs);
        }
        std::vector<std::size_t> chosen;
        for (const FrameGroup &group : groups.Choose(budget)) chosen.push_back(group.reads);
        EXPECT_EQ(chosen, expected) << budget;
    }
}

}    // namespace
}    // namespace ark::test
