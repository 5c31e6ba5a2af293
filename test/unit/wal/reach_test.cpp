#include "wal/reach.h"

#include "unit/pgdata/wal_log_sample.h"
#include "unit/wal/tail_sample.h"
#include "wal/stored_history.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMb = kSmallSegment;
const WalSegmentSize kSize(kSmallSegment);
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00Z");

class Reach : public testing::Test {
protected:
    // The log, at its place in the server's.
    void Lay(std::uint64_t from = kMb) {
        Bytes bytes = log.All();
        std::copy(bytes.begin(), bytes.end(), tail.log.begin() + static_cast<std::ptrdiff_t>(from));
    }
    WalReach Find(const TimelineHistory &history = TimelineHistory(TimelineId{1}), ReachQuestion question = {}) {
        if (question.from == Lsn{}) question.from = {kMb + 100};
        return FindWalReach(*tail.store.repository, *tail.store.keys, history, kSize, question, NeverCancelled());
    }
    std::optional<TimePoint> KnownUntil(const TimelineHistory &history = TimelineHistory(TimelineId{1})) {
        std::optional<KnownTime> known = Find(history).known;
        return known ? std::optional(known->until) : std::nullopt;
    }
    TimelineHistory LeaveAt(std::uint64_t left) {
        std::string text = "1\t" + Lsn{left}.Text() + "\tpromoted\n";
        tail.store.Write(ToBytes(text), "00000002.history");
        return TimelineHistory::Parse({2}, text);
    }

    TailSample tail{true};
    WalLog log{kSize};
};

TEST_F(Reach, GoesToTheEndOfTheSegmentsAndThenOfThePieces) {
    log.Outcome(kNoon);
    log.Filler(2 * kMb);
    Lsn last = log.Outcome(kNoon + 5s);
    Lay();
    EXPECT_EQ(Find().end.value, kMb) << "nothing is there";
    tail.Archive(1);
    EXPECT_EQ(Find().end.value, 2 * kMb);
    EXPECT_EQ(Find().last_outcome, kNoon);
    tail.Archive(2);
    EXPECT_EQ(Find().last_outcome, kNoon) << "looked for further back";
    EXPECT_LT(*Find().last_record, last);
    tail.Begin(3 * kMb);
    tail.Ship(log.end().value, kNoon + 20s);
    WalReach reach = Find();
    EXPECT_EQ(reach.end, log.end());
    EXPECT_EQ(reach.last_record, last);
    EXPECT_EQ(reach.last_outcome, kNoon + 5s);
    EXPECT_EQ(reach.known->until, kNoon + 20s);
    EXPECT_EQ(reach.known->end, log.end());
    tail.Ship(log.end().value, kNoon + 30s);
    EXPECT_EQ(KnownUntil(), kNoon + 30s) << "by a mark";
    tail.store.repository->Remove({layout::Wal(WalFileName::OfSegment(tail.Name(2)))});
    EXPECT_EQ(Find().end.value, 2 * kMb) << "but not over a hole";
    EXPECT_EQ(KnownUntil(), std::nullopt);
}

TEST_F(Reach, ARecordThatEndsInTheNextSegmentIsTheLast) {
    while (log.end().value < 2 * kMb - 1000) log.Filler(500);
    Lsn last = log.Filler(2000);
    Lay();
    ASSERT_LT(last.value, 2 * kMb);
    tail.Archive(1);
    tail.Begin(2 * kMb);
    tail.Ship(log.end().value);
    EXPECT_EQ(Find().last_record, last);
}

TEST_F(Reach, FollowsTheTimelines) {
    log.Outcome(kNoon);
    log.Filler(kMb);
    Lsn left = log.end();
    log.Outcome(kNoon + 7s);
    Lay();
    tail.Archive(1);
    tail.Begin(2 * kMb);
    tail.Ship(log.end().value, kNoon + 8s);
    std::string text = LeaveAt(left.value).Format();
    EXPECT_EQ(NewestTimeline(*tail.store.repository, {1}).value, 2u);
    TimelineHistory history = StoredHistory(*tail.store.repository, *tail.store.keys, {2});
    EXPECT_EQ(history.Format(), text);
    EXPECT_EQ(Find(history).end, left) << "the new one has nothing yet";
    EXPECT_EQ(Find(history).last_outcome, kNoon);
    EXPECT_EQ(KnownUntil(history), std::nullopt) << "what the old one knew is not its past";
    tail.store.repository->SetEpoch(2);
    tail.Begin(log.end().value, 2, left.value);
    tail.Ship(log.end().value, kNoon + 9s);
    EXPECT_EQ(Find(history).last_outcome, kNoon + 7s);
    EXPECT_EQ(KnownUntil(history), kNoon + 9s);
    EXPECT_TRUE(StoredHistory(*tail.store.repository, *tail.store.keys, {3}).switches().empty());
}

TEST_F(Reach, GoesNoFurtherThanAWindow) {
    log.Outcome(kNoon);
    Lsn last = log.Filler(100), end = log.end();
    log.Outcome(kNoon + 5s);
    log.Filler(2 * kMb);
    Lay();
    tail.Archive(1);
    tail.Archive(2);
    EXPECT_EQ(Find().last_outcome, kNoon + 5s);
    WalReach reach = Find(TimelineHistory(TimelineId{1}), {.until = end});
    EXPECT_EQ(reach.end, end);
    EXPECT_EQ(reach.last_record, last);
    EXPECT_EQ(reach.last_outcome, kNoon);
}

TEST_F(Reach, OfATimelineThatWasLeftNothingIsKnownAtThePointOfTheSwitch) {
    log.Outcome(kNoon);
    Lsn early = log.end();
    log.Filler(5000);
    Lsn left = log.end();
    Lay();
    tail.Begin(kMb);
    tail.Ship(early.value, kNoon + 1s);
    tail.Ship(left.value, kNoon + 2s);
    tail.Ship(left.value, kNoon + 1h);
    EXPECT_EQ(KnownUntil(), kNoon + 1h);
    TimelineHistory history = LeaveAt(left.value);
    EXPECT_EQ(Find(history).end, left);
    EXPECT_EQ(KnownUntil(history), kNoon + 1s)
        << "it went on behind that, but whether it waited at the switch before it was left or after, nobody knows";
    EXPECT_EQ(KnownUntil(), kNoon + 1h) << "on its own way it is known";
}

TEST_F(Reach, WhatAnEarlierOwnerKnewIsNotWhatALaterOneDid) {
    log.Outcome(kNoon);
    Lsn end = log.end();
    log.Outcome(kNoon + 5s);
    Lay();
    tail.Begin(kMb);
    tail.Ship(end.value, kNoon + 1h);
    EXPECT_EQ(KnownUntil(), kNoon + 1h);
    tail.store.repository->SetEpoch(2);    // a copy took over
    tail.Begin(log.end().value);
    tail.Ship(log.end().value);
    EXPECT_EQ(Find().end, log.end());
    EXPECT_EQ(Find().last_outcome, kNoon + 5s);
    EXPECT_EQ(KnownUntil(), std::nullopt);
}

TEST_F(Reach, ALaterCommitMayLieFurtherBack) {
    log.Outcome(kNoon + 1h);    // then the clock was set back
    for (int i = 1; i < 5; i++) {
        log.Filler(kMb);
        log.Outcome(kNoon + i * 1min);
    }
    log.Filler(kMb);
    Lay();
    for (unsigned number = 1; number <= 5; number++) tail.Archive(number);
    auto last = [&](TimePoint moment, std::size_t segments) {
        return Find(TimelineHistory(TimelineId{1}), {.moment = moment, .segments = segments}).last_outcome;
    };
    EXPECT_EQ(Find().last_outcome, kNoon + 4min);
    EXPECT_EQ(last(kNoon + 3min, 9), kNoon + 4min) << "that is enough";
    EXPECT_EQ(last(kNoon + 30min, 9), kNoon + 1h);
    EXPECT_EQ(last(kNoon + 30min, 2), kNoon + 4min) << "but not without limit";
    tail.Begin(6 * kMb);
    tail.Ship(log.end().value, kNoon + 40min);
    EXPECT_EQ(last(kNoon + 30min, 9), kNoon + 4min) << "the clock has reached it again";
    EXPECT_EQ(last(kNoon + 50min, 9), kNoon + 1h);
    log.Filler(100);
    log.Outcome(kNoon + 5min);    // and was set back once more
    Lay();
    tail.Ship(log.end().value);
    EXPECT_EQ(last(kNoon + 30min, 9), kNoon + 1h);
}

TEST_F(Reach, APositionBehindTheLastRecordIsThatRecord) {
    Lsn before = log.Outcome(kNoon), last = log.Filler(100);
    Lay();
    tail.Begin(kMb);
    tail.Ship(log.end().value);
    WalReach reach = Find(TimelineHistory(TimelineId{1}), {.times = false});
    EXPECT_EQ(PositionOf(before, reach), std::nullopt);
    EXPECT_EQ(PositionOf({before.value + 1}, reach), std::nullopt) << "between two";
    EXPECT_EQ(PositionOf(last, reach), std::nullopt) << "the very record";
    EXPECT_EQ(PositionOf({last.value + 1}, reach), TargetPosition{last});
    EXPECT_EQ(PositionOf(log.end(), reach), TargetPosition{last});
    EXPECT_EQ(PositionOf(log.end(), WalReach{}), std::nullopt);
    EXPECT_FALSE(reach.known) << "of times nothing was asked";
}

TEST_F(Reach, AMomentBehindTheLastCommitIsAPosition) {
    const TargetPosition kLast{{800}};
    WalReach reach{{900}, Lsn{800}, kNoon, Lsn{700}, KnownTime{kNoon + 60s, {900}}};
    EXPECT_EQ(PositionOf(kNoon - 1us, true, reach, kNoon - 1h), std::nullopt) << "there is a later commit";
    EXPECT_EQ(PositionOf(kNoon, false, reach, kNoon - 1h), std::nullopt) << "recovery stops before it";
    EXPECT_EQ(PositionOf(kNoon, true, reach, kNoon - 1h), kLast) << "the very moment";
    EXPECT_EQ(PositionOf(kNoon + 60s, true, reach, kNoon - 1h), kLast);
    reach.known->until = kNoon + 1h;
    EXPECT_EQ(PositionOf(kNoon + 30min, true, reach, kNoon - 1h), kLast) << "an idle hour";
    EXPECT_EQ(PositionOf(kNoon + 30min, false, reach, kNoon - 1h), kLast);
    reach.known->until = kNoon + 60s;
    Error error = ErrorOf([&] { PositionOf(kNoon + 61s, true, reach, kNoon - 1h); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_NE(error.detail.find("from 2026-11-27T11:00:00Z to 2026-11-27T12:01:00.000000Z"), std::string::npos)
        << error.detail;
    reach.known->until = kNoon - 60s;    // a clock that was set back
    EXPECT_EQ(PositionOf(kNoon - 1s, true, reach, kNoon - 1h), std::nullopt);
    EXPECT_EQ(PositionOf(kNoon, true, reach, kNoon - 1h), kLast);
    reach = {{900}, Lsn{800}, kNoon, Lsn{700}, KnownTime{kNoon + 1h, {600}}};    // and more was committed since
    EXPECT_EQ(PositionOf(kNoon + 1s, true, reach, kNoon - 1h), (TargetPosition{{600}, false}));
    EXPECT_EQ(PositionOf(kNoon, true, reach, kNoon - 1h), kLast) << "its own time is in it";
    EXPECT_EQ(PositionOf(kNoon - 1s, true, reach, kNoon - 1h), std::nullopt);
    reach = {{900}, Lsn{800}, kNoon, Lsn{700}, KnownTime{kNoon - 60s, {900}}};
    reach.last_outcome.reset(), reach.last_outcome_begin.reset();
    EXPECT_EQ(PositionOf(kNoon - 60s, true, reach, kNoon - 1h), kLast) << "no commit at all";
    EXPECT_EQ(ErrorOf([&] { PositionOf(kNoon, true, reach, kNoon - 1h); }).code, Code::kNotFound);
    reach.last_record.reset();
    EXPECT_EQ(ErrorOf([&] { PositionOf(kNoon - 60s, true, reach, kNoon - 1h); }).code, Code::kNotFound);
}

}    // namespace
}    // namespace ark::test
