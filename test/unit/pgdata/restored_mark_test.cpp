#include "pgdata/restored_mark.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "pgdata/restore_origin.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

TEST(RestoredMark, IsReadAsItWasWritten) {
    for (const RestoredFrom &from : {RestoredFrom{}, RestoredFrom{"0a1b", "main.7301", "20260116T020000Z-0a1b2c3d"},
                                     RestoredFrom{"0a1b", "main.7301", ""}}) {
        RestoredMark mark{"00112233", from};
        std::string text = FormatRestoredMark(mark);
        EXPECT_EQ(ParseRestoredMark(text), mark) << text;
        EXPECT_TRUE(text.ends_with("\n00112233\n")) << "the library of an older version takes the last line";
    }
}

TEST(RestoredMark, OneOfAnOlderVersionSaysNoMoreThanItsId) {
    RestoredMark mark = ParseRestoredMark("This directory was recovered from an archive.\nffee\n");
    EXPECT_EQ(mark, (RestoredMark{"ffee", {}}));
}

struct RestoreOriginTest : ::testing::Test {
    RestoreOriginTest() { std::filesystem::create_directory(directory.path() / "pg_wal"); }
    void History(const std::string &name, const std::string &text) {
        WriteFileAtomically(directory.path() / "pg_wal" / name, AsBytes(text));
    }
    TemporaryDirectory directory;
};

TEST_F(RestoreOriginTest, IsWhatTheMarkAndTheNewestTimelineSay) {
    EXPECT_EQ(RestoreOriginOf(directory.path(), TimelineId{1}), std::nullopt);
    RestoredFrom from{"0a1b", "main.7301", "20260116T020000Z-0a1b2c3d"};
    WriteRestoredMark(directory.path(), RestoredMark{"ffee", from});
    History("00000002.history", "1\t0/2000000\tpromoted\n");
    History("00000003.history", "1\t0/2000000\tpromoted\n\n2\t0/3000148\tbefore 2026\n");
    EXPECT_EQ(RestoreOriginOf(directory.path(), TimelineId{3}),
              (RestoreOrigin{from, TimelineId{2}, ParseLsn("0/3000148")}));
    EXPECT_EQ(RestoreOriginOf(directory.path(), std::nullopt), (RestoreOrigin{from, {}, {}})) << "it recovers still";
    EXPECT_EQ(RestoreOriginOf(directory.path(), TimelineId{1}), (RestoreOrigin{from, {}, {}}));
    EXPECT_EQ(RestoreOriginOf(directory.path(), TimelineId{9}), (RestoreOrigin{from, {}, {}}))
        << "that history is not there";
}

TEST(RestoreOrigin, IsToldAsFarAsItIsKnown) {
    RestoredFrom all{"0a1b", "main.7301", "b"}, no_backup{"0a1b", "main.7301", ""};
    EXPECT_EQ(Describe({all, TimelineId{1}, ParseLsn("0/3000148")}),
              "backup b of main.7301, up to 0/3000148 of timeline 1");
    EXPECT_EQ(Describe({no_backup, TimelineId{1}, ParseLsn("0/3000148")}), "main.7301, up to 0/3000148 of timeline 1");
    EXPECT_EQ(Describe({all, {}, {}}), "backup b of main.7301");
    EXPECT_EQ(Describe({{}, TimelineId{2}, ParseLsn("0/1")}), "up to 0/1 of timeline 2");
    EXPECT_EQ(Describe({}), "");
}

}    // namespace
}    // namespace ark::test
