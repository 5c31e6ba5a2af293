#include "wal/push.h"

#include <gtest/gtest.h>

#include "pgdata/restored_mark.h"
#include "unit/wal/directory_sample.h"
#include "wal/succession.h"

namespace ark::test {
namespace {

constexpr const char *kThird = "000000010000000000000003";

class PushTest : public ::testing::Test {
protected:
    SegmentResult Push(const std::string &name, const std::filesystem::path &file) {
        directory = std::make_unique<DataDirectory>(sample.path());
        return WalPusher(*store.repository, *store.keys, store.key, *directory, {CompressionKind::kZstd, 1},
                         store.random, SilentLog())
            .Push(ParseWalFileName(name), file);
    }
    SegmentResult Push(const std::string &name) { return Push(name, sample.path() / "pg_wal" / name); }
    bool Has(const std::string &name) { return store.Stat(name).has_value(); }
    Writer Owner(std::uint32_t timeline, const char *lsn) {
        Writer owner;
        owner.timeline = timeline;
        owner.start_lsn = lsn;
        return owner;
    }
    bool Follows(const Writer &owner, const char *history) {
        return Succeeds(*store.repository, owner, TimelineHistory::Parse({2}, history), WalSegmentSize(kSmallSegment));
    }

    WalSample store{true};
    DirectorySample sample;
    std::unique_ptr<DataDirectory> directory;
};

TEST_F(PushTest, StoresASegmentOnce) {
    sample.AddSegment(kThird);
    EXPECT_EQ(Push(kThird).outcome, SegmentOutcome::kStored);
    EXPECT_EQ(Push(kThird).outcome, SegmentOutcome::kSameAlready);
    EXPECT_EQ(store.Read(kThird), ToBytes(ReadWholeFile(sample.path() / "pg_wal" / kThird)));
    sample.AddSegment(kThird, 2);
    EXPECT_EQ(ErrorOf([&] { Push(kThird); }).code, Code::kConflict);
}

TEST_F(PushTest, RefusesWhatIsNotWhatItsNameSays) {
    std::filesystem::path third = sample.AddSegment(kThird);
    EXPECT_EQ(ErrorOf([&] { Push("000000010000000000000004", third); }).code, Code::kCorrupt);
    Bytes half = ShortSegment(1);
    half.resize(half.size() / 2);
    sample.Add(kThird, half);
    EXPECT_NE(ErrorOf([&] { Push(kThird); }).message.find("has 524288 bytes"), std::string::npos);
    sample.Add("00000002.history", AsBytes("nonsense\n"));
    EXPECT_EQ(ErrorOf([&] { Push("00000002.history"); }).code, Code::kCorrupt);
    sample.Add("000000010000000000000003.00000028.backup", AsBytes("nonsense\n"));
    EXPECT_EQ(ErrorOf([&] { Push("000000010000000000000003.00000028.backup"); }).code, Code::kCorrupt);
    EXPECT_EQ(ErrorOf([&] { Push("000000010000000000000009"); }).code, Code::kNotFound);
    store.repository->List("wal/", [](const ObjectInfo &info) {
        ADD_FAILURE() << info.name << " was stored";
        return true;
    });
}

TEST_F(PushTest, AServerInRecoveryStoresNothing) {
    sample.AddSegment(kThird);
    sample.SetState(ClusterState::kInArchiveRecovery);
    EXPECT_EQ(ErrorOf([&] { Push(kThird); }).code, Code::kNotFound);
    EXPECT_FALSE(Has(kThird));
    sample.SetState(ClusterState::kInProduction);    // as its primary
    Push(kThird);
    sample.SetState(ClusterState::kInArchiveRecovery);
    EXPECT_EQ(Push(kThird).outcome, SegmentOutcome::kSameAlready);
    sample.AddSegment(kThird, 2);
    EXPECT_EQ(ErrorOf([&] { Push(kThird); }).code, Code::kConflict);
}

TEST_F(PushTest, AHistoryComesAfterAllThatItStandsOn) {
    for (const char *name : {"000000010000000000000003", "000000010000000000000004", "000000010000000000000005"})
        sample.AddSegment(name);
    Push(kThird);
    sample.Add("00000002.history", AsBytes("1\t0/580000\tno recovery target specified\n"));
    Push("00000002.history");
    EXPECT_TRUE(Has("000000010000000000000004"));
    EXPECT_FALSE(Has("000000010000000000000005")) << "the switch point lies in it";
    EXPECT_TRUE(Has("00000002.history"));
}

TEST_F(PushTest, AHistoryDoesNotComeBeforeWhatItStandsOn) {
    sample.AddSegment("000000010000000000000004");
    sample.Add("000000010000000000000003", ShortSegment(3));    // no segment at all
    sample.Add("00000002.history", AsBytes("1\t0/580000\tno recovery target specified\n"));
    EXPECT_EQ(ErrorOf([&] { Push("00000002.history"); }).code, Code::kCorrupt);
    EXPECT_FALSE(Has("00000002.history"));
}

TEST_F(PushTest, APromotedServerFollowsAnOwnerThatStopped) {
    sample.AddSegment(kThird);
    Push(kThird);
    EXPECT_TRUE(Follows(Owner(1, "0/100000"), "1\t0/480000\tpromoted\n"));
    EXPECT_FALSE(Follows(Owner(1, "0/100000"), "1\t0/380000\tpromoted\n")) << "the owner went on";
    EXPECT_FALSE(Follows(Owner(1, "0/500000"), "1\t0/480000\tpromoted\n")) << "it left before the owner began";
    EXPECT_FALSE(Follows(Owner(3, "0/100000"), "1\t0/480000\tpromoted\n")) << "no ancestor";
    EXPECT_FALSE(Follows(Owner(2, "0/100000"), "1\t0/480000\tpromoted\n")) << "the same timeline: a clone";
}

TEST_F(PushTest, ARestoredDirectoryIsMarked) {
    const Repository &repository = *store.repository;
    DataDirectory plain = sample.Open();
    auto mark = [&] {
        MarkIfBeingRestored(plain);
        return ReadRestoredMark(plain.path());
    };
    EXPECT_EQ(mark(), std::nullopt);
    sample.Write(sample.path() / "standby.signal", {});
    EXPECT_EQ(mark(), std::nullopt);
    NameWhatIsRestored(plain, repository);
    EXPECT_EQ(mark(), std::nullopt);
    std::filesystem::remove(sample.path() / "standby.signal");
    sample.Write(sample.path() / "recovery.signal", {});
    std::optional<RestoredMark> first = mark();
    ASSERT_TRUE(first);
    EXPECT_EQ(mark(), first) << "marked once";
    NameWhatIsRestored(plain, repository);
    EXPECT_EQ(mark(), (RestoredMark{first->id, {repository.id(), repository.cluster().Path(), ""}}));
    WriteRestoredMark(plain.path(), RestoredFrom{"other", "path", "backup"}, SystemRandom());
    first = mark();
    NameWhatIsRestored(plain, repository);
    EXPECT_EQ(mark(), first) << "what it says stays";
}

}    // namespace
}    // namespace ark::test
