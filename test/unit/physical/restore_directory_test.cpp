#include "physical/restore_directory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/shm.h>
#include <unistd.h>

#include "physical/restore_space.h"
#include "support/temporary_directory.h"
#include "unit/pgdata/control_sample.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

class RestoreDirectoryTest : public ::testing::Test {
protected:
    RestoreDirectoryTest() {
        backup.clear.backup = "20261128T080000Z-00000001";
        backup.body = {{"system_identifier", "7301234567890123456"},
                       {"server_version_num", 150020},
                       {"data_directory", (directory.path() / "elsewhere").string()}};
    }
    void Write(const std::string &relative, ByteView bytes) {
        std::filesystem::create_directories((directory.path() / relative).parent_path());
        WriteFileAtomically(directory.path() / relative, bytes);
    }
    void MakeCluster() {
        Write("PG_VERSION", AsBytes("15\n"));
        Write("global/pg_control", control);
    }
    RestoreDirectory Look() { return LookAtRestoreDirectory(directory.path()); }
    std::optional<Code> Refusal(bool delta) {
        return Thrown([&] { CheckMayRestoreInto(Look(), backup, "main.7301234567890123456", delta); });
    }

    TemporaryDirectory directory;
    Manifest backup;
    Bytes control = Altered([](Bytes &) {});
};

TEST_F(RestoreDirectoryTest, NothingIsFine) {
    EXPECT_EQ(Look().occupant, Occupant::kNothing);
    EXPECT_EQ(Refusal(false), std::nullopt);
    EXPECT_EQ(LookAtRestoreDirectory(directory.path() / "new").occupant, Occupant::kNothing);
    EXPECT_EQ(Thrown([] { LookAtRestoreDirectory("relative"); }), Code::kInvalidArgument);
}

TEST_F(RestoreDirectoryTest, SomethingElseIsNotTouched) {
    Write("thesis.tex", AsBytes("x"));
    EXPECT_EQ(Refusal(false), Code::kAlreadyExists);
    EXPECT_EQ(Refusal(true), Code::kInvalidArgument);
}

TEST_F(RestoreDirectoryTest, AClusterIsWrittenOverOnlyWhenAskedFor) {
    MakeCluster();
    EXPECT_EQ(Look().occupant, Occupant::kCluster);
    EXPECT_EQ(Refusal(false), Code::kAlreadyExists);
    backup.body["system_identifier"] = std::to_string(Look().control->system_identifier);
    EXPECT_EQ(Refusal(true), std::nullopt);
    backup.body["server_version_num"] = 160001;
    EXPECT_EQ(Refusal(true), Code::kConflict) << "another version";
    backup.body["server_version_num"] = 150020;
    backup.body["system_identifier"] = "1";
    EXPECT_EQ(Refusal(true), Code::kConflict) << "another cluster";
}

TEST_F(RestoreDirectoryTest, AClusterThatCannotBeToldIsLeftAlone) {
    control[100] ^= std::byte{1};
    MakeCluster();
    EXPECT_EQ(Refusal(false), Code::kAlreadyExists);
    EXPECT_EQ(Refusal(true), Code::kCorrupt);
}

TEST_F(RestoreDirectoryTest, ARunningServerIsLeftAlone) {
    MakeCluster();
    backup.body["system_identifier"] = std::to_string(Look().control->system_identifier);
    Write("postmaster.pid", AsBytes(std::to_string(getpid()) + "\n/data\n"));
    EXPECT_EQ(Refusal(true), Code::kConflict);
    Write("postmaster.pid", AsBytes("4194305\n/data\n"));    // beyond the largest that Linux gives
    EXPECT_EQ(Refusal(true), std::nullopt);
}

TEST_F(RestoreDirectoryTest, SessionsThatOutliveTheirPostmasterAreLeftAlone) {
    MakeCluster();
    backup.body["system_identifier"] = std::to_string(Look().control->system_identifier);
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    ASSERT_GE(id, 0);
    void *memory = shmat(id, nullptr, 0);
    shmctl(id, IPC_RMID, nullptr);    // goes when nobody is attached any more
    auto write = [&](unsigned long key) {
        Write("postmaster.pid",
              AsBytes(fmt::format("4194305\n/data\n1764300000\n5432\n/tmp\n*\n{:9} {:9}\nready\n", key, id)));
    };
    write(0);
    EXPECT_EQ(Refusal(true), Code::kConflict);
    write(7);
    EXPECT_EQ(Refusal(true), std::nullopt) << "the memory of somebody else";
    write(0);
    shmdt(memory);
    EXPECT_EQ(Refusal(true), std::nullopt);
}

TEST_F(RestoreDirectoryTest, WhatIsNoDirectoryIsTold) {
    Write("file", AsBytes("x"));
    Write("empty", {});
    std::filesystem::create_symlink("nowhere", directory.path() / "link");
    for (const char *name : {"file", "empty", "link", "file/below"}) {
        std::filesystem::path path = directory.path() / name;
        EXPECT_EQ(Thrown([&] { LookAtRestoreDirectory(path); }), Code::kInvalidArgument) << name;
        EXPECT_EQ(Thrown([&] { CheckTablespacePlace(Look(), backup, 16400, path, true); }), Code::kInvalidArgument)
            << name;
    }
    std::filesystem::create_directory(directory.path() / "real");
    std::filesystem::create_directory_symlink("real", directory.path() / "good");
    EXPECT_EQ(LookAtRestoreDirectory(directory.path() / "good").occupant, Occupant::kNothing);
}

TEST_F(RestoreDirectoryTest, TablespacesDoNotShareADirectory) {
    std::filesystem::path pgdata = directory.path() / "main", other = directory.path() / "other";
    std::filesystem::create_directory(other);
    std::filesystem::create_directory_symlink(other, directory.path() / "link");
    auto refusal = [&](std::map<std::uint32_t, std::filesystem::path> places) {
        return Thrown([&] { CheckTablespacesApart(pgdata, places); });
    };
    EXPECT_EQ(refusal({{1, other}, {2, directory.path() / "third"}, {3, pgdata / "within"}}), std::nullopt);
    EXPECT_EQ(refusal({{1, other}, {2, other}}), Code::kInvalidArgument);
    EXPECT_EQ(refusal({{1, other / "x"}, {2, directory.path() / "link" / "x"}}), Code::kInvalidArgument);
    EXPECT_EQ(refusal({{1, pgdata}}), Code::kInvalidArgument);
    EXPECT_EQ(refusal({{1, pgdata / "pg_tblspc" / "1"}}), Code::kInvalidArgument);
    EXPECT_EQ(refusal({{1, pgdata / "base"}}), Code::kInvalidArgument);
    EXPECT_EQ(refusal({{1, directory.path()}}), std::nullopt) << "around it is no harm";
}

TEST_F(RestoreDirectoryTest, AnUnfinishedRestoreGoesOnWithItsBackup) {
    {
        RestoreMarkFile mark(directory.path(), {"main.7301234567890123456", backup.clear.backup});
        EXPECT_EQ(Thrown([&] { RestoreMarkFile again(directory.path(), {"x", "y"}); }), Code::kConflict);
    }
    EXPECT_EQ(Look().occupant, Occupant::kUnfinished);
    EXPECT_EQ(Refusal(false), std::nullopt);
    backup.clear.backup = "20261128T090000Z-00000002";
    EXPECT_EQ(Refusal(false), Code::kAlreadyExists);
    EXPECT_EQ(Refusal(true), std::nullopt) << "what differs is written over";
    RestoreMarkFile(directory.path(), {"other.1", backup.clear.backup});
    EXPECT_EQ(Refusal(true), Code::kAlreadyExists) << "another cluster's";
    MakeCluster();
    EXPECT_EQ(Look().occupant, Occupant::kCluster) << "the mark was left behind by one that had finished";
}

TEST_F(RestoreDirectoryTest, AMarkThatSaysNothingIsNothing) {
    Write(kRestoreMark, {});
    EXPECT_EQ(Look().occupant, Occupant::kNothing);
    RestoreMarkFile(directory.path(), {"main.1", "b"}).Remove();
    EXPECT_FALSE(std::filesystem::exists(directory.path() / kRestoreMark));
}

TEST_F(RestoreDirectoryTest, ATablespaceIsWrittenOverOnlyWhereItIsTheDirectorysOwn) {
    TemporaryDirectory place;
    auto refusal = [&](bool given) {
        return Thrown([&] { CheckTablespacePlace(Look(), backup, 16400, place.path(), given); });
    };
    MakeCluster();
    EXPECT_EQ(refusal(false), std::nullopt) << "it is empty";
    WriteFileAtomically(place.path() / "x", {});
    EXPECT_EQ(refusal(true), Code::kAlreadyExists);
    std::filesystem::create_directory(directory.path() / "pg_tblspc");
    std::filesystem::create_directory_symlink(place.path(), directory.path() / "pg_tblspc" / "16400");
    EXPECT_EQ(refusal(true), std::nullopt);
    EXPECT_EQ(refusal(false), Code::kConflict) << "a copied directory leads to the original's tablespaces";
    backup.body["data_directory"] = directory.path().string();
    EXPECT_EQ(refusal(false), std::nullopt);
}

TEST_F(RestoreDirectoryTest, RoomIsCountedByFileSystem) {
    std::vector<SpaceNeed> needs = SpaceNeedsOf({{directory.path() / "a/b", 10, 1}, {directory.path() / "c", 20, 2}});
    ASSERT_EQ(needs.size(), 1u);
    EXPECT_EQ(needs[0].needed, 30u);
    EXPECT_EQ(needs[0].there, 3u);
    EXPECT_GT(needs[0].available, 0u);
    CheckSpace(needs);
    CheckSpace({{"/a", 100, 60, 40}});
    Error error = ErrorOf([] { CheckSpace({{"/a", 100, 60, 40}, {"/b", 101, 60, 40}}); });
    EXPECT_EQ(error.Sqlstate(), "53100");
    EXPECT_NE(error.message.find("\"/b\""), std::string::npos) << error.message;
    EXPECT_EQ(BytesBelow(directory.path() / "nowhere"), 0u);
    Write("f", Bytes(100'000, std::byte{1}));
    EXPECT_GE(BytesBelow(directory.path()), 100'000u);
}

}    // namespace
}    // namespace ark::test
