#include "wal/segment_place.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace ark::test {
namespace {

const WalSegmentSize kSize(1 << 20);
constexpr std::uint64_t kBegin = 5 << 20, kEnd = 6 << 20;

struct SegmentPlaceTest : ::testing::Test {
    // "1 whole up to 0/580000", "2 in pieces up to …", "nowhere".
    std::string Find(const TimelineHistory &history) {
        std::optional<SegmentPlace> place = FindSegment(history, 5, kSize, Stored());
        if (!place) return "nowhere";
        return std::to_string(place->from.timeline.value) +
               (place->whole     ? " whole"
                : place->partial ? " partial"
                                 : " in pieces") +
               " up to " + place->end.Text();
    }
    bool Beside(const TimelineHistory &history) { return WouldGoBeside(history, 5, kSize, Stored()); }
    StoredWal Stored() const {
        return {[&](const SegmentName &name) { return whole.contains(name.timeline.value) && name.Number(kSize) == 5; },
                tail,
                [&](TimelineId timeline) {
                    auto at = left.find(timeline.value);
                    return at == left.end() ? std::nullopt : std::optional(Lsn{at->second});
                },
                [&](const SegmentName &name) {
                    auto at = partial.find(name.timeline.value);
                    return at == partial.end() ? std::nullopt : std::optional(Lsn{at->second});
                }};
    }
    void Piece(std::uint32_t timeline, std::uint64_t start, std::uint64_t end) {
        tail.push_back({.epoch = 1, .timeline = {timeline}, .start = {start}, .end = {end}});
    }
    static TimelineHistory History(std::uint32_t timeline, std::vector<TimelineSwitch> switches) {
        return TimelineHistory({timeline}, std::move(switches));
    }

    std::set<std::uint32_t> whole;
    std::vector<layout::TailName> tail;
    std::map<std::uint32_t, std::uint64_t> left, partial;
    TimelineHistory one{TimelineId{1}};
    TimelineHistory two = History(2, {{{1}, {kBegin + 1000}, ""}});
};

TEST_F(SegmentPlaceTest, OfATimelineWithoutParentsIsItsOwn) {
    EXPECT_EQ(Find(one), "nowhere");
    Piece(1, kBegin + 10, kBegin + 20);
    EXPECT_EQ(Find(one), "nowhere") << "its beginning is missing";
    Piece(1, kBegin, kBegin + 10);
    EXPECT_EQ(Find(one), "1 in pieces up to 0/500014");
    left[1] = kBegin + 16;
    EXPECT_EQ(Find(one), "1 in pieces up to 0/500010") << "where a younger one left it";
    left[1] = kBegin;
    EXPECT_EQ(Find(one), "nowhere");
    whole.insert(1);
    EXPECT_EQ(Find(one), "1 whole up to 0/600000") << "whoever recovers on it is given all of it";
}

TEST_F(SegmentPlaceTest, WhatAPromotedServerArchivedOfTheTimelineThatItLeft) {
    partial[1] = kBegin + 1000;
    EXPECT_EQ(Find(two), "1 partial up to 0/5003E8");
    Piece(1, kBegin, kBegin + 400);
    EXPECT_EQ(Find(two), "1 partial up to 0/5003E8") << "it reaches further";
    Piece(1, kBegin + 400, kBegin + 2000);
    EXPECT_EQ(Find(two), "1 in pieces up to 0/5003E8");
    Piece(2, kBegin, kBegin + 1100);
    EXPECT_EQ(Find(two), "2 in pieces up to 0/50044C");
    tail.clear();
    left[1] = kBegin + 1000;
    EXPECT_EQ(Find(one), "1 partial up to 0/5003E8");
    whole.insert(1);
    EXPECT_EQ(Find(two), "1 whole up to 0/5003E8");
}

TEST(EndOfPartial, IsWhereTheTimelineWasFirstLeftInIt) {
    const SegmentName segment = SegmentName::OfNumber({1}, 5, kSize);
    auto left = [](std::uint32_t timeline, std::uint64_t at) { return TimelineHistory({timeline}, {{{1}, {at}, ""}}); };
    EXPECT_EQ(EndOfPartial(segment, kSize, {}), std::nullopt);
    EXPECT_EQ(EndOfPartial(segment, kSize, {left(2, kEnd + 5), left(3, kBegin)}), std::nullopt);
    EXPECT_EQ(EndOfPartial(segment, kSize, {left(2, kBegin + 900), left(3, kBegin + 700), left(4, kEnd + 5)}),
              Lsn{kBegin + 700});
}

TEST_F(SegmentPlaceTest, TheFirstOfANewTimelineBeginsAsTheOldOnes) {
    Piece(1, kBegin, kBegin + 400);
    EXPECT_EQ(Find(two), "1 in pieces up to 0/500190");
    Piece(1, kBegin + 400, kBegin + 4000);
    EXPECT_EQ(Find(two), "1 in pieces up to 0/5003E8") << "and not behind the point where it was left";
    tail.clear();
    whole = {1};
    EXPECT_EQ(Find(two), "1 whole up to 0/5003E8");
    Piece(2, kBegin, kBegin + 500);
    EXPECT_EQ(Find(two), "1 whole up to 0/5003E8") << "the new one's first piece is not so far yet";
    Piece(2, kBegin + 500, kBegin + 1001);
    EXPECT_EQ(Find(two), "2 in pieces up to 0/5003E9");
    whole = {1, 2};
    EXPECT_EQ(Find(two), "2 whole up to 0/600000");
}

TEST_F(SegmentPlaceTest, SeveralSwitchesInOne) {
    TimelineHistory three = History(3, {{{1}, {kBegin + 1000}, ""}, {{2}, {kBegin + 2000}, ""}});
    whole = {1};
    EXPECT_EQ(Find(three), "1 whole up to 0/5003E8");
    whole = {1, 2};
    EXPECT_EQ(Find(three), "2 whole up to 0/5007D0");
    TimelineHistory back = History(3, {{{1}, {kBegin + 1000}, ""}, {{2}, {kBegin + 600}, ""}});
    EXPECT_EQ(Find(back), "2 whole up to 0/500258") << "a recovery that stopped before the new one began";
}

TEST_F(SegmentPlaceTest, BehindASwitchOnTheBoundaryNothingIsTheOldOnes) {
    TimelineHistory at_begin = History(2, {{{1}, {kBegin}, ""}}), at_end = History(2, {{{1}, {kEnd}, ""}});
    whole = {1};
    EXPECT_EQ(Find(at_begin), "nowhere");
    EXPECT_TRUE(Beside(at_begin)) << "but a server would take it";
    EXPECT_EQ(Find(at_end), "1 whole up to 0/600000");
    EXPECT_FALSE(Beside(at_end)) << "that is the way";
    whole.clear();
    Piece(1, kBegin, kBegin + 10);
    EXPECT_EQ(Find(at_begin), "nowhere");
    EXPECT_FALSE(Beside(at_begin)) << "pieces are given to nobody there";
}

}    // namespace
}    // namespace ark::test
