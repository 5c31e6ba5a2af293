// Several pieces on their way at once: what the store may have of them at any moment.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "support/fault_storage.h"
#include "unit/wal/tail_sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kMb = kSmallSegment;
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00Z");

class ShipAtOnce : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, ShipAtOnce, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

// A store in which pieces that begin somewhere do not get through, until they may.
class Gate {
public:
    StoragePtr Storage() {
        return std::make_shared<FaultStorage>(
            MakeMemoryStorage(clock_),
            [this](std::uint64_t, Verb verb, std::string_view name) {
                std::unique_lock lock(mutex_);
                if (verb == Verb::kPut)
                    opened_.wait(lock, [&] { return !held_ || name.find(*held_) == std::string_view::npos; });
                return Fault::kNone;
            },
            clock_);
    }
    void Hold(std::uint64_t start) { Set(fmt::format("/{:016X}-", start)); }
    void Open() { Set({}); }

private:
    void Set(std::optional<std::string> held) {
        std::lock_guard lock(mutex_);
        held_ = std::move(held);
        opened_.notify_all();
    }
    FakeClock clock_;
    std::mutex mutex_;
    std::condition_variable opened_;
    std::optional<std::string> held_;
};

void UntilThereAre(TailSample &one, std::size_t pieces) {
    for (int i = 0; i < 10'000 && one.Tail().size() != pieces; i++) one.Settle();
    for (int i = 0; i < 20; i++) one.Settle();    // and no more
    EXPECT_EQ(one.Tail().size(), pieces);
}

TEST_P(ShipAtOnce, AnUploadUnderWayDoesNotHoldBackTheNext) {
    Gate gate;
    TailSample one(GetParam(), gate.Storage());
    one.Archive(2);
    one.Begin(3 * kMb);
    gate.Hold(3 * kMb);
    for (std::uint64_t i = 1; i <= TailShipper::kAtOnce; i++) {
        EXPECT_TRUE(one.shipper->MaySend());
        one.Take(3 * kMb + i * 1000);
        one.shipper->Ship({});
    }
    EXPECT_FALSE(one.shipper->MaySend());
    UntilThereAre(one, TailShipper::kAtOnce - 1);
    EXPECT_EQ(one.shipper->confirmed().value, 3 * kMb) << "up to the gap";
    EXPECT_EQ(one.Fetch(3), std::nullopt);
    gate.Open();
    one.Await();
    EXPECT_EQ(one.shipper->confirmed().value, 3 * kMb + TailShipper::kAtOnce * 1000);
    EXPECT_EQ(one.Fetch(3), one.Segment(3, 3 * kMb + TailShipper::kAtOnce * 1000));
}

// What reaches a segment's end tells that all of it was written: killed there, the gap would be a hole.
TEST_P(ShipAtOnce, TheEndOfASegmentWaitsForWhatLiesBeforeIt) {
    Gate gate;
    TailSample one(GetParam(), gate.Storage());
    one.Archive(2);
    one.Begin(3 * kMb);
    gate.Hold(3 * kMb);
    for (std::uint64_t to : {3 * kMb + 1000, 3 * kMb + 2000, 4 * kMb, 4 * kMb + 10}) {
        one.Take(to);
        one.shipper->Ship(kNoon);
    }
    UntilThereAre(one, 1);
    EXPECT_EQ(one.Tail()[0].start.value, 3 * kMb + 1000);
    EXPECT_FALSE(one.Hole(3));
    EXPECT_EQ(one.Fetch(3), std::nullopt);
    gate.Hold(3 * kMb + 2000);
    UntilThereAre(one, 2);
    EXPECT_FALSE(one.Hole(3));
    EXPECT_EQ(one.Fetch(3), one.Segment(3, 3 * kMb + 2000));
    EXPECT_EQ(one.shipper->confirmed().value, 3 * kMb + 2000);
    gate.Open();
    one.Await();
    EXPECT_EQ(one.Fetch(3, PartWanted::kWhole), one.Segment(3));
    EXPECT_EQ(one.Fetch(4), one.Segment(4, 4 * kMb + 10));
}

// Killed there, an earlier owner's piece would lie before a later one's, which does not continue it.
TEST_P(ShipAtOnce, NothingComesBeforeWhatHidesAnEarlierOwners) {
    for (bool seen : {true, false}) {
        Gate gate;
        TailSample one(GetParam(), gate.Storage());
        one.Archive(2);
        one.Begin(3 * kMb);
        for (std::uint64_t to : {3 * kMb + 1000, 3 * kMb + 2000}) one.Ship(to);
        const std::string second = layout::Tail(one.Tail()[1]);
        Bytes object = one.store.Load(second);
        if (!seen) one.store.repository->Remove({second});
        std::copy_n(SampleText(kMb, 9).begin(), kMb / 2, one.log.begin() + 3 * kMb + 1500);
        one.store.repository->SetEpoch(2);
        one.Begin(3 * kMb + 5000);
        if (!seen) one.store.Replace(second, object);    // it goes on for a while
        gate.Hold(3 * kMb + 1000);
        for (std::uint64_t to : {3 * kMb + 2000, 3 * kMb + 3000}) {
            one.Take(to);
            one.shipper->Ship({});
        }
        UntilThereAre(one, 2);
        gate.Open();
        one.Await();
        EXPECT_EQ(one.Fetch(3), one.Segment(3, 3 * kMb + 3000));
    }
}

// Any of the pieces that were on their way may have come, whatever became of those before.
TEST_P(ShipAtOnce, WhatAKillLeavesOfPiecesOnTheirWayStandsInNobodysWay) {
    const std::vector<std::uint64_t> cuts{1000, 1100, 1230, 1300, 1400};
    for (unsigned come = 0; come < 1u << (cuts.size() - 1); come++) {
        TailSample one(GetParam());
        one.Archive(2);
        one.Begin(3 * kMb);
        for (std::uint64_t to : cuts) one.Ship(3 * kMb + to);
        std::vector<layout::TailName> names = one.Tail();
        ASSERT_EQ(names.size(), cuts.size());
        std::uint64_t reach = cuts[0];
        bool gap = false;
        for (std::size_t i = 1; i < cuts.size(); i++) {
            bool is_there = (come >> (i - 1)) & 1;
            if (!is_there) one.Remove(names[i]);
            gap = gap || !is_there;
            if (!gap) reach = cuts[i];
        }
        EXPECT_EQ(one.Fetch(3), one.Segment(3, 3 * kMb + reach)) << come;
        EXPECT_FALSE(one.Hole(3)) << come;
        one.Begin(3 * kMb + 1400);
        EXPECT_EQ(one.shipper->stored().value, 3 * kMb + reach) << come;
        for (std::uint64_t to : {1230u, 1260u, 1450u, 2000u}) {
            one.Ship(3 * kMb + to);
            std::uint64_t confirmed = one.shipper->confirmed().value;
            EXPECT_TRUE(to < reach || confirmed == 3 * kMb + to) << come;
            std::optional<Bytes> fetched = one.Fetch(3);
            ASSERT_TRUE(fetched) << come;
            EXPECT_TRUE(std::equal(fetched->begin(),
                                   fetched->begin() + static_cast<std::ptrdiff_t>(confirmed - 3 * kMb),
                                   one.log.begin() + 3 * kMb))
                << come << " " << to;
        }
        EXPECT_EQ(one.Fetch(3), one.Segment(3, 3 * kMb + 2000)) << come;
        one.Ship(4 * kMb + 5);
        EXPECT_EQ(one.Fetch(3), one.Segment(3)) << come;
        one.Archive(3);
        one.Tidy();
        EXPECT_EQ(one.Tail().size(), 1u) << come << ": nothing of it stays";
    }
}

}    // namespace
}    // namespace ark::test
