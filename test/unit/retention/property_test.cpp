// What holds for every policy and every store, on random ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "retention/apply.h"

namespace ark {
namespace {

using namespace std::chrono_literals;
using Kept = std::map<std::string, bool>;

class RetentionProperty : public testing::TestWithParam<std::uint64_t> {
protected:
    std::vector<BackupInfo> Store() {
        std::vector<BackupInfo> backups(1 + random.Below(60));
        for (std::size_t i = 0; i < backups.size(); i++) {
            BackupInfo &backup = backups[i];
            backup.id = "b" + std::to_string(random.Below(1000)) + "-" + std::to_string(i);
            backup.sequence = random.Below(40);    // several alike: two writers, or a rebuilt store
            backup.kind = random.Below(5) ? "logical" : "entities";
            backup.source = "local";
            backup.database = random.Below(4) ? "app" : "other";
            backup.finished = now - std::chrono::seconds(random.Below(random.Below(2) ? 400'000 : 90'000'000)) + 1h;
            backup.held = random.Below(10) == 0;
            if (random.Below(2)) backup.held_until = now + std::chrono::seconds(random.Below(200'000)) - 100'000s;
            backup.verified = random.Below(5) == 0;
            std::uint64_t state = random.Below(12);
            backup.state = state == 0   ? BackupState::kRunning
                           : state == 1 ? BackupState::kDamaged
                                        : BackupState::kComplete;
        }
        return backups;
    }
    Policy RandomPolicy() {
        auto count = [&] { return random.Below(2) ? 0 : static_cast<std::uint32_t>(random.Below(8)); };
        Policy policy{"", count(), count(), count(), count(), count(), count(), {}};
        if (random.Below(3) == 0) policy.keep_within = std::chrono::seconds(1 + random.Below(500'000));
        if (policy.Empty()) policy.keep_last = 1;
        return policy;
    }
    Kept Judge(const Policy &policy, const std::vector<BackupInfo> &backups) {
        Kept kept;
        for (const Verdict &verdict : Apply(policy, backups, now)) {
            EXPECT_FALSE(verdict.reason.empty());
            EXPECT_TRUE(kept.emplace(verdict.id, verdict.keep).second);
        }
        EXPECT_EQ(kept.size(), backups.size());
        return kept;
    }

    SeededRandom random{GetParam()};
    TimePoint now = ParseTime("2026-01-16T12:00:00Z");
};

TEST_P(RetentionProperty, WhatMustNotBeLostIsKept) {
    std::vector<BackupInfo> backups = Store();
    Kept kept = Judge(RandomPolicy(), backups);
    std::map<std::string, const BackupInfo *> newest, verified, any;
    auto later = [](const BackupInfo &a, const BackupInfo *b) {
        return !b || std::tie(a.sequence, a.id) > std::tie(b->sequence, b->id);
    };
    for (const BackupInfo &backup : backups) {
        std::string group = backup.source + "/" + backup.database + "/" + backup.kind;
        if (backup.held && (!backup.held_until || *backup.held_until > now)) {
            EXPECT_TRUE(kept[backup.id]) << "held";
        }
        if (backup.state == BackupState::kRunning) {
            EXPECT_TRUE(kept[backup.id]) << "running";
            continue;
        }
        if (later(backup, any[group])) any[group] = &backup;
        if (backup.state != BackupState::kComplete) continue;
        if (later(backup, newest[group])) newest[group] = &backup;
        if (backup.verified && later(backup, verified[group])) verified[group] = &backup;
    }
    for (const auto &[group, backup] : any) EXPECT_TRUE(kept[newest[group] ? newest[group]->id : backup->id]) << group;
    for (const auto &[group, backup] : verified)
        if (backup) {
            EXPECT_TRUE(kept[backup->id]) << group;
        }
}

TEST_P(RetentionProperty, AMoreGenerousPolicyDropsNothingMore) {
    std::vector<BackupInfo> backups = Store();
    Policy policy = RandomPolicy(), more = policy;
    switch (random.Below(7)) {
    case 0: more.keep_last++; break;
    case 1: more.keep_hourly++; break;
    case 2: more.keep_daily++; break;
    case 3: more.keep_weekly++; break;
    case 4: more.keep_monthly++; break;
    case 5: more.keep_yearly++; break;
    default: more.keep_within = policy.keep_within.value_or(0us) + std::chrono::seconds(random.Below(1'000'000)); break;
    }
    Kept before = Judge(policy, backups), after = Judge(more, backups);
    for (const auto &[id, keep] : before) EXPECT_TRUE(!keep || after[id]) << id;
}

TEST_P(RetentionProperty, ExpiringTwiceIsExpiringOnce) {
    std::vector<BackupInfo> backups = Store();
    Policy policy = RandomPolicy();
    Kept kept = Judge(policy, backups);
    std::erase_if(backups, [&](const BackupInfo &backup) { return !kept[backup.id]; });
    for (const auto &[id, keep] : Judge(policy, backups)) EXPECT_TRUE(keep) << id;
}

TEST_P(RetentionProperty, TheOrderOfTheArgumentsDoesNotMatter) {
    std::vector<BackupInfo> backups = Store();
    Policy policy = RandomPolicy();
    Kept before = Judge(policy, backups);
    for (std::size_t i = backups.size(); i > 1; i--) std::swap(backups[i - 1], backups[random.Below(i)]);
    EXPECT_EQ(Judge(policy, backups), before);
}

TEST_P(RetentionProperty, AHoldOrAVerificationNeverDropsAnotherBackup) {
    std::vector<BackupInfo> backups = Store();
    Policy policy = RandomPolicy();
    Kept before = Judge(policy, backups);
    backups[random.Below(backups.size())].held = true;
    for (const auto &[id, keep] : Judge(policy, backups)) EXPECT_TRUE(keep || !before[id]) << id;
}

TEST_P(RetentionProperty, AnEmptyPolicyDropsNothing) {
    for (const auto &[id, keep] : Judge({}, Store())) EXPECT_TRUE(keep) << id;
}

INSTANTIATE_TEST_SUITE_P(Seeds, RetentionProperty, testing::Range<std::uint64_t>(1, 201));

}    // namespace
}    // namespace ark
