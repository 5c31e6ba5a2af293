#include "config/standby_names.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark::test {
namespace {

std::string Refusal(std::string_view own) {
    try {
        return "not refused: " + WithStandby(own, kStoreStandby);
    } catch (const Error &error) {
        return std::string(CodeName(error.code)) + ": " + error.detail;
    }
}

TEST(StandbyNames, AreReadAsServersReadThem) {
    StandbyNames one = ParseStandbyNames(" a ,\"B \"\"x\"\"\",*, 7");
    EXPECT_FALSE(one.any);
    EXPECT_EQ(one.count, 1u);
    EXPECT_EQ(one.names, (std::vector<std::string>{"a", "B \"x\"", "*", "7"}));
    StandbyNames any = ParseStandbyNames("aNy 2 (a,b , c)");
    EXPECT_TRUE(any.any);
    EXPECT_EQ(any.count, 2u);
    EXPECT_EQ(any.names.size(), 3u);
    EXPECT_EQ(ParseStandbyNames("3(a,b,c)").count, 3u);
    EXPECT_EQ(ParseStandbyNames("FIRST 1 (\"first\")").names[0], "first");
    EXPECT_EQ(ParseStandbyNames("12").names[0], "12");
    EXPECT_EQ(ParseStandbyNames(" \t").count, 0u);
    for (const char *wrong :
         {"a,", "FIRST (a)", "FIRST 0 (a)", "1 (a", "a b", "\"a", "any", "a;b", "1 ()", "99999999999999999999 (a)"})
        EXPECT_THROW(ParseStandbyNames(wrong), Error) << wrong;
}

TEST(StandbyNames, ANameIsFoundInAnyCase) {
    EXPECT_TRUE(NamesStandby("FIRST 2 (PG_ARK_wal_sync, a)", kStoreStandby));
    EXPECT_TRUE(NamesStandby("\"pg_ark_wal_sync\"", kStoreStandby));
    EXPECT_FALSE(NamesStandby("*", kStoreStandby));
    EXPECT_FALSE(NamesStandby("pg_ark_wal_sync2", kStoreStandby));
    EXPECT_FALSE(NamesStandby("pg_ark_wal_sync,,", kStoreStandby));
    EXPECT_FALSE(NamesStandby("", kStoreStandby));
}

TEST(StandbyNames, TheStoreIsWaitedForBesideAllOthers) {
    EXPECT_EQ(WithStandby("", kStoreStandby), "pg_ark_wal_sync");
    EXPECT_EQ(WithStandby("a", kStoreStandby), "FIRST 2 (pg_ark_wal_sync, \"a\")");
    EXPECT_EQ(WithStandby("ANY 2 (a, \"b\"\"c\")", kStoreStandby), "FIRST 3 (pg_ark_wal_sync, \"a\", \"b\"\"c\")");
    for (const char *own : {"", "a", "2 (a, b)"})
        EXPECT_TRUE(NamesStandby(WithStandby(own, kStoreStandby), kStoreStandby));
}

TEST(StandbyNames, OverATextThatNamesNobodyItTellsSo) {
    EXPECT_TRUE(NamesNobody(""));
    EXPECT_TRUE(NamesNobody(" "));
    EXPECT_FALSE(NamesNobody("a"));
    EXPECT_FALSE(NamesNobody("((")) << "what a server would refuse";
    std::string over = OverNobody(kStoreStandby);
    StandbyNames names = ParseStandbyNames(over);
    EXPECT_EQ(names.count, 1U);
    EXPECT_EQ(names.names, std::vector<std::string>{kStoreStandby});
    for (const char *own : {"", "a"}) EXPECT_NE(WithStandby(own, kStoreStandby), over);
}

TEST(StandbyNames, WhereAnotherCouldAnswerInItsPlaceItIsRefused) {
    EXPECT_EQ(
        Refusal("a, b"),
        "conflict: It waits for 1 of 2 standbys, and while the store's is away another would answer in its place.");
    EXPECT_EQ(Refusal("ANY 1 (a, b)").substr(0, 9), "conflict:");
    EXPECT_EQ(Refusal("FIRST 3 (a, b)").substr(0, 9), "conflict:");
    EXPECT_EQ(Refusal("*"), "conflict: With * any standby may answer in the store's place.");
    EXPECT_EQ(Refusal("2 (a, A)"), "conflict: It names \"a\" twice.");
    EXPECT_EQ(Refusal("pg_ark_wal_sync"), "conflict: It names pg_ark_wal_sync itself.");
}

}    // namespace
}    // namespace ark::test
