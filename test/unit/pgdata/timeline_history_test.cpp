#include "pgdata/timeline_history.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

// As a server writes it at its third promotion.
const std::string kThird =
    "1\t0/30000A0\tno recovery target specified\n\n2\t0/5000148\tbefore 2026-01-16 08:00:00+00\n";

TimelineHistory Third() { return TimelineHistory::Parse({3}, kThird); }

bool IsRefused(const std::string &text, std::uint32_t timeline = 9) {
    try {
        TimelineHistory::Parse({timeline}, text);
        return false;
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kCorrupt);
        EXPECT_FALSE(error.detail.empty());
        return true;
    }
}

TEST(TimelineHistory, ReadsWhatAServerWritesAndWritesItBack) {
    TimelineHistory history = Third();
    ASSERT_EQ(history.switches().size(), 2u);
    EXPECT_EQ(history.switches()[0], (TimelineSwitch{{1}, ParseLsn("0/30000A0"), "no recovery target specified"}));
    EXPECT_EQ(history.switches()[1], (TimelineSwitch{{2}, ParseLsn("0/5000148"), "before 2026-01-16 08:00:00+00"}));
    EXPECT_EQ(history.Format(), kThird);
    EXPECT_EQ(history.Chain(), (std::vector<TimelineId>{{3}, {2}, {1}}));
    EXPECT_EQ(history.Begin(), ParseLsn("0/5000148"));
    EXPECT_EQ(history.Left({2}), ParseLsn("0/5000148"));
    EXPECT_EQ(history.Left({1}), ParseLsn("0/30000A0"));
    EXPECT_EQ(history.Left({3}), std::nullopt);
    EXPECT_EQ(history.Left({4}), std::nullopt);
}

TEST(TimelineHistory, PassesOverCommentsAndBlankLinesAndWhatFollowsThePosition) {
    TimelineHistory history = TimelineHistory::Parse(
        {9}, "# a comment\n\n   \t\r\n  # another\n  4 1/a0\n7\tAB/CD\t\treason, with\ttabs \r\n8   2/0");
    ASSERT_EQ(history.switches().size(), 3u);
    EXPECT_EQ(history.switches()[0], (TimelineSwitch{{4}, ParseLsn("1/A0"), ""}));
    EXPECT_EQ(history.switches()[1], (TimelineSwitch{{7}, ParseLsn("AB/CD"), "reason, with\ttabs"}));
    EXPECT_EQ(history.switches()[2], (TimelineSwitch{{8}, ParseLsn("2/0"), ""}));
}

TEST(TimelineHistory, ATimelineWithoutAFileHasNoParents) {
    for (const TimelineHistory &history : {TimelineHistory({1}), TimelineHistory::Parse({1}, "")}) {
        EXPECT_EQ(history.Chain(), std::vector<TimelineId>{{1}});
        EXPECT_EQ(history.Begin(), std::nullopt);
        EXPECT_EQ(history.At(ParseLsn("7/0")).value, 1u);
        EXPECT_EQ(history.Format(), "");
    }
}

TEST(TimelineHistory, RefusesWhatAServerRefuses) {
    for (const char *text : {"x\t0/1\n", "1\n", "1\t0\n", "1\t0/\n", "1\tx/1\n", "\t0/1\n", "-1\t0/1\n", "0\t0/1\n",
                             "1\t123456789/1\n", "99999999999\t0/1\n", "1\t0/0\n", "1\t0/1\nbroken\n"})
        EXPECT_TRUE(IsRefused(text)) << text;
    EXPECT_TRUE(IsRefused("2\t0/1\n1\t0/2\n")) << "timelines must ascend";
    EXPECT_TRUE(IsRefused("2\t0/1\n2\t0/2\n"));
    EXPECT_TRUE(IsRefused("3\t0/1\n", 3)) << "an ancestor is smaller";
    EXPECT_TRUE(IsRefused("4\t0/1\n", 3));
}

TEST(TimelineHistory, SaysOnWhichTimelineAByteWasWritten) {
    TimelineHistory history = Third();
    EXPECT_EQ(history.At(ParseLsn("0/0")).value, 1u);
    EXPECT_EQ(history.At(ParseLsn("0/300009F")).value, 1u);
    EXPECT_EQ(history.At(ParseLsn("0/30000A0")).value, 2u);
    EXPECT_EQ(history.At(ParseLsn("0/5000147")).value, 2u);
    EXPECT_EQ(history.At(ParseLsn("0/5000148")).value, 3u);
}

TEST(TimelineHistory, DescendsFromPointsThatItContainsOnly) {
    TimelineHistory history = Third();
    auto from = [&](std::uint32_t timeline, const char *lsn) {
        return history.DescendsFrom({timeline}, ParseLsn(lsn));
    };
    EXPECT_TRUE(from(1, "0/1"));
    EXPECT_TRUE(from(1, "0/30000A0")) << "all that was written before the switch is here";
    EXPECT_FALSE(from(1, "0/30000A1")) << "the old primary wrote on after the switch";
    EXPECT_TRUE(from(2, "0/30000A0"));
    EXPECT_FALSE(from(2, "0/3000000")) << "timeline 2 has no such point";
    EXPECT_TRUE(from(2, "0/5000148"));
    EXPECT_FALSE(from(2, "0/5000149"));
    EXPECT_TRUE(from(3, "0/5000148"));
    EXPECT_TRUE(from(3, "9/0"));
    EXPECT_FALSE(from(3, "0/1"));
    EXPECT_FALSE(from(4, "0/1"));
    EXPECT_TRUE(TimelineHistory({1}).DescendsFrom({1}, ParseLsn("0/1")));
    EXPECT_FALSE(TimelineHistory::Parse({4}, "1\t0/30000A0\t\n").DescendsFrom({2}, ParseLsn("0/4000000")))
        << "a sister";
}

// A recovery to a point of timeline 1, told to follow timeline 2, makes timeline 3 with this history.
TEST(TimelineHistory, AnOlderSwitchPointAfterANewerOneWins) {
    TimelineHistory history = TimelineHistory::Parse({3}, "1\t0/5000000\t\n2\t0/3000000\tbefore LSN 0/3000000\n");
    EXPECT_EQ(history.At(ParseLsn("0/2FFFFFF")).value, 1u);
    EXPECT_EQ(history.At(ParseLsn("0/3000000")).value, 3u);
    EXPECT_EQ(history.At(ParseLsn("0/6000000")).value, 3u);
    EXPECT_EQ(history.Left({1}), ParseLsn("0/3000000"));
    EXPECT_TRUE(history.DescendsFrom({1}, ParseLsn("0/3000000")));
    EXPECT_FALSE(history.DescendsFrom({1}, ParseLsn("0/4000000"))) << "that part of timeline 1 is not in the history";
    EXPECT_FALSE(history.DescendsFrom({2}, ParseLsn("0/5000000"))) << "nothing of timeline 2 is";
    EXPECT_EQ(TimelineHistory::Parse({3}, history.Format()).switches(), history.switches());
}

}    // namespace
}    // namespace ark
