#include "physical/recovery_settings.h"

#include <gtest/gtest.h>

#include "unit/repo/sample.h"

namespace ark::test {
namespace {

bool Refused(const RecoveryTarget &target) {
    return Thrown([&] { CheckRecoveryTarget(target); }) == Code::kInvalidArgument;
}

TEST(RecoverySettings, OneTargetIsWritten) {
    RecoveryTarget target{.kind = RecoveryTarget::Kind::kTime, .value = "2026-11-27 14:03:00+01", .inclusive = false};
    std::string settings = RecoverySettings(target, "pg_ark wal-fetch %f %p");
    EXPECT_NE(settings.find("restore_command = 'pg_ark wal-fetch %f %p'\n"), std::string::npos);
    EXPECT_NE(settings.find("recovery_target_time = '2026-11-27 13:03:00.000000+00'\n"), std::string::npos);
    for (const char *other : {"recovery_target = ''\n", "recovery_target_name = ''\n", "recovery_target_time = ''\n",
                              "recovery_target_xid = ''\n", "recovery_target_lsn = ''\n"})
        EXPECT_LT(settings.find(other), settings.find("recovery_target_time = '2026"))
            << "before PostgreSQL 16 an empty one behind it counts as a second target: " << other;
    EXPECT_NE(settings.find("recovery_min_apply_delay = 0\n"), std::string::npos);
    EXPECT_NE(settings.find("recovery_target_inclusive = off\n"), std::string::npos);
}

TEST(RecoverySettings, AnEarlierRecoveryIsForgotten) {
    std::string earlier = "work_mem = '64MB'\nprimary_conninfo = 'host=old'\n# pg_ark restore, from backup x.\n" +
                          RecoverySettings({.kind = RecoveryTarget::Kind::kLsn, .value = "0/1"}, "cp") + "port = 1";
    EXPECT_EQ(WithoutRecoverySettings(earlier), "work_mem = '64MB'\nport = 1");
    EXPECT_EQ(WithoutRecoverySettings(""), "");
}

TEST(RecoverySettings, ACopyWaitsForNoStore) {
    EXPECT_EQ(WithoutRecoverySettings("port = 1\nsynchronous_standby_names = 'FIRST 2 (pg_ark_wal_sync, \"a\")'\n"),
              "port = 1\n");
    std::string own = "synchronous_standby_names = 'a'\n";
    EXPECT_EQ(WithoutRecoverySettings(own), own);
}

TEST(RecoverySettings, NothingIsReadAheadWhereNothingIs) {
    RecoveryTarget target{.kind = RecoveryTarget::Kind::kImmediate, .value = {}, .reads_ahead = false};
    std::string settings = RecoverySettings(target, "cp");
    EXPECT_NE(settings.find("recovery_prefetch = off\n"), std::string::npos);
    EXPECT_EQ(WithoutRecoverySettings(settings + "recovery_prefetch = 'off'\n"), "recovery_prefetch = 'off'\n");
    EXPECT_EQ(RecoverySettings({}, "cp").find("recovery_prefetch"), std::string::npos);
}

TEST(RecoverySettings, ATargetMakesSense) {
    using enum RecoveryTarget::Kind;
    EXPECT_FALSE(Refused({}));
    for (auto [kind, good, bad] :
         {std::tuple(kLsn, "16/B374D848", "16-B3"), std::tuple(kXid, "731", "-1"),
          std::tuple(kTime, "2026-11-27T13:03:00Z", "noon"), std::tuple(kName, "before the release", "")}) {
        EXPECT_FALSE(Refused({.kind = kind, .value = good})) << good;
        EXPECT_TRUE(Refused({.kind = kind, .value = bad})) << bad;
    }
    RecoveryTarget words;
    words.timeline = "3";
    words.action = "pause";
    EXPECT_TRUE(Refused(words)) << "at what?";
    words.kind = kImmediate;
    EXPECT_FALSE(Refused(words));
    words.timeline = "newest";
    EXPECT_TRUE(Refused(words));
    words.timeline = "latest";
    words.action = "stop";
    EXPECT_TRUE(Refused(words));
}

TEST(RecoverySettings, NumbersAreWhatTheServerTakesThemFor) {
    using enum RecoveryTarget::Kind;
    for (const char *xid : {"0", "2", "4294967296", "18446744073709551616", "", "7 ", "0x10", "-3"})
        EXPECT_TRUE(Refused({.kind = kXid, .value = xid})) << xid;
    for (const char *xid : {"3", "4294967295", "4294967299"})
        EXPECT_FALSE(Refused({.kind = kXid, .value = xid})) << xid;
    for (const char *timeline : {"0", "4294967296", "1x", ""}) {
        RecoveryTarget target;
        target.timeline = timeline;
        EXPECT_TRUE(Refused(target)) << timeline;
    }
    // With a zero in front a server takes it for an octal number.
    RecoveryTarget target{.kind = kXid, .value = "0731"};
    target.timeline = "010";
    std::string settings = RecoverySettings(target, "cp");
    EXPECT_NE(settings.find("recovery_target_xid = '731'\n"), std::string::npos) << settings;
    EXPECT_NE(settings.find("recovery_target_timeline = '10'\n"), std::string::npos) << settings;
}

TEST(RecoverySettings, WordsAreQuotedForShellAndServer) {
    EXPECT_EQ(ShellWord("--store=s3://bucket/a-b_c"), "--store=s3://bucket/a-b_c");
    EXPECT_EQ(ShellWord("it's $HOME"), "'it'\\''s $HOME'");
    EXPECT_EQ(ShellWord(""), "''");
    EXPECT_EQ(ConfValue("a 'b' \\c"), "'a ''b'' \\\\c'");
    EXPECT_EQ(Thrown([] { ConfValue("a\nb"); }), Code::kInvalidArgument);
}

}    // namespace
}    // namespace ark::test
