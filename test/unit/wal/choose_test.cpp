#include "wal/choose.h"

#include <gtest/gtest.h>

#include "unit/wal/archive_sample.h"

namespace ark::test {
namespace {

using enum RecoveryGoal::Kind;

struct ChooseTest : ::testing::Test {
    WindowChoice Choice(const RecoveryGoal &goal) {
        windows = RecoveryWindows(sample.archive, backups);
        return ChooseWindow(sample.archive, backups, windows, goal);
    }
    // "b on 1", or why there is none.
    std::string Chosen(const RecoveryGoal &goal) {
        WindowChoice choice = Choice(goal);
        if (!choice.window) return choice.why_not;
        EXPECT_TRUE(choice.why_not.empty());
        return choice.window->backup + " on " + std::to_string(choice.window->timeline.value);
    }
    std::string At(const std::string &lsn, const std::string &timeline = "latest", std::uint32_t on = 0) {
        RecoveryGoal goal{.kind = kPosition, .position = ParseLsn(lsn), .timeline = timeline};
        if (on) goal.on = TimelineId{on};
        return Chosen(goal);
    }
    std::string AtMinute(std::uint64_t minute, const std::string &timeline = "latest") {
        return Chosen({.kind = kTime, .time = ArchiveSample::Minute(minute), .timeline = timeline});
    }

    ArchiveSample sample;
    std::vector<BaseBackup> backups;    // the newest first
    std::vector<RecoveryWindow> windows;
};

struct ChooseOnOneTimeline : ChooseTest {
    ChooseOnOneTimeline() {
        sample.Segments(1, 2, 20);
        backups = {sample.Backup("c", 1, "0/A000028", "0/B000100"), sample.Backup("b", 1, "0/5000028", "0/5000100")};
    }
};

TEST_F(ChooseOnOneTimeline, TakesTheNewestThatEndedBeforeAPosition) {
    EXPECT_EQ(At("0/B000100"), "c on 1") << "its stop itself";
    EXPECT_EQ(At("0/B0000FF"), "b on 1");
    EXPECT_EQ(At("0/5000100"), "b on 1");
    EXPECT_EQ(At("0/14FFFFFF"), "c on 1");
}

TEST_F(ChooseOnOneTimeline, RefusesAPositionOutsideEveryWindow) {
    EXPECT_EQ(At("0/50000FF"), "backup c: it ended at 0/B000100, and is consistent from there on");
    EXPECT_EQ(At("0/15000029"), "backup c: its WAL ends at 0/15000000: nothing younger is in the store");
}

TEST_F(ChooseOnOneTimeline, TheEndOfItsWalIsInAWindow) {
    EXPECT_EQ(At("0/15000000"), "c on 1") << "of a quiet server after a switch of segments";
    EXPECT_EQ(At("0/15000028"), "c on 1") << "as it is told behind the page's header";
    windows = RecoveryWindows(sample.archive, backups);
    auto ends_at = [&](const char *until, const char *goal) {
        for (RecoveryWindow &window : windows) window.until = ParseLsn(until);
        return ChooseWindow(sample.archive, backups, windows, {.kind = kPosition, .position = ParseLsn(goal)}).window !=
               nullptr;
    };
    EXPECT_TRUE(ends_at("0/14002000", "0/14002018")) << "a page in the middle";
    EXPECT_FALSE(ends_at("0/14002000", "0/14002019"));
    EXPECT_TRUE(ends_at("0/14002100", "0/14002100"));
    EXPECT_FALSE(ends_at("0/14002100", "0/14002101"));
}

TEST_F(ChooseOnOneTimeline, AMomentIsInAWindowWhoseWalReachesIt) {
    windows = RecoveryWindows(sample.archive, backups);
    std::string asked;
    auto choose = [&](std::uint64_t minute, bool reaches) {
        asked.clear();
        RecoveryGoal goal{.kind = kTime, .time = ArchiveSample::Minute(minute)};
        WindowChoice choice =
            ChooseWindow(sample.archive, backups, windows, goal, [&](const BaseBackup &backup, const RecoveryWindow &) {
                asked += backup.id;
                return reaches;
            });
        return choice.window ? choice.window->backup : choice.why_not;
    };
    EXPECT_EQ(choose(30, true), "c");
    EXPECT_EQ(asked, "c");
    EXPECT_EQ(choose(30, false).substr(0, 22), "backup c: its WAL ends");
    EXPECT_EQ(asked, "cb");
    EXPECT_EQ(choose(20, false), "c");
    EXPECT_EQ(asked, "") << "what the store knows is not looked for";
    EXPECT_EQ(choose(10, true), "b");
    EXPECT_EQ(asked, "") << "before the newest began";
}

TEST_F(ChooseOnOneTimeline, TakesTheNewestThatEndedBeforeAMoment) {
    EXPECT_EQ(AtMinute(11), "c on 1");
    EXPECT_EQ(AtMinute(10), "b on 1");
    EXPECT_EQ(AtMinute(5), "b on 1");
    EXPECT_EQ(AtMinute(20), "c on 1");
    EXPECT_EQ(AtMinute(4), "backup c: it ended at 2026-01-16T00:11:00Z");
    EXPECT_EQ(
        AtMinute(21),
        "backup c: its WAL ends with what came to the store at 2026-01-16T00:20:00Z: nothing younger is in the store");
}

TEST_F(ChooseOnOneTimeline, WithoutATargetTakesTheNewest) {
    EXPECT_EQ(Chosen({}), "c on 1");
    EXPECT_EQ(Chosen({.kind = kConsistent}), "c on 1");
    EXPECT_EQ(Chosen({.kind = kUnplaced}), "c on 1");
}

TEST_F(ChooseOnOneTimeline, ADamagedBackupIsTheLastResort) {
    backups[0].damaged = true;
    EXPECT_EQ(Chosen({}), "b on 1");
    EXPECT_EQ(At("0/B000100"), "b on 1");
    EXPECT_EQ(Choice({}).passed_over, std::vector<BackupId>{"c"});
    EXPECT_TRUE(Choice({.kind = kPosition, .position = ParseLsn("0/6000000")}).passed_over.empty())
        << "it would not have been taken";
    EXPECT_EQ(Chosen({.kind = kEnd, .backup = "c"}), "c on 1") << "it was asked for";
    EXPECT_TRUE(Choice({.kind = kEnd, .backup = "b"}).passed_over.empty()) << "b was asked for";
    backups[1].damaged = true;
    EXPECT_EQ(Chosen({}), "c on 1");
    EXPECT_TRUE(Choice({}).passed_over.empty());
    EXPECT_EQ(At("0/6000000"), "b on 1");
}

TEST_F(ChooseOnOneTimeline, ATransactionMustNotHaveEndedBeforeTheBackup) {
    backups[0].snapshot = ParseSnapshot("700:710:705");
    backups[1].snapshot = ParseSnapshot("500:500:");
    auto transaction = [&](std::uint64_t xid, std::optional<BackupId> backup = {}) {
        return Chosen({.kind = kUnplaced, .transaction = xid, .backup = backup});
    };
    EXPECT_EQ(transaction(710), "c on 1");
    EXPECT_EQ(transaction(705), "c on 1") << "it was under way";
    EXPECT_EQ(transaction(709), "b on 1");
    EXPECT_EQ(transaction(500), "b on 1");
    EXPECT_EQ(transaction(499), "backup c: transaction 499 had ended before it did");
    EXPECT_EQ(transaction(600, "c"), "backup c: transaction 600 had ended before it did");
    backups[0].snapshot.reset();
    EXPECT_EQ(transaction(600), "c on 1") << "nobody knows";
}

TEST_F(ChooseOnOneTimeline, ABackupThatIsNamedIsTheOnlyOne) {
    RecoveryGoal goal{.kind = kPosition, .position = ParseLsn("0/C000000"), .backup = "b"};
    EXPECT_EQ(Chosen(goal), "b on 1");
    goal.position = ParseLsn("0/4000000");
    EXPECT_EQ(Chosen(goal), "backup b: it ended at 0/5000100, and is consistent from there on");
}

TEST_F(ChooseOnOneTimeline, NoWindowGoesBeyondAHole) {
    std::erase_if(sample.archive.timelines[{1}].segments,
                  [&](const ArchivedFile &file) { return file.name.segment == sample.Name(1, 8); });
    EXPECT_EQ(At("0/7FFFFFF"), "b on 1");
    EXPECT_EQ(At("0/8000000"), "b on 1") << "all before it is there";
    EXPECT_EQ(At("0/8000029"), "backup c: it ended at 0/B000100, and is consistent from there on");
    EXPECT_EQ(At("0/C000000"), "c on 1") << "behind the hole";
    EXPECT_EQ(AtMinute(8), "backup c: it ended at 2026-01-16T00:11:00Z");
    EXPECT_EQ(Chosen({}), "c on 1");
    EXPECT_EQ(Chosen({.backup = "b"}),
              "backup b: its WAL ends at 0/8000000: WAL segment 000000010000000000000008 is missing");
    EXPECT_EQ(Chosen({.kind = kConsistent, .backup = "b"}), "b on 1");
    EXPECT_EQ(Chosen({.kind = kUnplaced, .backup = "b"}), "b on 1") << "it may lie before";
}

TEST_F(ChooseOnOneTimeline, ABackupWithoutItsOwnWalIsPassedOver) {
    std::erase_if(sample.archive.timelines[{1}].segments,
                  [&](const ArchivedFile &file) { return file.name.segment == sample.Name(1, 10); });
    EXPECT_EQ(Chosen({.kind = kConsistent}), "b on 1");
    EXPECT_EQ(Chosen({.kind = kConsistent, .backup = "c"}),
              "backup c: it cannot be restored: WAL segment 00000001000000000000000A is missing");
    EXPECT_EQ(Chosen({}), "backup c: it cannot be restored: WAL segment 00000001000000000000000A is missing");
}

TEST_F(ChooseTest, WithoutBackupsThereIsNothing) {
    sample.Segments(1, 1, 9);
    EXPECT_EQ(Chosen({}), "");
    EXPECT_EQ(Choice({}).window, nullptr);
}

// 1 was left for 2 in segment 8; "d" is of the new timeline.
struct ChooseAcrossAPromotion : ChooseTest {
    ChooseAcrossAPromotion() {
        sample.Segments(1, 2, 7);
        sample.History(2, "1 0/8800000\n");
        sample.Segments(2, 8, 14);
        backups = {sample.Backup("d", 2, "0/B000028", "0/B000100"), sample.Backup("b", 1, "0/5000028", "0/5000100")};
    }
};

TEST_F(ChooseAcrossAPromotion, TheLatestTimelineGoesThroughTheOlderBackupToo) {
    EXPECT_EQ(At("0/C000000"), "d on 2");
    EXPECT_EQ(At("0/B000000"), "b on 2");
    EXPECT_EQ(At("0/6000000"), "b on 2") << "a position of timeline 1";
    EXPECT_EQ(AtMinute(12), "d on 2");
    EXPECT_EQ(AtMinute(9), "b on 2");
    EXPECT_EQ(Chosen({}), "d on 2");
}

TEST_F(ChooseAcrossAPromotion, TheCurrentOneIsThatOfEachBackup) {
    EXPECT_EQ(At("0/6000000", "current"), "b on 1");
    EXPECT_EQ(At("0/B000000", "current"), "backup d: it ended at 0/B000100, and is consistent from there on");
    EXPECT_EQ(Chosen({.timeline = "current"}), "d on 2");
}

TEST_F(ChooseAcrossAPromotion, ANumberIsThatTimeline) {
    EXPECT_EQ(Chosen({.timeline = "1"}), "b on 1");
    EXPECT_EQ(At("0/C000000", "1"), "backup d: timeline 1 did not go through it");
    EXPECT_EQ(At("0/C000000", "2"), "d on 2");
    EXPECT_EQ(Chosen({.timeline = "7"}), "backup d: timeline 7 did not go through it");
}

TEST_F(ChooseAcrossAPromotion, APlacedPositionMustLieOnTheWay) {
    EXPECT_EQ(At("0/6000000", "latest", 1), "b on 2");
    EXPECT_EQ(At("0/9000000", "latest", 2), "b on 2");
    EXPECT_EQ(At("0/9000000", "latest", 1), "backup d: it ended at 0/B000100, and is consistent from there on");
    EXPECT_EQ(Chosen({.kind = kPosition, .position = ParseLsn("0/9000000"), .on = TimelineId{1}, .backup = "b"}),
              "backup b: 0/9000000 is a position of timeline 1, which timeline 2 did not go through");
}

// Recovered to segment 5 while "c" had been taken further on: the latest timeline has no past in "c".
TEST_F(ChooseTest, ABackupOfABranchThatWasLeftIsPassedOver) {
    sample.Segments(1, 2, 12);
    sample.History(2, "1 0/5800000\n");
    sample.Segments(2, 5, 9);
    backups = {sample.Backup("c", 1, "0/A000028", "0/A000100"), sample.Backup("b", 1, "0/3000028", "0/3000100")};
    EXPECT_EQ(Chosen({}), "b on 2");
    EXPECT_EQ(Chosen({.kind = kConsistent}), "b on 2");
    EXPECT_EQ(At("0/B000000"), "backup c: timeline 2 did not go through it");
    EXPECT_EQ(At("0/B000000", "1"), "c on 1");
    EXPECT_EQ(Chosen({.timeline = "current"}), "c on 1");
}

}    // namespace
}    // namespace ark::test
