#include "wal/fetch.h"

#include <gtest/gtest.h>

#include <thread>

#include "unit/wal/directory_sample.h"
#include "wal/fetch_ahead.h"

namespace ark::test {
namespace {

const WalSegmentSize kSize(kSmallSegment);

std::string Numbered(unsigned number) { return SegmentName::OfNumber({1}, number, kSize).Text(); }

class FetchTest : public ::testing::Test {
protected:
    FetchOutcome Fetch(const std::string &name) {
        return FetchWalFile(*store.repository, *store.keys, ParseWalFileName(name), to);
    }
    bool Hole(unsigned number) {
        return IsHole(*store.repository, *store.keys, ParseSegmentName(Numbered(number)), kSize);
    }
    void Store(unsigned number) { store.Write(ShortSegment(number), Numbered(number)); }

    WalSample store{true};
    DirectorySample sample;
    std::filesystem::path to = sample.path() / "pg_wal" / "RECOVERYXLOG";
    WalSpool spool{sample.path() / "pg_wal", "memory"};
};

TEST_F(FetchTest, BringsAFileWholeOrNotAtAll) {
    Store(3);
    EXPECT_EQ(Fetch(Numbered(3)), FetchOutcome::kFetched);
    EXPECT_EQ(ToBytes(ReadWholeFile(to)), ShortSegment(3));
    EXPECT_EQ(Fetch(Numbered(4)), FetchOutcome::kAbsent);
    EXPECT_EQ(ToBytes(ReadWholeFile(to)), ShortSegment(3)) << "what was there stays";
    Bytes object = store.Load(WalSample::ObjectName(Numbered(3)));
    object[object.size() / 2] ^= std::byte{1};
    store.Replace(WalSample::ObjectName(Numbered(3)), object);
    std::filesystem::remove(to);
    EXPECT_EQ(ErrorOf([&] { Fetch(Numbered(3)); }).code, Code::kCorrupt);
    EXPECT_FALSE(std::filesystem::exists(to));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(sample.path() / "pg_wal"), {}), 1) << "archive_status";
}

TEST_F(FetchTest, AHoleIsKnownByWhatComesLater) {
    for (unsigned number : {3u, 4u, 7u}) Store(number);
    EXPECT_TRUE(Hole(5));
    EXPECT_TRUE(Hole(6)) << "however long it is";
    EXPECT_TRUE(Hole(2));
    EXPECT_FALSE(Hole(8)) << "the end";
    EXPECT_EQ(Fetch(Numbered(5)), FetchOutcome::kAbsent);
}

TEST_F(FetchTest, ATimelineThatGoesOnFromThisOneTellsOfAHoleToo) {
    Store(3);
    Bytes history = ToBytes("1\t0/A80000\tno recovery target specified\n");    // in segment 10
    store.Write(history, "00000002.history");
    EXPECT_TRUE(Hole(4));
    EXPECT_TRUE(Hole(9));
    EXPECT_FALSE(Hole(10)) << "from there on it is the other's";
    EXPECT_FALSE(IsHole(*store.repository, *store.keys, ParseSegmentName("000000020000000000000009"), kSize));
}

TEST_F(FetchTest, FetchesAheadUntilNothingIsLeft) {
    for (unsigned number = 3; number <= 12; number++) Store(number);
    spool.NoteAsked(ParseSegmentName(Numbered(3)));
    std::jthread ahead([&] {
        FetchSegmentsAhead(*store.repository, *store.keys, spool,
                           {.first = ParseSegmentName(Numbered(4)), .size = kSize, .most = 3, .threads = 2},
                           SystemClock(), NeverCancelled());
    });
    for (unsigned number = 4; number <= 12; number++) {
        while (!spool.TakeFetched(ParseWalFileName(Numbered(number)), to))
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(ToBytes(ReadWholeFile(to)), ShortSegment(number));
        EXPECT_FALSE(spool.IsFetched(ParseWalFileName(Numbered(number + 4)))) << "no more than three wait";
        spool.NoteAsked(ParseSegmentName(Numbered(number)));
    }
}

TEST_F(FetchTest, StopsFetchingAheadWhenRecoveryGoesElsewhere) {
    for (unsigned number = 3; number <= 12; number++) Store(number);
    FetchAhead request{.first = ParseSegmentName(Numbered(4)), .size = kSize, .most = 3, .threads = 1};
    spool.NoteAsked(ParseSegmentName("000000020000000000000003"));
    FetchSegmentsAhead(*store.repository, *store.keys, spool, request, SystemClock(), NeverCancelled());
    EXPECT_FALSE(spool.IsFetched(ParseWalFileName(Numbered(4))));
    spool.NoteAsked(ParseSegmentName(Numbered(3)));
    request.patience = std::chrono::seconds(1);
    FetchSegmentsAhead(*store.repository, *store.keys, spool, request, SystemClock(), NeverCancelled());
    EXPECT_TRUE(spool.IsFetched(ParseWalFileName(Numbered(6))));
    EXPECT_FALSE(spool.IsFetched(ParseWalFileName(Numbered(7))));
}

}    // namespace
}    // namespace ark::test
