#include "retention/apply.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

namespace ark {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

const TimePoint kNow = ParseTime("2026-01-16T12:00:00Z");

BackupInfo Backup(std::uint64_t sequence, std::string_view finished) {
    BackupInfo backup;
    backup.id = "b" + std::to_string(sequence);
    backup.sequence = sequence;
    backup.kind = "logical";
    backup.source = "local";
    backup.database = "app";
    backup.finished = ParseTime(finished);
    return backup;
}

// "b3 keep: reason" a line.
std::string Print(const std::vector<Verdict> &verdicts) {
    std::string out;
    for (const Verdict &verdict : verdicts)
        out += fmt::format("{} {}: {}\n", verdict.id, verdict.keep ? "keep" : "drop", verdict.reason);
    return out;
}

TEST(Retention, AnEmptyPolicyKeepsEverything) {
    EXPECT_EQ(Print(Apply({}, {Backup(1, "2020-01-01T02:00:00Z"), Backup(2, "2020-01-02T02:00:00Z")}, kNow)),
              "b2 keep: the newest backup is never deleted\n"
              "b1 keep: no policy: everything is kept\n");
    EXPECT_TRUE(Apply({}, {}, kNow).empty());
}

TEST(Retention, KeepsTheLastOnesAndSaysWhichIsWhich) {
    EXPECT_EQ(Print(Apply({.keep_last = 2},
                          {Backup(1, "2026-01-14T02:00:00Z"), Backup(3, "2026-01-16T02:00:00Z"),
                           Backup(2, "2026-01-15T02:00:00Z")},
                          kNow)),
              "b3 keep: the newest backup is never deleted; last 1 of 2\n"
              "b2 keep: last 2 of 2\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, KeepsTheNewestOfEachDayWithItsNumber) {
    EXPECT_EQ(Print(Apply({.keep_daily = 2},
                          {Backup(1, "2026-01-13T02:00:00Z"), Backup(2, "2026-01-15T02:00:00Z"),
                           Backup(3, "2026-01-15T14:00:00Z"), Backup(4, "2026-01-16T02:00:00Z")},
                          kNow)),
              "b4 keep: the newest backup is never deleted; newest of 2026-01-16 (daily 1 of 2)\n"
              "b3 keep: newest of 2026-01-15 (daily 2 of 2)\n"
              "b2 drop: kept by no rule\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, NamesHoursWeeksMonthsAndYears) {
    Policy policy{.keep_hourly = 1, .keep_weekly = 1, .keep_monthly = 1, .keep_yearly = 1};
    EXPECT_EQ(Print(Apply(policy, {Backup(1, "2027-01-03T14:05:00Z")}, kNow)),
              "b1 keep: the newest backup is never deleted; newest of 2027-01-03 14h (hourly 1 of 1); newest of "
              "2026-W53 (weekly 1 of 1); "
              "newest of 2027-01 (monthly 1 of 1); newest of 2027 (yearly 1 of 1)\n");
    EXPECT_NE(Print(Apply(policy, {Backup(1, "2025-12-29T00:00:00Z")}, kNow)).find("2026-W01"), std::string::npos);
    EXPECT_NE(Print(Apply(policy, {Backup(1, "2021-01-04T00:00:00Z")}, kNow)).find("2021-W01"), std::string::npos);
    EXPECT_NE(Print(Apply(policy, {Backup(1, "2021-01-03T23:59:59Z")}, kNow)).find("2020-W53"), std::string::npos);
}

TEST(Retention, DaysAreLocalDaysWhenAZoneIsGiven) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-14T22:30:00Z"), Backup(2, "2026-01-14T23:30:00Z")};
    auto vienna = [](TimePoint time) {
        return std::chrono::local_seconds(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch() + 1h);
    };
    EXPECT_FALSE(Apply({.keep_daily = 5}, backups, kNow)[1].keep) << "one day in UTC";
    EXPECT_EQ(Apply({.keep_daily = 5}, backups, kNow, vienna)[1].reason, "newest of 2026-01-14 (daily 2 of 5)");
}

TEST(Retention, KeepWithinIsByAge) {
    EXPECT_EQ(Print(Apply({.keep_within = days(90)},
                          {Backup(1, "2025-10-18T11:59:59Z"), Backup(2, "2025-10-18T12:00:00Z"),
                           Backup(3, "2026-02-01T00:00:00Z")},
                          kNow)),
              "b3 keep: the newest backup is never deleted; younger than keep_within 90 days\n"
              "b2 keep: younger than keep_within 90 days\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, KeepsTheNewestBackupEvenWhenItIsOld) {
    EXPECT_EQ(Print(Apply({.keep_within = days(1)},
                          {Backup(1, "2020-01-01T02:00:00Z"), Backup(2, "2020-01-02T02:00:00Z")}, kNow)),
              "b2 keep: the newest backup is never deleted\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, KeepsTheLastVerifiedBackup) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-13T02:00:00Z"), Backup(2, "2026-01-14T02:00:00Z"),
                                    Backup(3, "2026-01-15T02:00:00Z")};
    backups[0].verified = backups[1].verified = true;
    EXPECT_EQ(Print(Apply({.keep_last = 1}, backups, kNow)),
              "b3 keep: the newest backup is never deleted; last 1 of 1\n"
              "b2 keep: the last verified backup is never deleted\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, KeepsWhatIsOnHoldUntilTheHoldEnds) {
    std::vector<BackupInfo> backups;
    for (std::uint64_t i = 1; i <= 4; i++) backups.push_back(Backup(i, "2026-01-10T02:00:00Z"));
    backups[0].held = backups[1].held = backups[2].held = true;
    backups[1].held_until = kNow + 24h;
    backups[2].held_until = kNow;
    EXPECT_EQ(Print(Apply({.keep_last = 1}, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 drop: kept by no rule\n"
              "b2 keep: held until 2026-01-17T12:00:00Z\n"
              "b1 keep: held until released\n");
    backups[1].held = false;
    EXPECT_FALSE(Apply({.keep_last = 1}, backups, kNow)[2].keep) << "released";
}

TEST(Retention, ADamagedBackupTakesNobodysPlace) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-13T02:00:00Z"), Backup(2, "2026-01-14T02:00:00Z"),
                                    Backup(3, "2026-01-15T02:00:00Z"), Backup(4, "2026-01-15T03:00:00Z")};
    backups[1].state = backups[3].state = BackupState::kDamaged;
    backups[1].verified = backups[3].verified = true;
    EXPECT_EQ(Print(Apply({.keep_last = 1, .keep_daily = 1}, backups, kNow)),
              "b4 keep: last 1 of 1; newest of 2026-01-15 (daily 1 of 1)\n"
              "b3 keep: the newest backup is never deleted; last 1 of 1; newest of 2026-01-15 (daily 1 of 1)\n"
              "b2 drop: kept by no rule\n"
              "b1 drop: kept by no rule\n");
    for (BackupInfo &backup : backups) backup.state = BackupState::kDamaged;
    EXPECT_EQ(Apply({.keep_within = 1h}, backups, kNow)[0].reason, "damaged, but there is no better one");
}

TEST(Retention, LeavesARunningBackupAlone) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-14T02:00:00Z"), Backup(2, "2026-01-15T02:00:00Z"),
                                    Backup(3, "1970-01-01T00:00:00Z")};
    backups[2].state = BackupState::kRunning;
    EXPECT_EQ(Print(Apply({.keep_last = 1}, backups, kNow)),
              "b3 keep: not finished\n"
              "b2 keep: the newest backup is never deleted; last 1 of 1\n"
              "b1 drop: kept by no rule\n");
}

TEST(Retention, JudgesEachSourceDatabaseAndKindByItself) {
    std::vector<BackupInfo> backups;
    for (std::uint64_t i = 1; i <= 8; i++) backups.push_back(Backup(i, "2026-01-10T02:00:00Z"));
    backups[1].database = backups[2].database = "other";
    backups[3].kind = backups[4].kind = "entities";
    backups[5].source = backups[6].source = "remote";
    std::map<std::string, bool> keep;
    for (const Verdict &verdict : Apply({.keep_last = 1}, backups, kNow)) keep[verdict.id] = verdict.keep;
    EXPECT_EQ(keep, (std::map<std::string, bool>{{"b1", false},
                                                 {"b2", false},
                                                 {"b3", true},
                                                 {"b4", false},
                                                 {"b5", true},
                                                 {"b6", false},
                                                 {"b7", true},
                                                 {"b8", true}}));
}

TEST(Retention, OrdersBySequenceNotByNameOrClock) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-15T02:00:00Z"),
                                    Backup(2, "2026-01-12T02:00:00Z")};    // the clock was set back
    backups[0].id = "z";
    backups[1].id = "a";
    EXPECT_EQ(Print(Apply({.keep_last = 1}, backups, kNow)),
              "a keep: the newest backup is never deleted; last 1 of 1\n"
              "z drop: kept by no rule\n");
    backups[0].sequence = 2;
    EXPECT_EQ(Apply({.keep_last = 1}, backups, kNow)[0].id, "z") << "equal sequences fall back on the id";
}

TEST(Retention, ADayThatComesAgainAfterTheClockWasSetBackIsOneDay) {
    std::vector<BackupInfo> backups{Backup(1, "2026-01-14T02:00:00Z"), Backup(2, "2026-01-15T02:00:00Z"),
                                    Backup(3, "2026-01-14T03:00:00Z")};
    EXPECT_EQ(Print(Apply({.keep_daily = 3}, backups, kNow)),
              "b3 keep: the newest backup is never deleted; newest of 2026-01-14 (daily 1 of 3)\n"
              "b2 keep: newest of 2026-01-15 (daily 2 of 3)\n"
              "b1 drop: kept by no rule\n");
}

// Three years of four backups a day, expired every day.
TEST(Retention, YearsOfGrandfatherFatherSonLeaveExactlyWhatThePolicySays) {
    Policy policy{.keep_last = 3, .keep_daily = 7, .keep_weekly = 4, .keep_monthly = 12, .keep_yearly = 5};
    std::vector<BackupInfo> store;
    std::uint64_t sequence = 0;
    TimePoint at = ParseTime("2023-01-01T00:00:00Z");
    for (; at < ParseTime("2026-01-16T00:00:00Z"); at += 6h) {
        store.push_back(Backup(++sequence, FormatTime(at)));
        if (sequence % 4) continue;
        std::map<std::string, bool> keep;
        for (const Verdict &verdict : Apply(policy, store, at)) keep[verdict.id] = verdict.keep;
        std::erase_if(store, [&](const BackupInfo &backup) { return !keep.at(backup.id); });
    }
    std::string left;
    for (const BackupInfo &backup : store) left += FormatTime(backup.finished).substr(0, 13) + " ";
    EXPECT_EQ(left,
              "2023-12-31T18 2024-12-31T18 "
              "2025-02-28T18 2025-03-31T18 2025-04-30T18 2025-05-31T18 2025-06-30T18 2025-07-31T18 2025-08-31T18 "
              "2025-09-30T18 2025-10-31T18 "
              "2025-11-30T18 2025-12-28T18 2025-12-31T18 2026-01-04T18 2026-01-09T18 2026-01-10T18 2026-01-11T18 "
              "2026-01-12T18 2026-01-13T18 "
              "2026-01-14T18 2026-01-15T06 2026-01-15T12 2026-01-15T18 ");
}

BackupInfo Physical(std::uint64_t sequence, const std::string &finished) {
    BackupInfo backup = Backup(sequence, finished);
    backup.kind = "physical";
    backup.database = "";
    return backup;
}

TEST(Retention, KeepsTheBackupWithWhichTheRecoveryWindowBegins) {
    Policy policy{.keep_last = 1, .pitr_window = std::chrono::days(3)};
    std::vector<BackupInfo> backups{Physical(1, "2026-01-11T02:00:00Z"), Physical(2, "2026-01-13T02:00:00Z"),
                                    Physical(3, "2026-01-14T02:00:00Z"), Physical(4, "2026-01-15T02:00:00Z")};
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 drop: kept by no rule\n"
              "b2 keep: the recovery window of 3 days begins with it\n"
              "b1 drop: kept by no rule\n");
    backups[1].left_behind = true;
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 drop: kept by no rule\n"
              "b2 drop: kept by no rule\n"
              "b1 keep: the recovery window of 3 days begins with it\n");
    backups[0].state = BackupState::kDamaged;
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 keep: the recovery window of 3 days begins with it\n"
              "b2 drop: kept by no rule\n"
              "b1 drop: kept by no rule\n")
        << "while none is as old as the window, the oldest";
}

TEST(Retention, KeepsTheNewestThatARestoredClusterGoesOnFrom) {
    Policy policy{.keep_last = 1};
    std::vector<BackupInfo> backups{Physical(1, "2026-01-11T02:00:00Z"), Physical(2, "2026-01-12T02:00:00Z"),
                                    Physical(3, "2026-01-13T02:00:00Z"), Physical(4, "2026-01-14T02:00:00Z")};
    backups[2].left_behind = backups[3].left_behind = true;    // restored to a moment before the third
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 drop: kept by no rule\n"
              "b2 keep: the newest that the cluster goes on from is never deleted\n"
              "b1 drop: kept by no rule\n");
    backups[1].state = BackupState::kDamaged;
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b4 keep: the newest backup is never deleted; last 1 of 1\n"
              "b3 drop: kept by no rule\n"
              "b2 drop: kept by no rule\n"
              "b1 keep: the newest that the cluster goes on from is never deleted\n");
    backups.push_back(Physical(5, "2026-01-15T02:00:00Z"));
    EXPECT_EQ(Print(Apply(policy, backups, kNow)),
              "b5 keep: the newest backup is never deleted; last 1 of 1\n"
              "b4 drop: kept by no rule\n"
              "b3 drop: kept by no rule\n"
              "b2 drop: kept by no rule\n"
              "b1 drop: kept by no rule\n")
        << "then it has one of its own";
}

// Copied to another bucket they are younger there; a machine whose clock was behind called them older than they were.
TEST(Retention, ABackupIsAsOldAsTheYoungerOfItsTwoTimes) {
    const TimePoint now = ParseTime("2026-01-16T08:00:00Z");
    std::vector<BackupInfo> backups(3);
    for (std::size_t i = 0; i < 3; i++) {
        backups[i].id = std::string(1, static_cast<char>('a' + i));
        backups[i].sequence = i + 1;
        backups[i].kind = "physical";
        backups[i].finished = now - std::chrono::days(300 - 10 * static_cast<int>(i));
        backups[i].stored = now - std::chrono::days(3);
    }
    backups[0].stored = backups[0].finished;
    auto kept = [&](const Policy &policy) {
        std::string ids;
        for (const Verdict &verdict : Apply(policy, backups, now))
            if (verdict.keep) ids += verdict.id;
        return ids;
    };
    EXPECT_EQ(kept({.keep_within = std::chrono::days(7)}), "cb");
    EXPECT_EQ(kept({.keep_last = 1, .pitr_window = std::chrono::days(7)}), "ca") << "the window begins with the first";
    EXPECT_EQ(kept({.keep_daily = 30}), "cba") << "days are those on which they were taken";
}

TEST(Retention, ARecoveryWindowIsOfBaseBackups) {
    EXPECT_EQ(Print(Apply({.keep_last = 1, .pitr_window = std::chrono::days(3)},
                          {Backup(1, "2026-01-11T02:00:00Z"), Backup(2, "2026-01-16T02:00:00Z")}, kNow)),
              "b2 keep: the newest backup is never deleted; last 1 of 1\n"
              "b1 drop: kept by no rule\n");
}

}    // namespace
}    // namespace ark
