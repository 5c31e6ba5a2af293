#include "wal/expire.h"

#include <gtest/gtest.h>

#include "repo/restore_points.h"
#include "repo/writers.h"
#include "unit/wal/wal_sample.h"
#include "wal/tail_object.h"

namespace ark::test {
namespace {

const WalSegmentSize kSize(1 << 20);

std::string Numbered(std::uint64_t number, std::uint32_t timeline = 1) {
    return SegmentName::OfNumber({timeline}, number, kSize).Text();
}

struct ExpireTest : ::testing::Test {
    ExpireTest() {
        Writer self;
        self.system_identifier = kSampleCluster.system_identifier;
        self.start_lsn = "0/0";
        self.fingerprint.machine = "m";
        ClaimWriter(*store.repository, self, store.clock, store.random);
    }
    void Segments(std::uint64_t first, std::uint64_t last) {
        for (std::uint64_t n = first; n <= last; n++) {
            store.clock.Advance(std::chrono::minutes(2));
            store.Write(ShortSegment(), Numbered(n));
        }
    }
    std::unique_ptr<BackupSession> Begin() {
        store.clock.Advance(std::chrono::minutes(2));
        BackupPlan plan;
        plan.kind = "physical";
        plan.reason = "test";
        return BackupSession::Begin(store.repository, store.keys, plan, store.clock, store.random);
    }
    static Json Body(std::uint64_t start, std::uint64_t stop) {
        return {{"timeline", 1},
                {"stop_timeline", 1},
                {"start_lsn", Lsn{start * kSize.bytes() + 40}.Text()},
                {"stop_lsn", Lsn{stop * kSize.bytes() + 400}.Text()},
                {"wal_segment_size", kSize.bytes()}};
    }
    BackupId Backup(std::uint64_t start, std::uint64_t stop) {
        std::unique_ptr<BackupSession> session = Begin();
        session->Commit(Body(start, stop));
        return session->id();
    }
    WalExpiryResult Expire(bool dry_run = false) {
        return ExpireWal(*store.repository, *store.keys, {.dry_run = dry_run, .by = "test"}, store.clock, store.random,
                         NeverCancelled(), SilentLog());
    }
    std::string Left() {
        std::string left;
        ListSegments(*store.repository, {1}, [&](const SegmentName &name, const ObjectInfo &) {
            left += (left.empty() ? "" : " ") + std::to_string(name.Number(kSize));
            return true;
        });
        return left;
    }

    WalSample store{true};
};

TEST_F(ExpireTest, DeletesWhatNoKeptBackupNeedsAndSaysSoBefore) {
    Segments(1, 9);
    EXPECT_EQ(Expire().files, 0u);
    EXPECT_EQ(Left(), "1 2 3 4 5 6 7 8 9") << "there is no base backup";
    BackupId first = Backup(3, 3), second = Backup(6, 6);
    EXPECT_EQ(Expire(true).files, 2u);
    EXPECT_EQ(Left(), "1 2 3 4 5 6 7 8 9") << "a dry run";
    EXPECT_TRUE(ReadWalFloors(*store.repository, store.keys.get()).empty());
    WalExpiryResult result = Expire();
    EXPECT_EQ(result.files, 2u);
    EXPECT_GT(result.bytes, 0u);
    EXPECT_EQ(Left(), "3 4 5 6 7 8 9");
    EXPECT_EQ(ReadWalFloors(*store.repository, store.keys.get()), (WalFloors{{{1}, Lsn{3 * kSize.bytes()}}}));
    EndBackup(*store.repository, first, "test", "test", store.clock);
    Expire();
    EXPECT_EQ(Left(), "6 7 8 9");
    EXPECT_EQ(ReadWalFloors(*store.repository, store.keys.get()), (WalFloors{{{1}, Lsn{6 * kSize.bytes()}}}));
    EXPECT_EQ(Expire().files, 0u);
}

TEST_F(ExpireTest, WhatARestoredOwnerGoesOnFromStaysBeforeItsHistoryHasCome) {
    Segments(1, 5);
    Backup(2, 2);
    Segments(6, 9);
    Backup(7, 7);
    store.clock.Advance(std::chrono::hours(1));
    Writer restored;
    restored.system_identifier = kSampleCluster.system_identifier;
    restored.timeline = 2;
    restored.start_lsn = Lsn{5 * kSize.bytes() + 200}.Text();
    restored.fingerprint.machine = "n";
    restored.restored_from = RestoreOrigin{{}, TimelineId{1}, Lsn{5 * kSize.bytes() + 100}};
    TakeOver(*store.repository, restored, "test", store.clock, store.random);
    ExpireWal(*store.repository, *store.keys, {.recovery_window = std::chrono::minutes(5), .by = "test"}, store.clock,
              store.random, NeverCancelled(), SilentLog());
    EXPECT_EQ(Left(), "2 3 4 5 7 8 9") << "up to where it left, and what the other backup needs";
}

TEST_F(ExpireTest, TheTailGoesWithTheWalThatItHolds) {
    store.repository->SetEpoch(1);
    for (std::uint64_t number : {2u, 9u}) {
        TailInfo info;
        info.name = {.epoch = 1, .timeline = {1}, .start = {number << 20}, .end = {(number << 20) + 5}};
        info.system_identifier = kSampleCluster.system_identifier;
        info.segment_size = kSize.bytes();
        info.before = info.after = std::string(64, '0');
        info.salt = store.random.Hex(32);
        WriteTail(*store.repository, *store.keys, store.key, info, {}, ToBytes("12345"));
    }
    Segments(3, 8);
    Backup(3, 3);
    WalExpiryResult planned = Expire(true);
    ASSERT_EQ(planned.files, 1u);
    EXPECT_EQ(planned.ranges[planned.ranges.size() - 2].names, "tail of epoch 1, 0/200000 to 0/200005");
    EXPECT_FALSE(planned.ranges[planned.ranges.size() - 2].keep);
    EXPECT_EQ(ListTail(*store.repository).size(), 2u) << "a dry run";
    EXPECT_EQ(Expire().files, 1u);
    ASSERT_EQ(ListTail(*store.repository).size(), 1u);
    EXPECT_EQ(ListTail(*store.repository)[0].start, (Lsn{9 << 20}));
    EXPECT_EQ(ReadWalFloors(*store.repository, store.keys.get()), (WalFloors{{{1}, Lsn{(2 << 20) + 5}}}));
}

TEST_F(ExpireTest, WhatComesWhileABackupIsTakenStays) {
    Segments(1, 3);
    std::unique_ptr<BackupSession> slow = Begin();
    Segments(4, 9);
    Backup(8, 8);
    Expire();
    EXPECT_EQ(Left(), "4 5 6 7 8 9");
    CheckAboveFloor(*store.repository, *store.keys, {1}, Lsn{4 * kSize.bytes() + 40}, kSize);
    slow->Commit(Body(4, 9));
    Expire();
    EXPECT_EQ(Left(), "4 5 6 7 8 9");
}

TEST_F(ExpireTest, ABackupWhoseWalIsGoneDoesNotCount) {
    Segments(1, 9);
    Backup(6, 6);
    Expire();
    CheckAboveFloor(*store.repository, *store.keys, {1}, Lsn{6 * kSize.bytes() + 40}, kSize);
    CheckAboveFloor(*store.repository, *store.keys, {2}, Lsn{}, kSize);
    Error error =
        ErrorOf([&] { CheckAboveFloor(*store.repository, *store.keys, {1}, Lsn{6 * kSize.bytes() - 1}, kSize); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_NE(error.detail.find("expired up to 0/600000"), std::string::npos) << error.detail;
}

TEST_F(ExpireTest, WithADamagedBackupNothingGoes) {
    Segments(1, 9);
    BackupId first = Backup(3, 3);
    Backup(6, 6);
    Bytes manifest = store.Load(layout::Manifest(first));
    manifest[manifest.size() / 2] ^= std::byte{1};
    store.Replace(layout::Manifest(first), manifest);
    EXPECT_EQ(Thrown([&] { Expire(); }), Code::kCorrupt);
    EXPECT_EQ(Left(), "1 2 3 4 5 6 7 8 9");
}

TEST_F(ExpireTest, RestorePointsAreFoundByName) {
    EXPECT_FALSE(FindRestorePoint(*store.repository, *store.keys, "a"));
    for (const char *name : {"a", "b", "a"}) {
        store.clock.Advance(std::chrono::minutes(1));
        RecordRestorePoint(*store.repository, store.key,
                           {.name = name,
                            .lsn = ParseLsn("0/5000100"),
                            .timeline = {2},
                            .at = store.clock.Now(),
                            .by = "me",
                            .reason = ""},
                           store.clock, store.random);
    }
    std::vector<RestorePoint> points = ListRestorePoints(*store.repository, *store.keys);
    ASSERT_EQ(points.size(), 3u);
    EXPECT_EQ(points[0].name + points[1].name + points[2].name, "aba");
    EXPECT_EQ(ListRestorePoints(*store.repository, *store.keys, 1).size(), 1u);
    std::optional<RestorePoint> found = FindRestorePoint(*store.repository, *store.keys, "a");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->at, points[0].at) << "the newest";
    EXPECT_EQ(found->lsn, ParseLsn("0/5000100"));
    EXPECT_EQ(found->timeline.value, 2u);
    EXPECT_EQ(Thrown([] { CheckRestorePointName(""); }), Code::kInvalidArgument);
    EXPECT_EQ(Thrown([] { CheckRestorePointName(std::string(64, 'x')); }), Code::kInvalidArgument);
}

}    // namespace
}    // namespace ark::test
