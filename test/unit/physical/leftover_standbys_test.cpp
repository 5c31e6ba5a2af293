#include "physical/leftover_standbys.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

TEST(LeftoverStandbys, AreThoseThatTheConfigurationWaitsFor) {
    TemporaryDirectory directory;
    auto found = [&](const std::string &automatic, const std::string &own) {
        WriteFileAtomically(directory.path() / "postgresql.conf", AsBytes(own));
        LeftoverStandbys standbys = FindLeftoverStandbys(directory.path(), automatic);
        return standbys.names + (standbys.automatic ? " by ALTER SYSTEM" : "");
    };
    EXPECT_EQ(found("", ""), "");
    EXPECT_EQ(found("", "synchronous_standby_names = 'FIRST 1 (s1, s2)'\n"), "FIRST 1 (s1, s2)");
    EXPECT_EQ(found("", "synchronous_standby_names = '*'\n"), "*");
    EXPECT_EQ(found("synchronous_standby_names = 's3'\n", "synchronous_standby_names = 's1'\n"), "s3 by ALTER SYSTEM");
    EXPECT_EQ(found("synchronous_standby_names = ''\n", "synchronous_standby_names = 's1'\n"), "");
    EXPECT_EQ(found("", "synchronous_standby_names = ' '\n"), "");
    EXPECT_EQ(found("", "synchronous_standby_names = '(('\n"), "") << "no server starts with that";
}

TEST(LeftoverStandbys, AreNotWaitedForAnyMore) {
    TemporaryDirectory directory;
    WriteFileAtomically(directory.path() / "postgresql.conf", AsBytes("synchronous_standby_names = 's1'\n"));
    for (const char *automatic : {"", "port = 1\nsynchronous_standby_names = 's3'\nwork_mem = '1MB'"}) {
        std::string without = WithoutStandbys(automatic);
        EXPECT_EQ(FindLeftoverStandbys(directory.path(), without).names, "") << without;
        EXPECT_EQ(WithoutStandbys(without).find("'s3'"), std::string::npos);
    }
    EXPECT_TRUE(WithoutStandbys("port = 1\nsynchronous_standby_names = 's3'\nwork_mem = '1MB'")
                    .starts_with("port = 1\nwork_mem = '1MB'\n"));
}

}    // namespace
}    // namespace ark::test
