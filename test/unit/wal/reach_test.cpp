#include "wal/reach.h"

#include "unit/pgdata/wal_log_sample.h"
#include "unit/wal/tail_sample.h"

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
    WalReach Find(const TimelineHistory &history = TimelineHistory(TimelineId{1}), std::uint64_t from = kMb + 100) {
        return FindWalReach(*tail.store.repository, *tail.store.keys, history, kSize, {from}, NeverCancelled());
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
    EXPECT_EQ(reach.known_until, kNoon + 20s);
    tail.Ship(log.end().value, kNoon + 30s);
    EXPECT_EQ(Find().known_until, kNoon + 30s) << "by a mark";
    tail.store.repository->Remove({layout::Wal(WalFileName::OfSegment(tail.Name(2)))});
    EXPECT_EQ(Find().end.value, 2 * kMb) << "but not over a hole";
    EXPECT_EQ(Find().known_until, std::nullopt);
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
    std::string text = "1\t" + left.Text() + "\tpromoted\n";
    tail.store.Write(ToBytes(text), "00000002.history");
    EXPECT_EQ(NewestTimeline(*tail.store.repository, {1}).value, 2u);
    TimelineHistory history = StoredHistory(*tail.store.repository, *tail.store.keys, {2});
    EXPECT_EQ(history.Format(), TimelineHistory::Parse({2}, text).Format());
    EXPECT_EQ(Find(history).end, left) << "the new one has nothing yet";
    EXPECT_EQ(Find(history).last_outcome, kNoon);
    EXPECT_EQ(Find(history).known_until, std::nullopt) << "what the old one knew is not its past";
    tail.store.repository->SetEpoch(2);
    tail.Begin(log.end().value, 2, left.value);
    tail.Ship(log.end().value, kNoon + 9s);
    EXPECT_EQ(Find(history).last_outcome, kNoon + 7s);
    EXPECT_EQ(Find(history).known_until, kNoon + 9s);
    EXPECT_TRUE(StoredHistory(*tail.store.repository, *tail.store.keys, {3}).switches().empty());
}

TEST_F(Reach, AMomentBehindTheLastCommitIsAPosition) {
    WalReach reach{{900}, Lsn{800}, kNoon, kNoon + 60s};
    EXPECT_EQ(PositionOf(kNoon - 1us, true, reach, kNoon - 1h), std::nullopt) << "there is a later commit";
    EXPECT_EQ(PositionOf(kNoon, false, reach, kNoon - 1h), std::nullopt) << "recovery stops before it";
    EXPECT_EQ(PositionOf(kNoon, true, reach, kNoon - 1h), Lsn{800}) << "the very moment";
    EXPECT_EQ(PositionOf(kNoon + 60s, true, reach, kNoon - 1h), Lsn{800});
    Error error = ErrorOf([&] { PositionOf(kNoon + 61s, true, reach, kNoon - 1h); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_NE(error.detail.find("from 2026-11-27T11:00:00Z to 2026-11-27T12:01:00.000000Z"), std::string::npos)
        << error.detail;
    reach.known_until = kNoon - 60s;    // a clock that was set back
    EXPECT_EQ(PositionOf(kNoon - 1s, true, reach, kNoon - 1h), std::nullopt);
    EXPECT_EQ(PositionOf(kNoon, true, reach, kNoon - 1h), Lsn{800});
    reach.last_outcome.reset();
    EXPECT_EQ(PositionOf(kNoon - 60s, true, reach, kNoon - 1h), Lsn{800}) << "no commit at all";
    EXPECT_EQ(ErrorOf([&] { PositionOf(kNoon, true, reach, kNoon - 1h); }).code, Code::kNotFound);
    reach.last_record.reset();
    EXPECT_EQ(ErrorOf([&] { PositionOf(kNoon - 60s, true, reach, kNoon - 1h); }).code, Code::kNotFound);
}

}    // namespace
}    // namespace ark::test
