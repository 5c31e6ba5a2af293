#include "repo/read_plan.h"

#include <gmock/gmock.h>

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::vector<std::size_t>> Plan(const std::vector<FramePlace> &frames, std::uint64_t gap = 10,
                                           std::uint64_t most = 100) {
    std::vector<std::vector<std::size_t>> plan;
    for (const RangedRead &read : PlanReads(frames, gap, most)) {
        plan.push_back(read.frames);
        for (std::size_t i : read.frames) {    // each is where it says, inside
            EXPECT_GE(frames[i].at, read.at);
            EXPECT_LE(frames[i].at + frames[i].stored, read.at + read.length);
        }
    }
    return plan;
}

TEST(ReadPlan, NeighboursShareAReadInWhateverOrder) {
    EXPECT_THAT(Plan({{1, 0, 20}, {1, 20, 20}, {1, 40, 20}}), ElementsAre(ElementsAre(0, 1, 2)));
    EXPECT_THAT(Plan({{1, 40, 20}, {1, 0, 20}, {1, 20, 20}}), ElementsAre(ElementsAre(1, 2, 0)));
    EXPECT_THAT(Plan({{1, 0, 20}, {2, 0, 20}, {1, 20, 20}, {2, 20, 20}}),
                ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
    EXPECT_THAT(Plan({}), IsEmpty());
}

TEST(ReadPlan, AGapIsReadOverUpToALimit) {
    EXPECT_THAT(Plan({{1, 0, 20}, {1, 30, 20}}), ElementsAre(ElementsAre(0, 1)));
    EXPECT_THAT(Plan({{1, 0, 20}, {1, 31, 20}}), ElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST(ReadPlan, AReadEndsAtItsLimitUnlessOneFrameIsLarger) {
    EXPECT_THAT(Plan({{1, 0, 60}, {1, 60, 40}, {1, 100, 1}}), ElementsAre(ElementsAre(0, 1), ElementsAre(2)));
    EXPECT_THAT(Plan({{1, 0, 500}, {1, 500, 1}}), ElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST(ReadPlan, AFrameWantedTwiceIsReadOnceAndOneThatOverlapsByItself) {
    EXPECT_THAT(Plan({{1, 0, 60}, {1, 0, 60}, {1, 0, 60}}), ElementsAre(ElementsAre(0, 1, 2)));
    EXPECT_THAT(Plan({{1, 0, 60}, {1, 30, 60}}), ElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST(ReadPlan, ReadsComeInTheOrderInWhichTheyAreNeeded) {
    EXPECT_THAT(Plan({{9, 500, 10}, {3, 0, 10}, {9, 0, 10}, {1, 0, 10}}),
                ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2), ElementsAre(3)));
}

}    // namespace
}    // namespace ark::test
