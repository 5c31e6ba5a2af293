#include "physical/file_walk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

class FileWalk : public ::testing::Test {
protected:
    void Add(const std::string &relative) {
        std::filesystem::create_directories((directory.path() / relative).parent_path());
        WriteFileAtomically(directory.path() / relative, AsBytes("content"));
    }
    std::vector<std::string> Walked() {
        std::vector<std::string> paths;
        WalkDataDirectory(directory.path(), rules,
                          {.visit = [&](const WalkedFile &file) { paths.push_back(file.path); },
                           .foreign = [&](const std::string &relative) { foreign.push_back(relative); }});
        return paths;
    }

    TemporaryDirectory directory;
    BaseBackupRules rules{15, 202209061};
    std::vector<std::string> foreign;
};

TEST_F(FileWalk, GoesInTheOrderOfTheTree) {
    for (const char *name :
         {"PG_VERSION", "base/5/112", "base/5/112.1", "base/5/112_fsm", "base/5-odd", "global/pg_control",
          "global/1260", "pg_wal/000000010000000000000001", "postmaster.pid", "a b/c"})
        Add(name);
    std::vector<std::string> walked = Walked();
    EXPECT_EQ(walked,
              (std::vector<std::string>{"file/PG_VERSION", "file/a%20b/", "file/a%20b/c", "file/base/",
                                        "file/base/5-odd", "file/base/5/", "file/base/5/112", "file/base/5/112.1",
                                        "file/base/5/112_fsm", "file/global/", "file/global/1260", "file/pg_wal/"}));
    EXPECT_TRUE(std::ranges::is_sorted(walked)) << "bytewise, as a tree wants its entries";
}

// A server makes the init fork behind the main fork, and a directory may be listed between: a recovery would bring that fork, and find the
// main fork in its way.
TEST_F(FileWalk, AnUnloggedRelationIsKnownByAForkThatCameAfterTheListing) {
    for (const char *name : {"base/5/100", "base/5/16400", "base/5/16400.1", "base/5/16400_fsm", "base/5/16401"})
        Add(name);
    std::vector<std::string> walked;
    WalkDataDirectory(directory.path(), rules,
                      {.visit =
                           [&](const WalkedFile &file) {
                               walked.push_back(file.relative);
                               if (file.relative == "base/5/100") Add("base/5/16400_init");
                           },
                       .foreign = [](const std::string &) {}});
    EXPECT_EQ(walked, (std::vector<std::string>{"base", "base/5", "base/5/100", "base/5/16401"}));
}

TEST_F(FileWalk, FollowsTablespacesAndNoOtherLinks) {
    TemporaryDirectory space;
    std::filesystem::create_directories(space.path() / "PG_15_202209061" / "5");
    WriteFileAtomically(space.path() / "PG_15_202209061" / "5" / "16400", AsBytes("rows"));
    std::filesystem::create_directories(space.path() / "PG_14_202107181" / "5");
    std::filesystem::create_directories(directory.path() / "pg_tblspc");
    std::filesystem::create_directory_symlink(space.path(), directory.path() / "pg_tblspc" / "16390");
    std::filesystem::create_symlink("/etc/passwd", directory.path() / "link");
    EXPECT_EQ(Walked(),
              (std::vector<std::string>{
                  "file/pg_tblspc/", "file/pg_tblspc/16390/", "file/pg_tblspc/16390/PG_15_202209061/",
                  "file/pg_tblspc/16390/PG_15_202209061/5/", "file/pg_tblspc/16390/PG_15_202209061/5/16400"}));
    EXPECT_EQ(foreign, (std::vector<std::string>{"link"}));
    std::vector<Tablespace> spaces = TablespacesOf(directory.path());
    ASSERT_EQ(spaces.size(), 1u);
    EXPECT_EQ(spaces[0].oid, 16390u);
    EXPECT_EQ(spaces[0].location, space.path().string());
}

TEST_F(FileWalk, ALinkThatLeadsNowhereIsADirectoryToo) {
    Add("PG_VERSION");
    std::filesystem::create_directory_symlink("/no/such/directory", directory.path() / "pg_stat_tmp");
    EXPECT_EQ(Walked(), (std::vector<std::string>{"file/PG_VERSION", "file/pg_stat_tmp/"}));
}

}    // namespace
}    // namespace ark::test
