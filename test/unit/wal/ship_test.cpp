#include "wal/ship.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>

#include "support/fault_storage.h"
#include "unit/wal/tail_sample.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMb = kSmallSegment;
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00Z");

class Ship : public testing::TestWithParam<bool> {
protected:
    void SetUp() override { tail.Archive(2); }    // the tests begin behind it

    TailSample tail{GetParam()};
    WalSample &store = tail.store;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, Ship, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(Ship, WhatWasShippedComesBackWithZerosBehindIt) {
    tail.Begin(3 * kMb + 1000);
    EXPECT_EQ(tail.Fetch(3), std::nullopt);
    tail.Ship(3 * kMb + 1000);
    tail.Ship(3 * kMb + 70'001);
    tail.Ship(3 * kMb + 70'001);
    EXPECT_EQ(tail.Tail().size(), 2u) << "nothing new makes no piece";
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 70'001));
    EXPECT_EQ(tail.Fetch(3, PartWanted::kWhole), std::nullopt);
    EXPECT_EQ(tail.shipper->stored().value, 3 * kMb + 70'001);
}

TEST_P(Ship, PiecesEndWithTheirSegmentAndOnesThatAreAllOfItAreTheSegment) {
    tail.Begin(3 * kMb + 1000);
    tail.Ship(3 * kMb + 5);
    tail.Ship(5 * kMb + 17);
    for (unsigned number : {3u, 4u}) EXPECT_EQ(tail.Fetch(number, PartWanted::kWhole), tail.Segment(number));
    EXPECT_EQ(tail.Fetch(5), tail.Segment(5, 5 * kMb + 17));
    EXPECT_EQ(tail.Fetch(6), std::nullopt);
    EXPECT_TRUE(tail.Hole(3)) << "a later piece is a later segment";
    EXPECT_TRUE(tail.Hole(4));
    EXPECT_FALSE(tail.Hole(5));
}

TEST_P(Ship, ABrokenRowIsNotUsedPastTheHole) {
    tail.Begin(3 * kMb);
    for (std::uint64_t to : {100, 200, 300, 400}) tail.Ship(3 * kMb + to * 100);
    tail.Remove(tail.Tail()[2]);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 20'000));
    tail.Remove(tail.Tail()[0]);
    EXPECT_EQ(tail.Fetch(3), std::nullopt);
}

TEST_P(Ship, ADamagedOrSwappedPieceIsAnError) {
    tail.Begin(3 * kMb);
    for (std::uint64_t to : {100, 200, 300}) tail.Ship(3 * kMb + to * 100);
    std::string second = layout::Tail(tail.Tail()[1]);
    Bytes object = store.Load(second), good = object;
    object[object.size() - 100] ^= std::byte{1};
    store.Replace(second, object);
    EXPECT_EQ(ErrorOf([&] { tail.Fetch(3); }).code, Code::kCorrupt);
    store.Replace(second, store.Load(layout::Tail(tail.Tail()[2])));
    EXPECT_EQ(ErrorOf([&] { tail.Fetch(3); }).code, Code::kCorrupt) << "under another's name";
    store.Replace(second, good);
    EXPECT_TRUE(tail.Fetch(3));
}

TEST_P(Ship, APieceOfAnotherPastIsNotJoinedToThisOne) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 10'000);
    tail.Ship(3 * kMb + 20'000);
    layout::TailName first = tail.Tail()[0];
    tail.Remove(first);
    Bytes other = SampleText(10'000, 99);
    TailInfo info;
    info.name = first;
    info.system_identifier = kSampleCluster.system_identifier;
    info.segment_size = kMb;
    info.before = SegmentDigest(store.key, Sha256({}));
    info.after = SegmentDigest(store.key, Sha256(other));
    info.salt = store.random.Hex(32);
    WriteTail(*store.repository, *store.keys, store.key, info, ParseCompression("none"), other);
    Error error = ErrorOf([&] { tail.Fetch(3); });
    EXPECT_EQ(error.code, Code::kCorrupt);
    EXPECT_NE(error.message.find("does not continue"), std::string::npos);
}

TEST_P(Ship, OneThatIsStartedAgainGoesOnWhereTheStoreIs) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 50'000);
    tail.Begin(3 * kMb + 60'000);
    EXPECT_EQ(tail.shipper->taken().value, 3 * kMb) << "the server sends the segment from its beginning";
    tail.Send(3 * kMb + 20'000);
    tail.shipper->Ship(kNoon);
    tail.Await();
    EXPECT_EQ(tail.Tail().size(), 1u) << "which is compared, not stored";
    tail.Ship(3 * kMb + 60'000);
    EXPECT_EQ(tail.Tail().size(), 2u);
    EXPECT_EQ(tail.Tail()[1].start.value, 3 * kMb + 50'000);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 60'000));
    tail.Ship(5 * kMb + 1);
    tail.Begin(5 * kMb + 2);
    tail.Ship(5 * kMb + 2);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3));
    EXPECT_EQ(tail.Fetch(5), tail.Segment(5, 5 * kMb + 2));
}

TEST_P(Ship, ConfirmsWhatTheStoreHasAndWasCompared) {
    tail.Begin(3 * kMb);
    EXPECT_EQ(tail.shipper->confirmed().value, 3 * kMb);
    tail.Send(3 * kMb + 50'000);
    EXPECT_EQ(tail.shipper->confirmed().value, 3 * kMb) << "it is taken, not stored";
    tail.shipper->Ship({});
    tail.Await();
    EXPECT_EQ(tail.shipper->confirmed().value, 3 * kMb + 50'000);
    EXPECT_FALSE(tail.shipper->pending());
    tail.Begin(3 * kMb + 60'000);
    tail.Send(3 * kMb + 20'000);
    EXPECT_EQ(tail.shipper->stored().value, 3 * kMb + 50'000);
    EXPECT_EQ(tail.shipper->confirmed().value, 3 * kMb) << "it is there, and may be another's";
    tail.Send(3 * kMb + 50'000);
    EXPECT_EQ(tail.shipper->confirmed().value, 3 * kMb + 50'000);
    tail.Send(4 * kMb + 5);
    EXPECT_EQ(tail.shipper->confirmed().value, 4 * kMb) << "a segment that ended is stored";
    tail.Ship(4 * kMb + 5);
    EXPECT_EQ(tail.shipper->confirmed().value, 4 * kMb + 5);
}

TEST_P(Ship, PiecesThatAreJoinedAreNotReadAgain) {
    tail.Begin(3 * kMb);
    for (std::uint64_t i = 1; i <= 7; i++) tail.Ship(3 * kMb + i * 100, kNoon + i * 1s);
    Bytes expected = tail.Segment(3, 3 * kMb + 800);
    std::string first = layout::Tail(tail.Tail()[0]);
    Bytes damaged = store.Load(first);
    damaged.resize(damaged.size() / 2);
    store.Replace(first, damaged);    // what lies there does not matter
    tail.Ship(3 * kMb + 800, kNoon + 8s);
    ASSERT_EQ(tail.Tail().size(), 1u);
    EXPECT_EQ(tail.Fetch(3), expected);
    EXPECT_EQ(StatTail(*store.repository, *store.keys, tail.Tail()[0])->at, kNoon + 8s);
}

TEST_P(Ship, AServerThatWasSetBackShipsNothing) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 50'000);
    Error error = ErrorOf([&] { tail.Begin(3 * kMb + 40'000); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_NE(error.hint.find("lease take"), std::string::npos);
    tail.log = SampleText(12 * kMb, 4);    // it went on with other WAL
    tail.Begin(3 * kMb + 90'000);
    error = ErrorOf([&] { tail.Ship(3 * kMb + 90'000); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_EQ(tail.Tail().size(), 1u);
    store.repository->SetEpoch(2);    // somebody decided
    tail.Begin(3 * kMb + 40'000);
    tail.Ship(3 * kMb + 40'000);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 40'000)) << "the new epoch's pieces count";
}

TEST_P(Ship, BeginsWhereTheArchiverHasNotCome) {
    tail.Archive(2);
    tail.Archive(3);
    tail.Begin(6 * kMb + 10);
    EXPECT_EQ(tail.shipper->taken().value, 4 * kMb);
    tail.Ship(6 * kMb + 10);
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4));
    TailShipper again(*store.repository, *store.keys, store.key, {{1}, WalSegmentSize(kMb), {6 * kMb + 10}, {}},
                      ParseCompression("zstd:1"), store.random, SilentLog());
    EXPECT_EQ(again.Begin(false).value, 6 * kMb) << "unless it is told that they are gone";
    EXPECT_EQ(again.Begin().value, 6 * kMb) << "or has them in pieces";
    tail.Begin(11 * kMb + 10);
    EXPECT_EQ(tail.shipper->taken().value, 6 * kMb) << "a few back at most, and not behind those that it has";
}

// Without an archiver nobody else would store what lies between: told that it is stored, the server would remove it.
TEST_P(Ship, BeginsWhereItsSlotHoldsTheWal) {
    TailSample one(GetParam());
    auto from = [&](std::optional<Lsn> held, bool reach_back) {
        one.shipper = std::make_unique<TailShipper>(*one.store.repository, *one.store.keys, one.store.key,
                                                    TailPlace{{1}, WalSegmentSize(kMb), {11 * kMb + 10}, {}, held},
                                                    ParseCompression("zstd:1"), one.store.random, SilentLog());
        return one.shipper->Begin(reach_back).value;
    };
    EXPECT_EQ(from({}, true), 3 * kMb) << "a few back at most";
    EXPECT_EQ(from({}, false), 11 * kMb);
    EXPECT_EQ(from(Lsn{5 * kMb}, true), 3 * kMb) << "the archiver may be behind too";
    EXPECT_EQ(from(Lsn{5 * kMb}, false), 5 * kMb);
    EXPECT_EQ(from(Lsn{kMb + 5}, false), kMb);
    EXPECT_EQ(from(Lsn{kMb + 5}, true), kMb);
    one.Ship(11 * kMb + 10);
    for (unsigned number = 1; number < 11; number++)
        EXPECT_EQ(one.Fetch(number, PartWanted::kWhole), one.Segment(number)) << number;
    EXPECT_EQ(from(Lsn{kMb + 5}, true), 11 * kMb) << "the store has all before";
}

TEST_P(Ship, ANewTimelineBeginsWithItsFirstSegment) {
    store.repository->SetEpoch(2);
    tail.Begin(6 * kMb + 10, 2, 5 * kMb + 77);
    EXPECT_EQ(tail.shipper->taken().value, 5 * kMb);
}

TEST_P(Ship, TheOldTimelinesPiecesEndWhereTheNewOneLeftIt) {
    tail.Begin(3 * kMb);
    tail.Ship(5 * kMb + 5000);
    std::uint64_t left = 4 * kMb + 3000;
    store.Write(ToBytes("1\t" + Lsn{left}.Text() + "\tno recovery target specified\n"), "00000002.history");
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3));
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4, left)) << "what lies behind is another's past";
    EXPECT_EQ(tail.Fetch(4, PartWanted::kWhole), std::nullopt);
    EXPECT_EQ(tail.Fetch(5), std::nullopt);
    EXPECT_TRUE(tail.Hole(3));
    EXPECT_FALSE(tail.Hole(4));
    store.repository->SetEpoch(2);
    tail.Begin(left + 100, 2, left);
    tail.Ship(left + 100);
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), tail.Segment(4, left + 100));
}

TEST_P(Ship, ANewTimelinesFirstSegmentBeginsAsTheOldOnes) {
    tail.Begin(3 * kMb);
    tail.Ship(5 * kMb + 5000);
    std::uint64_t left = 4 * kMb + 3000;
    store.Write(ToBytes("1\t" + Lsn{left}.Text() + "\tno recovery target specified\n"), "00000002.history");
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), tail.Segment(4, left)) << "from pieces";
    EXPECT_EQ(tail.Fetch(4, PartWanted::kWhole, 2), std::nullopt);
    EXPECT_EQ(tail.Fetch(3, PartWanted::kAny, 2), std::nullopt) << "the new one has no such segment";
    EXPECT_EQ(tail.Fetch(5, PartWanted::kAny, 2), std::nullopt);
    EXPECT_FALSE(tail.Hole(4, 2));
    for (const layout::TailName &name : tail.Tail()) tail.Remove(name);
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), std::nullopt);
    store.Write(tail.Segment(4), tail.Name(4).Text() + ".partial");
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), tail.Segment(4, left)) << "from what the promoted server archived";
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4, left)) << "also to who stays on the old one";
    store.repository->Remove({layout::Wal(WalFileName::OfPartial(tail.Name(4)))});
    tail.Archive(4);
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), tail.Segment(4, left)) << "from the whole one";
    tail.Archive(5, 2);
    EXPECT_TRUE(tail.Hole(4, 2)) << "the new one was written further";
    EXPECT_EQ(tail.Fetch(4, PartWanted::kWhole, 2), std::nullopt);
}

TEST_P(Ship, APartDoesNotTakeThePlaceOfWhatTheServerHas) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 300'000);
    std::filesystem::path own = tail.directory.path() / "pg_wal" / tail.Name(3).Text();
    auto has = [&](const Bytes &bytes) { std::ofstream(own, std::ios::binary) << AsText(bytes); };
    has(tail.Segment(3, 3 * kMb + 300'000));
    EXPECT_EQ(tail.Fetch(3), std::nullopt) << "the same";
    has(tail.Segment(3, 3 * kMb + 400'000));
    EXPECT_EQ(tail.Fetch(3), std::nullopt) << "more";
    has(tail.Segment(3, 3 * kMb + 299'000));
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 300'000)) << "less";
    has(SampleText(kMb, 9));
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 300'000)) << "another's";
    has({});
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 300'000));
    has(tail.Segment(3, 3 * kMb + 400'000));
    tail.Ship(4 * kMb);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3)) << "a whole one does";
}

TEST_P(Ship, AServerIsNotLedBesideItsTimeline) {
    store.Write(ToBytes("1\t" + Lsn{4 * kMb}.Text() + "\tno recovery target specified\n"), "00000002.history");
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), std::nullopt);
    tail.Archive(4);    // the old primary went on
    EXPECT_EQ(tail.Fetch(4, PartWanted::kAny, 2), Bytes(kMb)) << "absent, it would be told to take the old one's";
}

TEST_P(Ship, WhereALaterOwnerGoesOnTheEarlierOnesPiecesAreNoPartOfIt) {
    tail.Begin(3 * kMb);
    tail.Ship(5 * kMb + 5000);
    EXPECT_TRUE(tail.Hole(4));
    store.repository->SetEpoch(2);    // the same server, set back, and granted by a person
    std::copy_n(SampleText(kMb, 9).begin(), kMb, tail.log.begin() + 4 * kMb + 100);
    tail.Begin(4 * kMb + 2000);
    tail.Ship(4 * kMb + 2000);
    EXPECT_FALSE(tail.Hole(4)) << "it has not filled this one again";
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4, 4 * kMb + 2000));
    EXPECT_EQ(tail.Fetch(5), std::nullopt);
    tail.Ship(5 * kMb);
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4));
    EXPECT_EQ(tail.Fetch(5), std::nullopt) << "and not what the earlier one had there";
}

TEST_P(Ship, PiecesGoWhenTheirSegmentIsProven) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 1000);
    tail.Ship(5 * kMb + 1000, kNoon);
    std::size_t all = tail.Tail().size();
    tail.Tidy();
    EXPECT_EQ(tail.Tail().size(), all) << "nothing is archived";
    tail.Archive(3);
    tail.Tidy();
    EXPECT_EQ(tail.Tail().size(), all - 2);
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4));
    std::string object = layout::Wal(WalFileName::OfSegment(tail.Name(4)));
    store.Write(ShortSegment(), tail.Name(4).Text());    // another content
    tail.Tidy();
    EXPECT_EQ(tail.Tail().size(), all - 2) << "what is not the same is no proof";
    store.repository->Remove({object});
    tail.Begin(5 * kMb + 1000);
    tail.Archive(4);
    Bytes good = store.Load(object), bad = good;
    bad[bad.size() / 2] ^= std::byte{1};
    store.Replace(object, bad);
    tail.Tidy();
    EXPECT_EQ(tail.Fetch(4), tail.Segment(4)) << "one that was not seen is read, and a damaged one is no proof";
    store.Replace(object, good);
    tail.Begin(5 * kMb + 1000);
    tail.Tidy();
    EXPECT_EQ(tail.Tail().size(), 1u) << "of an earlier run too";
    EXPECT_EQ(tail.Fetch(5), tail.Segment(5, 5 * kMb + 1000));
}

TEST_P(Ship, AnIdleServerHasOneMark) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 1000, kNoon);
    for (int i = 1; i < 5; i++) tail.Ship(3 * kMb + 1000, kNoon + i * 10s);
    std::vector<layout::TailName> names = tail.Tail();
    ASSERT_EQ(names.size(), 2u);
    std::optional<TailInfo> mark = StatTail(*store.repository, *store.keys, names[1]);
    EXPECT_TRUE(names[1].IsMark());
    EXPECT_EQ(mark->at, kNoon + 40s);
    EXPECT_EQ(StatTail(*store.repository, *store.keys, names[0])->at, kNoon);
    tail.Begin(3 * kMb + 1000);
    tail.Ship(3 * kMb + 1000, kNoon + 60s);
    EXPECT_EQ(tail.Tail().size(), 2u) << "one that an earlier run left goes too";
    tail.Ship(3 * kMb + 2000);
    EXPECT_EQ(tail.Tail().size(), 3u) << "a piece without a time says less";
    tail.Ship(3 * kMb + 3000, kNoon + 70s);
    names = tail.Tail();
    EXPECT_EQ(names.size(), 3u);
    EXPECT_TRUE(std::ranges::none_of(names, &layout::TailName::IsMark));
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 3000));
}

TEST_P(Ship, TheNewestTimeOutlivesItsSegment) {
    tail.Begin(3 * kMb);
    tail.Ship(4 * kMb, kNoon);
    tail.Ship(4 * kMb + 10);
    tail.Archive(3);
    tail.Tidy();
    bool timed = false;
    for (const layout::TailName &name : tail.Tail())
        timed = timed || StatTail(*store.repository, *store.keys, name)->at == kNoon;
    EXPECT_TRUE(timed);
}

TEST_P(Ship, ManySmallPiecesAreJoined) {
    tail.Begin(3 * kMb);
    for (int i = 1; i <= 200; i++) tail.Ship(3 * kMb + static_cast<std::uint64_t>(i) * 100, kNoon + i * 1s);
    EXPECT_LT(tail.Tail().size(), 20u);
    EXPECT_EQ(tail.Fetch(3), tail.Segment(3, 3 * kMb + 20'000));
    std::vector<layout::TailName> names = tail.Tail();
    EXPECT_EQ(StatTail(*store.repository, *store.keys, names.back())->at, kNoon + 200s);
    tail.Begin(3 * kMb + 20'000);
    tail.Ship(4 * kMb + 5, kNoon);
    tail.Archive(3);
    tail.Tidy();
    EXPECT_EQ(tail.Tail().size(), 1u);
}

TEST_P(Ship, ATakenNameIsSettledByWhatLiesThere) {
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 1000);
    TailShipper other(*store.repository, *store.keys, store.key, {{1}, WalSegmentSize(kMb), {3 * kMb}, {}},
                      ParseCompression("zstd:1"), store.random, SilentLog());
    store.repository->Remove({layout::Tail(tail.Tail()[0])});
    other.Begin();
    tail.Begin(3 * kMb);
    tail.Ship(3 * kMb + 1000);
    auto ship = [&] {
        other.Ship({});
        while (!other.Idle()) {
            other.AwaitNews(1ms);
            other.Settle();
        }
    };
    other.Take({3 * kMb}, ByteView(tail.log).subspan(3 * kMb, 1000));
    ship();
    EXPECT_EQ(tail.Tail().size(), 1u) << "the same again is success";
    tail.Ship(3 * kMb + 2000);
    other.Take({3 * kMb + 1000}, ByteView(tail.log).subspan(0, 1000));
    EXPECT_EQ(ErrorOf(ship).code, Code::kConflict);
}

// One request of all fails, or its answer is lost, and the shipper dies of it: another goes on, and nothing that was stored is missing at
// any time.
TEST_P(Ship, DiesAnywhereAndGoesOn) {
    constexpr std::uint64_t kStep = 7;    // all of them take twenty seconds
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        bool met = true;
        for (std::uint64_t nth = fault == Fault::kBefore ? 6 : 3; met; nth += kStep) {
            FakeClock clock;
            auto count = std::make_shared<std::atomic<std::uint64_t>>(0);
            auto armed = std::make_shared<std::atomic<bool>>(false);
            TailSample one(GetParam(), std::make_shared<FaultStorage>(
                                           MakeMemoryStorage(clock),
                                           [=](std::uint64_t, Verb, std::string_view) {
                                               return *armed && ++*count == nth ? fault : Fault::kNone;
                                           },
                                           clock));
            one.Archive(2);
            *armed = true;
            std::vector<std::uint64_t> steps;
            for (std::uint64_t i = 1; i <= 9; i++) steps.push_back(3 * kMb + i * 100);
            for (std::uint64_t i : {0, 100, 200}) steps.push_back(4 * kMb + i);
            for (std::uint64_t to : steps) {
                for (bool done = false; !done;) {
                    try {
                        if (!one.shipper) one.Begin(to);
                        one.Ship(to, kNoon);
                        if (to == 4 * kMb + 100) one.Archive(3);
                        one.Tidy();
                        done = true;
                    } catch (const Error &error) {
                        ASSERT_EQ(error.code, Code::kUnavailable) << error.message;
                        std::uint64_t stored = one.shipper->stored().value;
                        one.shipper.reset();
                        if (stored <= 3 * kMb) continue;
                        auto number = static_cast<unsigned>((stored - 1) / kMb);
                        if (stored == number * kMb || one.store.Read(one.Name(number).Text())) continue;
                        std::optional<Bytes> fetched = one.Fetch(number);
                        ASSERT_TRUE(fetched) << nth;
                        Bytes expected = one.Segment(number, stored);
                        auto length = static_cast<std::size_t>(stored - number * kMb);
                        ASSERT_TRUE(std::equal(expected.begin(), expected.begin() + length, fetched->begin())) << nth;
                    }
                }
            }
            *armed = false;
            EXPECT_EQ(one.store.Read(one.Name(3).Text()), one.Segment(3)) << nth;
            EXPECT_EQ(one.Fetch(4), one.Segment(4, steps.back())) << nth;
            met = *count >= nth;
            EXPECT_LE(one.Tail().size(), 4u) << nth;
        }
    }
}

TEST_P(Ship, AFinishedSegmentIsStoredAtOnce) {
    tail.Begin(3 * kMb);
    tail.Send(11 * kMb + 9);
    EXPECT_EQ(tail.shipper->stored().value, 11 * kMb);
}

}    // namespace
}    // namespace ark::test
