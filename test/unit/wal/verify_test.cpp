#include "wal/verify.h"

#include <gtest/gtest.h>

#include "unit/wal/tail_sample.h"

namespace ark::test {
namespace {

class VerifyWalTest : public ::testing::TestWithParam<bool> {
protected:
    WalVerified Read(std::uint64_t from, std::uint64_t until) {
        WalArchive archive = ReadWalArchive(*sample.store.repository, *sample.store.keys, NeverCancelled());
        WalVerifier verifier(*sample.store.repository, *sample.store.keys, archive, NeverCancelled());
        verifier.Read({1}, size, {from}, {until});
        return verifier.verified();
    }
    static std::string Missing(unsigned number) {
        return "WAL segment " + TailSample::Name(number).Text() + " is missing";
    }

    TailSample sample{GetParam()};
    WalSegmentSize size{kSmallSegment};
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, VerifyWalTest, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(VerifyWalTest, EverySegmentIsReadOnce) {
    for (unsigned number : {1, 2, 3}) sample.Archive(number);
    WalVerified read = Read(kSmallSegment + 40, 3 * kSmallSegment + 100);
    EXPECT_EQ(read.segments, 3u);
    EXPECT_EQ(read.bytes, 3 * kSmallSegment);
    EXPECT_TRUE(read.problems.empty());

    WalArchive archive = ReadWalArchive(*sample.store.repository, *sample.store.keys, NeverCancelled());
    WalVerifier twice(*sample.store.repository, *sample.store.keys, archive, NeverCancelled());
    twice.Read({1}, size, {kSmallSegment}, {2 * kSmallSegment});
    twice.Read({1}, size, {kSmallSegment}, {3 * kSmallSegment});
    EXPECT_EQ(twice.verified().segments, 2u);
}

TEST_P(VerifyWalTest, WhatIsMissingAndWhatIsDamagedIsNamed) {
    for (unsigned number : {1, 2, 4}) sample.Archive(number);
    EXPECT_EQ(Read(kSmallSegment, 5 * kSmallSegment).problems, std::vector{Missing(3)});
    EXPECT_EQ(Read(kSmallSegment, 6 * kSmallSegment).problems, (std::vector{Missing(3), Missing(5)}));
    EXPECT_TRUE(Read(kSmallSegment, 3 * kSmallSegment).problems.empty()) << "what lies behind is not asked for";

    std::string object = WalSample::ObjectName(TailSample::Name(2).Text());
    Bytes bytes = sample.store.Load(object);
    bytes[bytes.size() / 2] ^= std::byte{1};
    sample.store.Replace(object, bytes);
    WalVerified read = Read(kSmallSegment, 3 * kSmallSegment);
    ASSERT_EQ(read.problems.size(), 1u);
    EXPECT_TRUE(read.problems[0].starts_with("WAL segment " + TailSample::Name(2).Text() + ": ")) << read.problems[0];
}

TEST_P(VerifyWalTest, PiecesStandForTheSegmentThatIsBeingWritten) {
    sample.Archive(1);
    sample.Begin(2 * kSmallSegment);
    sample.Ship(2 * kSmallSegment + 70'000);
    EXPECT_TRUE(Read(kSmallSegment, 2 * kSmallSegment + 70'000).problems.empty());
    EXPECT_EQ(Read(kSmallSegment, 2 * kSmallSegment + 70'001).problems, std::vector{Missing(2)});
    std::vector<layout::TailName> tail = sample.Tail();
    ASSERT_FALSE(tail.empty());
    std::string object = layout::Tail(tail.front());
    Bytes bytes = sample.store.Load(object);
    bytes[bytes.size() - 100] ^= std::byte{1};
    sample.store.Replace(object, bytes);
    EXPECT_EQ(Read(kSmallSegment, 2 * kSmallSegment + 70'000).problems.size(), 1u);
}

}    // namespace
}    // namespace ark::test
