// One owner of a path after another, on the same timeline: whose WAL counts, at any moment.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>

#include "support/fault_storage.h"
#include "unit/wal/tail_sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kMb = kSmallSegment, kFirst = 3 * kMb;
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00Z");
const WalSegmentSize kSize(kSmallSegment);

// What recovery is given from the third segment on.
Bytes Reached(TailSample &one) {
    Bytes reached;
    for (SegmentName segment = one.Name(3);; segment = segment.Next(kSize)) {
        Bytes part;
        std::optional<Bytes> whole = one.store.Read(segment.Text());
        if (whole)
            part = *whole;
        else
            ReadPieces(*one.store.repository, *one.store.keys, segment, kSize, std::nullopt,
                       {[&] { part.clear(); }, [&](ByteView bytes) { Append(part, bytes); }});
        Append(reached, part);
        if (part.size() < kMb) return reached;
    }
}

bool IsPastOf(const Bytes &log, ByteView reached) {
    return std::equal(reached.begin(), reached.end(), log.begin() + kFirst);
}

bool Has(const Bytes &reached, const Bytes &log, std::uint64_t up_to) {
    return reached.size() >= up_to - kFirst && IsPastOf(log, ByteView(reached).first(up_to - kFirst));
}

Bytes OtherFrom(Bytes log, std::uint64_t at, std::uint64_t seed) {
    Bytes other = SampleText(log.size() - at, seed);
    std::ranges::copy(other, log.begin() + static_cast<std::ptrdiff_t>(at));
    return log;
}

// A store that fails as it is told.
struct Faulty {
    FaultRule rule = NoFault();    // while a shipper works
    std::atomic<std::uint64_t> count = 0;
    std::atomic<bool> armed = false;
    FakeClock clock;
    TailSample one;

    explicit Faulty(bool encrypted)
        : one(encrypted, std::make_shared<FaultStorage>(
                             MakeMemoryStorage(clock),
                             [this](std::uint64_t, Verb verb, std::string_view name) {
                                 return armed ? rule(++count, verb, name) : Fault::kNone;
                             },
                             clock)) {
        one.Archive(2);
    }
    void FailAt(std::uint64_t nth, Fault fault) {
        count = 0;
        rule = FailNth(nth, fault);
    }
    void TakeOver(std::uint64_t epoch) {
        one.shipper.reset();
        one.store.repository->SetEpoch(epoch);
    }
    // False: the store failed, and the shipper died of it.
    bool Ship(std::uint64_t to, std::uint64_t &confirmed) try {
        armed = true;
        if (!one.shipper) one.Begin(to);
        one.Ship(to, kNoon);
        one.Tidy();
        armed = false;
        confirmed = std::max(confirmed, one.shipper->confirmed().value);
        return true;
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kUnavailable) << error.message << ": " << error.detail;
        if (one.shipper) confirmed = std::max(confirmed, one.shipper->confirmed().value);
        one.shipper.reset();
        armed = false;
        return false;
    }
};

class ShipOwners : public testing::TestWithParam<bool> {
protected:
    // Each request fails in one of the four runs: before or after it was done, plain or encrypted.
    static constexpr std::uint64_t kStep = 4;
    std::uint64_t FirstToFail(Fault fault) const { return 1 + (fault == Fault::kAfter) + 2 * GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, ShipOwners, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

// A directory that was moved, with all that its server had.
TEST_P(ShipOwners, OneWithTheSameWalTakesNothingAwayWhereverItDies) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        bool met = true;
        for (std::uint64_t nth = FirstToFail(fault); met; nth += kStep) {
            Faulty store(GetParam());
            TailSample &one = store.one;
            std::uint64_t confirmed = 0;
            for (std::uint64_t to : {kFirst + 70'000, kFirst + kMb + 300, kFirst + kMb + 900})
                store.Ship(to, confirmed);
            ASSERT_EQ(confirmed, kFirst + kMb + 900);
            store.TakeOver(2);
            store.FailAt(nth, fault);
            for (std::uint64_t to : {kFirst + kMb + 900, kFirst + kMb + 1500, kFirst + 2 * kMb + 40})
                for (bool done = false; !done;) {
                    done = store.Ship(to, confirmed);
                    ASSERT_TRUE(Has(Reached(one), one.log, confirmed)) << nth;
                }
            met = store.count >= nth;

            EXPECT_EQ(Reached(one).size(), 2 * kMb + 40) << nth;
            store.rule = NoFault();
            for (unsigned number : {3u, 4u}) one.Archive(number);
            store.Ship(kFirst + 2 * kMb + 50, confirmed);
            for (const layout::TailName &name : one.Tail())
                EXPECT_EQ(name.epoch, 2u) << nth << " " << layout::Tail(name);
        }
    }
}

TEST_P(ShipOwners, OneThatWasSetBackGoesOnWhereTheyPartWhereverItDies) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        bool met = true;
        for (std::uint64_t nth = FirstToFail(fault); met; nth += kStep) {
            Faulty store(GetParam());
            TailSample &one = store.one;
            std::uint64_t confirmed = 0;
            for (std::uint64_t to : {1000ul, 2000ul, 3000ul, kMb, kMb + 500, 2 * kMb + 500})
                store.Ship(kFirst + to, confirmed);
            const Bytes before = one.log;
            one.log = OtherFrom(before, kFirst + 1500, 9);
            store.TakeOver(2);
            confirmed = kFirst + 1500;
            store.FailAt(nth, fault);
            for (std::uint64_t to : {2500ul, 2600ul, kMb, kMb + 10})
                for (bool done = false; !done;) {
                    done = store.Ship(kFirst + to, confirmed);
                    Bytes reached = Reached(one);
                    ASSERT_TRUE(Has(reached, one.log, confirmed)) << nth;
                    ASSERT_TRUE(IsPastOf(before, reached) || IsPastOf(one.log, reached)) << nth << ": never mixed";
                }
            met = store.count >= nth;

            EXPECT_EQ(Reached(one).size(), kMb + 10) << nth;
            EXPECT_FALSE(one.Hole(4));
        }
    }
}

TEST_P(ShipOwners, WhatIsHiddenDoesNotComeBackWhenSegmentsAreTidiedAway) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    store.Ship(kFirst + 2 * kMb + 500, confirmed);
    one.log = OtherFrom(one.log, kFirst + 1500, 9);
    store.TakeOver(2);
    store.Ship(kFirst + 2000, confirmed);
    one.Send(kFirst + kMb);    // without a time, which would make it stay
    one.Archive(3);
    one.Tidy();
    EXPECT_EQ(Reached(one).size(), kMb);
    store.TakeOver(3);
    one.Begin(kFirst + kMb);
    one.Tidy();
    EXPECT_EQ(Reached(one).size(), kMb) << "nor for the next owner";
    store.Ship(kFirst + kMb + 77, confirmed);
    one.Tidy();
    EXPECT_TRUE(Has(Reached(one), one.log, kFirst + kMb + 77));
    EXPECT_EQ(Reached(one).size(), kMb + 77);
    std::size_t later = 0;
    for (const layout::TailName &name : one.Tail()) {
        EXPECT_TRUE(name.start.value >= kFirst + kMb) << layout::Tail(name);
        later += name.epoch > 1;
    }
    EXPECT_EQ(later, 1u) << "what stayed for that goes when something newer does it";
}

// It learns that it is an earlier one within a minute.
TEST_P(ShipOwners, AnEarlierOneThatGoesOnHarmsNothing) {
    for (bool joins_before : {false, true}) {
        Faulty store(GetParam());
        TailSample &one = store.one;
        std::shared_ptr<Repository> other =
            Repository::Open(StoragePtr(&one.store.repository->storage(), [](Storage *) {}), kSampleCluster);
        other->SetEpoch(1);
        TailShipper earlier(*other, *one.store.keys, one.store.key, TailPlace{{1}, kSize, {kFirst}},
                            ParseCompression("zstd:1"), one.store.random, SilentLog());
        earlier.Begin();
        const Bytes before = one.log;
        auto ship = [&](std::uint64_t from, std::uint64_t to) {
            earlier.Take({kFirst + from}, ByteView(before).subspan(kFirst + from, to - from));
            earlier.Ship({});
            while (!earlier.Idle()) earlier.Settle();
        };
        for (std::uint64_t i = 0; i < 8; i++) ship(i * 100, i * 100 + 100);
        one.log = OtherFrom(before, kFirst + 450, 9);
        store.TakeOver(2);
        one.Begin(kFirst + 1000);
        auto join = [&] {
            ASSERT_TRUE(earlier.Join());
            while (!earlier.Idle()) earlier.Settle();
            ship(800, 900);
        };
        if (joins_before) join();
        std::uint64_t confirmed = 0;
        EXPECT_NE(store.Ship(kFirst + 1000, confirmed), joins_before) << "what it took over is gone";
        EXPECT_TRUE(Has(Reached(one), one.log, confirmed)) << "and was not confirmed";
        if (!joins_before) join();
        EXPECT_TRUE(store.Ship(kFirst + 1000, confirmed));
        EXPECT_EQ(confirmed, kFirst + 1000);
        EXPECT_EQ(Reached(one).size(), 1000u);
        EXPECT_TRUE(Has(Reached(one), one.log, confirmed));
    }
}

// Joined before something of its own lies behind it, it would hide what only the earlier owner's next pieces have.
TEST_P(ShipOwners, WhatIsInheritedIsNotJoinedOnTheWay) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    one.Begin(kFirst);
    for (std::uint64_t i = 1; i <= kJoined + 1; i++) {    // no more than would be joined
        one.Send(kFirst + i * 100);
        one.shipper->Ship({});
        one.Await();
    }
    store.TakeOver(2);
    one.Begin(kFirst + (kJoined + 1) * 100);
    one.Take(kFirst + kJoined * 100);
    EXPECT_FALSE(one.shipper->Join());
    one.Await();
    EXPECT_EQ(Reached(one).size(), (kJoined + 1) * 100);
    EXPECT_TRUE(store.Ship(kFirst + (kJoined + 1) * 100, confirmed));
    EXPECT_EQ(Reached(one).size(), (kJoined + 1) * 100);
}

// Of a piece that reaches further than its own WAL it has the beginning, which nothing else in the store has.
TEST_P(ShipOwners, OneThatWasSetBackSendsAllItHasAtOnce) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    store.Ship(kFirst + 5000, confirmed);
    one.log = OtherFrom(one.log, kFirst + 2500, 9);
    store.TakeOver(2);
    one.Begin(kFirst + 3000);
    one.Take(kFirst + 1000);
    one.shipper->Ship(kNoon);
    one.Await();
    EXPECT_TRUE(Has(Reached(one), one.log, kFirst + 2500));
    EXPECT_FALSE(one.shipper->pending());
    store.Ship(kFirst + 3000, confirmed);
    EXPECT_EQ(one.shipper->confirmed().value, kFirst + 3000);
    EXPECT_EQ(Reached(one).size(), 3000u);
    EXPECT_TRUE(Has(Reached(one), one.log, kFirst + 3000));
}

TEST_P(ShipOwners, ARowThatChangesWhileItIsReadIsReadAnew) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    for (std::uint64_t to : {1000ul, 2000ul}) store.Ship(kFirst + to, confirmed);
    const layout::TailName second = one.Tail()[1];
    store.TakeOver(2);
    store.rule = [&](std::uint64_t, Verb verb, std::string_view name) {
        if (verb == Verb::kOpen && name.ends_with(layout::Tail(second))) one.Remove(second);
        return Fault::kNone;
    };
    EXPECT_FALSE(store.Ship(kFirst + 2000, confirmed)) << "where it ends is not known";
    EXPECT_TRUE(store.Ship(kFirst + 2000, confirmed));
    EXPECT_EQ(Reached(one).size(), 2000u);
}

class NoNotes : public Log {
public:
    void Note(std::string_view message) override { ADD_FAILURE() << message; }
    void Warn(std::string_view message) override { ADD_FAILURE() << message; }
    void Report(const Progress &) override {}
};

// It dies with pieces of its own behind such as are not its own yet, in the same segment or in one that has ended.
TEST_P(ShipOwners, OneThatIsStartedAgainMakesTheRestItsOwn) {
    for (std::uint64_t to : {kFirst + 3000, kFirst + kMb + 10}) {
        Faulty store(GetParam());
        TailSample &one = store.one;
        std::uint64_t confirmed = 0;
        store.Ship(kFirst + 1000, confirmed);
        store.TakeOver(2);
        store.rule = [&](std::uint64_t, Verb verb, std::string_view name) {
            bool joined = verb == Verb::kPut && name.find("/0000000000300000-") != std::string_view::npos;
            return joined ? Fault::kBefore : Fault::kNone;
        };
        EXPECT_FALSE(store.Ship(to, confirmed));
        EXPECT_EQ(confirmed, kFirst + 1000) << "the earlier owner may take away what its own lies behind";
        EXPECT_TRUE(IsPastOf(one.log, Reached(one)));
        store.rule = NoFault();
        NoNotes log;
        one.shipper = std::make_unique<TailShipper>(*one.store.repository, *one.store.keys, one.store.key,
                                                    TailPlace{{1}, kSize, {to + 5}}, ParseCompression("zstd:1"),
                                                    one.store.random, log);
        one.shipper->Begin();
        ASSERT_TRUE(store.Ship(to + 5, confirmed));
        EXPECT_EQ(confirmed, to + 5);
        EXPECT_TRUE(Has(Reached(one), one.log, confirmed));
        for (const layout::TailName &name : one.Tail()) EXPECT_EQ(name.epoch, 2u) << layout::Tail(name);
        one.shipper.reset();    // before its log
    }
}

// What it stored after the new one looked.
TEST_P(ShipOwners, NothingOfAnEarlierOneThatGoesOnComesIntoViewWhenSegmentsAreTidiedAway) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    for (std::uint64_t to : {1000ul, kMb + 500}) store.Ship(kFirst + to, confirmed);
    std::map<std::string, Bytes> later;
    for (const layout::TailName &name : one.Tail())
        if (name.start.value >= kFirst + 1000) later[layout::Tail(name)] = one.store.Load(layout::Tail(name));
    for (const auto &[name, object] : later) one.store.repository->Remove({name});
    one.log = OtherFrom(one.log, kFirst + 1500, 9);
    store.TakeOver(2);
    one.Begin(kFirst + kMb);
    one.Send(kFirst + kMb);
    for (const auto &[name, object] : later) one.store.Replace(name, object);
    one.Archive(3);
    one.Tidy();
    EXPECT_EQ(Reached(one).size(), kMb);
}

TEST_P(ShipOwners, WhatIsUnderAnEarlierKeyIsMadeItsOwnToo) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    for (std::uint64_t to : {1000ul, 2000ul}) store.Ship(kFirst + to, confirmed);
    if (GetParam()) one.store.keys->NewGeneration("cluster", one.store.random);
    one.store.key = one.store.Domain();
    store.TakeOver(2);
    ASSERT_TRUE(store.Ship(kFirst + 3000, confirmed));
    for (const layout::TailName &name : one.Tail()) EXPECT_EQ(name.epoch, 2u) << layout::Tail(name);
    EXPECT_TRUE(Has(Reached(one), one.log, kFirst + 3000));
}

TEST_P(ShipOwners, ADamagedPieceIsNotInherited) {
    Faulty store(GetParam());
    TailSample &one = store.one;
    std::uint64_t confirmed = 0;
    for (std::uint64_t to : {1000ul, 2000ul, 3000ul}) store.Ship(kFirst + to, confirmed);
    std::string second = layout::Tail(one.Tail()[1]);
    Bytes damaged = one.store.Load(second);
    damaged[damaged.size() - 80] ^= std::byte{1};
    one.store.Replace(second, damaged);
    store.TakeOver(2);
    ASSERT_TRUE(store.Ship(kFirst + 3500, confirmed));
    EXPECT_TRUE(Has(Reached(one), one.log, kFirst + 3500));
    EXPECT_EQ(one.Tail().front().epoch, 1u) << "nobody removes what may be repaired";
}

TEST_P(ShipOwners, WhateverHappensOneHistoryIsReadAndNothingConfirmedIsMissing) {
    const std::uint64_t first = GetParam() ? 7 : 1;
    for (std::uint64_t seed = first; seed < first + 6; seed++) {
        Faulty store(GetParam());
        TailSample &one = store.one;
        SeededRandom random(seed);
        store.rule = [before = FailSome(seed, 1, Fault::kBefore), after = FailSome(seed + 1000, 1, Fault::kAfter)](
                         std::uint64_t nth, Verb verb, std::string_view name) {
            Fault fault = before(nth, verb, name);
            return fault == Fault::kNone ? after(nth, verb, name) : fault;
        };
        std::vector<Bytes> histories{one.log};
        std::uint64_t flushed = kFirst, confirmed = kFirst, epoch = 1;
        unsigned archived = 2;
        for (int step = 0; step < 30; step++) {
            switch (random.Below(8)) {
            case 0: {    // the server is set back, and a person decides that it goes on
                const std::uint64_t least = (archived + 1) * kMb;
                if (flushed < least) break;
                std::uint64_t at = least + random.Below(flushed - least + 1);
                one.log = OtherFrom(one.log, at, seed * 100 + static_cast<unsigned>(step));
                histories.push_back(one.log);
                flushed = std::min(at + random.Below(3000), 11 * kMb);
                confirmed = std::min(confirmed, at);
                store.TakeOver(++epoch);
                break;
            }
            case 1: store.TakeOver(++epoch); break;    // it is moved
            case 2: one.shipper.reset(); break;
            case 3:
                if (confirmed >= (archived + 2) * kMb) one.Archive(++archived);
                break;
            default:
                flushed = std::min(flushed + (random.Below(2) ? random.Below(600'000) : random.Below(300)), 11 * kMb);
                store.Ship(flushed, confirmed);
            }
            Bytes reached = Reached(one);
            ASSERT_TRUE(Has(reached, one.log, confirmed)) << seed << " " << step;
            ASSERT_TRUE(std::ranges::any_of(histories, [&](const Bytes &log) { return IsPastOf(log, reached); }))
                << seed << " " << step << ": never mixed";
        }
        while (!store.Ship(flushed, confirmed)) continue;
        EXPECT_EQ(Reached(one).size(), flushed - kFirst) << seed;
        EXPECT_TRUE(Has(Reached(one), one.log, flushed)) << seed;
    }
}

}    // namespace
}    // namespace ark::test
