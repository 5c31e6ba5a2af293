#include "pgdata/owner_mark.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

const OwnerMark kMark{Ownership::kPromoted, {2}, {"0123abcd", 66305, 271}, "/srv/pg/15/main"};

TEST(OwnerMark, IsReadAsItWasWritten) {
    OwnerMark mark = kMark;
    for (Ownership ownership : {Ownership::kOwner, Ownership::kPromoted, Ownership::kRefused}) {
        mark.ownership = ownership;
        EXPECT_EQ(ParseOwnerMark(FormatOwnerMark(mark)), mark);
    }
    mark.identity.machine.clear();    // a machine without a name
    EXPECT_EQ(ParseOwnerMark(FormatOwnerMark(mark)), mark);
}

TEST(OwnerMark, WhatIsCutShortOrForeignIsNone) {
    std::string text = FormatOwnerMark(kMark);
    for (std::size_t length = 0; length + std::string("/srv/pg/15/main\n").size() <= text.size(); length++)
        EXPECT_FALSE(ParseOwnerMark(text.substr(0, length))) << length;
    EXPECT_FALSE(ParseOwnerMark("x" + text));
    EXPECT_FALSE(ParseOwnerMark("owner\n2\nm\n-5\n6\n/x\n"));
    EXPECT_FALSE(ParseOwnerMark("owner\n2x\nm\n5\n6\n/x\n"));
}

TEST(OwnerMark, IsOfTheDirectoryItWasWrittenForAlone) {
    DirectoryIdentity now = kMark.identity;
    EXPECT_TRUE(kMark.IsOf(now, "/srv/pg/15/main"));
    EXPECT_TRUE(kMark.IsOf(now, "/srv/moved")) << "the same directory under another name";
    now.device++;
    EXPECT_TRUE(kMark.IsOf(now, "/srv/pg/15/main")) << "a disk that has another number after a restart";
    EXPECT_FALSE(kMark.IsOf(now, "/srv/copy"));
    now = kMark.identity;
    now.inode++;
    EXPECT_FALSE(kMark.IsOf(now, "/srv/pg/15/main"));
    now = kMark.identity;
    now.machine = "another";
    EXPECT_FALSE(kMark.IsOf(now, "/srv/pg/15/main"));
}

class OwnedDirectory : public ::testing::Test {
protected:
    OwnedDirectory() { std::filesystem::create_directory(path() / "pg_wal"); }
    const std::filesystem::path &path() const { return directory_.path(); }

private:
    TemporaryDirectory directory_;
};

TEST_F(OwnedDirectory, GivesUpWalUnlessItWasRefusedOrIsACopy) {
    EXPECT_TRUE(MayGiveUpWal(path())) << "nobody has said anything";
    WriteOwnerMark(path(), Ownership::kOwner, {1});
    EXPECT_TRUE(MayGiveUpWal(path()));
    WriteOwnerMark(path(), Ownership::kRefused, {1});
    EXPECT_FALSE(MayGiveUpWal(path()));
    WriteOwnerMark(path(), Ownership::kPromoted, {2});
    EXPECT_TRUE(MayGiveUpWal(path()));
    EXPECT_EQ(ReadOwnerMark(path())->timeline, (TimelineId{2}));
    TemporaryDirectory copy;
    std::filesystem::copy(path() / "pg_wal", copy.path() / "pg_wal", std::filesystem::copy_options::recursive);
    EXPECT_FALSE(MayGiveUpWal(copy.path()));
}

TEST_F(OwnedDirectory, IsWrittenOnlyWhereItChanges) {
    WriteOwnerMark(path(), Ownership::kOwner, {1});
    auto written = std::filesystem::last_write_time(path() / kOwnerMark) - std::chrono::hours(1);
    std::filesystem::last_write_time(path() / kOwnerMark, written);
    WriteOwnerMark(path(), Ownership::kOwner, {1});
    EXPECT_EQ(std::filesystem::last_write_time(path() / kOwnerMark), written);
    WriteOwnerMark(path(), Ownership::kOwner, {2});
    EXPECT_NE(std::filesystem::last_write_time(path() / kOwnerMark), written);
}

}    // namespace
}    // namespace ark::test
