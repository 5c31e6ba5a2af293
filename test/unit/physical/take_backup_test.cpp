#include "physical/take_backup.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include "physical/backup_source.h"
#include "physical/base_files.h"
#include "unit/physical/cluster_bench.h"

namespace ark::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kHour = std::chrono::hours(1);

class TakeBackup : public ClusterBench {
protected:
    // `act`, once, when the thread that reads files has this one open.
    void WhileReading(const std::filesystem::path &file, const std::function<void()> &act) {
        ticker.hook = [file, act, done = std::make_shared<bool>(false), main = std::this_thread::get_id()] {
            if (*done || std::this_thread::get_id() == main) return;
            std::error_code gone;
            for (const auto &fd : std::filesystem::directory_iterator("/proc/self/fd"))
                *done = *done || std::filesystem::read_symlink(fd.path(), gone) == file;
            if (*done) act();
        };
    }
    void WhenEntering(const std::string &phase, const std::function<void()> &act) {
        log.entered = [=](const std::string &entered) {
            if (entered == phase) act();
        };
    }
};

TEST_F(TakeBackup, ATablespaceThatIsDroppedMeanwhileIsNoHindrance) {
    Space space(std::filesystem::temp_directory_path());
    Sql("CREATE TABLESPACE goes LOCATION '" + space.path().string() + "'");
    WhenEntering("stop", [] { Sql("DROP TABLESPACE goes"); });
    PhysicalResult taken = Take();
    EXPECT_EQ(TablespacesOfBackup(Backup(taken), Frames()).size(), 1u) << "it was there when it was read";
    Flush();
    EXPECT_EQ(Restored(taken)->Sql("postgres", "SELECT count(*) FROM pg_tablespace WHERE spcname = 'goes'"), "0");
}

TEST_F(TakeBackup, ATablespaceThatGoesBeforeItIsReadIsNone) {
    Space space(std::filesystem::temp_directory_path());
    Sql("CREATE TABLESPACE goes LOCATION '" + space.path().string() + "'");
    WhenEntering("copy", [] { Sql("DROP TABLESPACE goes"); });    // pg_tblspc comes late
    PhysicalResult taken = Take();
    EXPECT_THAT(TablespacesOfBackup(Backup(taken), Frames()), IsEmpty());
    Flush();
    EXPECT_EQ(Restored(taken)->Sql("postgres", "SELECT count(*) FROM pg_tablespace WHERE spcname = 'goes'"), "0");
}

// Whoever restores it on this machine is warned: replay makes the links anew, to where they were.
TEST_F(TakeBackup, ATablespaceThatIsMadeMeanwhileIsNamed) {
    Space before, during;
    Sql("CREATE TABLESPACE before LOCATION '" + before.path().string() + "'");
    WhenEntering("copy", [&] { Sql("CREATE TABLESPACE during LOCATION '" + during.path().string() + "'"); });
    PhysicalResult taken = Take();
    EXPECT_EQ(TablespacesOfBackup(Backup(taken), Frames()).size(), 2u);
    EXPECT_EQ(Backup(taken).body.at("new_tablespaces").dump(),
              "[" + Sql("SELECT oid FROM pg_tablespace WHERE spcname = 'during'") + "]");
    Each({"DROP TABLESPACE before", "DROP TABLESPACE during"});
}

TEST_F(TakeBackup, ATablespaceInItsPlaceComesBackThere) {
    Each({"SET allow_in_place_tablespaces = on", "CREATE TABLESPACE in_place LOCATION ''",
          "CREATE TABLE placed TABLESPACE in_place AS SELECT generate_series(1, 1000) AS id"});
    PhysicalResult taken = Take();
    EXPECT_THAT(TablespacesOfBackup(Backup(taken), Frames()), IsEmpty()) << "it needs no other place";
    std::string rows = Rows(Server(), "placed");
    Flush();
    // Without the setting such a server does not end its recovery, wherever it came from.
    EXPECT_EQ(Rows(*Restored(taken, {"allow_in_place_tablespaces = on"}), "placed"), rows);
    Sql("DROP TABLE placed");
    Sql("DROP TABLESPACE in_place");
}

TEST_F(TakeBackup, ATableThatIsCutAndOneThatGrowsWhileTheyAreReadComeBack) {
    Each({"CREATE TABLE cut AS SELECT i AS id, repeat('x', 1000) AS fill FROM generate_series(1, 30000) AS i",
          "CREATE TABLE grows AS SELECT i AS id, repeat('y', 1000) AS fill FROM generate_series(1, 1000) AS i",
          "VACUUM FREEZE cut, grows", "CHECKPOINT"});
    std::filesystem::path cut = FileOf("cut");
    std::uint64_t before = std::filesystem::file_size(cut);
    ASSERT_GT(before, kPieceSize) << "in the middle of the second piece";
    bool done = false;
    WhileReading(cut, [&] {
        Each({"DELETE FROM cut WHERE id > 500", "VACUUM (TRUNCATE) cut",
              "INSERT INTO grows SELECT i, repeat('z', 1000) FROM generate_series(1001, 5000) AS i", "CHECKPOINT"});
        done = true;
    });
    PhysicalResult taken = Take();
    EXPECT_TRUE(done);
    EXPECT_LT(std::filesystem::file_size(cut), before / 10);
    EXPECT_EQ(taken.bad_pages, 0u);
    std::string rows_cut = Rows(Server(), "cut"), rows_grown = Rows(Server(), "grows");
    Flush();
    std::unique_ptr<PrivatePostgres> copy = Restored(taken);
    EXPECT_EQ(Rows(*copy, "cut"), rows_cut);
    EXPECT_EQ(Rows(*copy, "grows"), rows_grown);
    Sql("DROP TABLE cut, grows");
}

TEST_F(TakeBackup, ABadPageIsNamedByEveryBackup) {
    Each({"CREATE TABLE damaged AS SELECT generate_series(1, 2000) AS id", "VACUUM FREEZE damaged", "CHECKPOINT"});
    std::filesystem::path file = FileOf("damaged");
    std::string whole = ReadWholeFile(file);
    Fd pages = OpenFile(file, O_WRONLY);
    auto write = [&](std::string_view bytes) {
        ASSERT_EQ(pwrite(pages.get(), bytes.data(), bytes.size(), 8192 + 4000), 8);
    };
    write("damaged!");
    for (int i = 1; i <= 2; i++) {
        clock.ahead = i * kHour;    // the file has long been what it is
        PhysicalResult taken = Take();
        EXPECT_EQ(taken.bad_pages, 1u) << "backup " << i;
        ASSERT_EQ(taken.warnings.size(), 1u);
        EXPECT_THAT(taken.warnings[0], HasSubstr("block 1"));
        EXPECT_EQ(Backup(taken).body.at("bad_pages"), 1);
        EXPECT_EQ(taken.unread_bytes, 0u);
    }
    write(std::string_view(whole).substr(8192 + 4000, 8));
    clock.ahead = 3 * kHour;
    EXPECT_EQ(Take().bad_pages, 0u);
    clock.ahead = 4 * kHour;
    PhysicalResult after = Take();
    EXPECT_EQ(after.bad_pages, 0u);
    EXPECT_GT(after.unread_bytes, 0u) << "where all is well, what stands still is not read";
    Sql("DROP TABLE damaged");
}

TEST_F(TakeBackup, AFileThatIsNoRelationComesAsItStandsInTheEnd) {
    std::filesystem::path file = Server().data_directory() / "notes.conf";
    WriteFileAtomically(file, Bytes(100, std::byte{'a'}));
    Bytes longer(5000, std::byte{'b'});
    WhileReading(file, [&] { WriteAll(OpenFile(file, O_WRONLY).get(), longer, "notes.conf"); });
    PhysicalResult taken = Take();
    EXPECT_EQ(ToBytes(ReadWholeFile(Restored(taken)->data_directory() / "notes.conf")), longer);
    std::filesystem::remove(file);
}

// Written through a mapping in /dev/shm, which moves no time.
TEST_F(TakeBackup, WhatChangesWithoutATraceIsToldOnceAWeek) {
    Space space("/dev/shm");
    Sql("CREATE TABLESPACE shared LOCATION '" + space.path().string() + "'");
    std::filesystem::path file = std::filesystem::directory_iterator(space.path())->path() / "note";
    WriteFileAtomically(file, Bytes(4096, std::byte{'a'}));
    Fd fd = OpenFile(file, O_RDWR);
    auto *bytes = static_cast<char *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
    ASSERT_NE(static_cast<void *>(bytes), MAP_FAILED);
    bytes[100] = 'a';    // the first write makes the page a writable one, which does
    clock.ahead = kHour;
    Take();
    struct stat before {
    }, after{};
    stat(file.c_str(), &before);
    bytes[100] = 'b';
    stat(file.c_str(), &after);
    ASSERT_EQ(FactsOf(before), FactsOf(after));
    EXPECT_EQ(ReadWholeFile(file)[100], 'b');

    clock.ahead = 2 * kHour;
    PhysicalResult soon = Take();
    EXPECT_THAT(soon.warnings, IsEmpty()) << "it was not read";
    EXPECT_GT(soon.unread_bytes, 0u);
    clock.ahead = 24 * 8 * kHour;
    PhysicalResult later = Take();
    ASSERT_EQ(later.warnings.size(), 1u);
    EXPECT_THAT(later.warnings[0], HasSubstr("1 piece of files differ from the last base backup although"));
    EXPECT_EQ(Backup(later).body.at("silent_changes"), 1);
    EXPECT_EQ(later.unread_bytes, 0u);
    clock.ahead += kHour;
    EXPECT_THAT(Take().warnings, IsEmpty()) << "it is stored as it is now";
    munmap(bytes, 4096);
    std::filesystem::remove(file);
    Sql("DROP TABLESPACE shared");
}

// Sizes and times say nothing across copies of a cluster: a standby's files are written when it replays.
TEST_F(TakeBackup, OnlyFilesOfTheSameDirectoryAreLeftUnread) {
    Fingerprint here{"machine", 1, 2, {}}, there{"machine", 1, 3, {}};
    clock.ahead = kHour;
    request.directory = here;
    PhysicalResult first = Take();
    EXPECT_EQ(first.unread_bytes, 0u);
    clock.ahead = 2 * kHour;
    EXPECT_GT(Take().unread_bytes, 0u);
    request.directory = there;
    PhysicalResult other = Take();
    EXPECT_EQ(other.unread_bytes, 0u);
    EXPECT_GT(other.reused_bytes, first.plain_bytes / 2) << "what is the same is not stored again";
    EXPECT_EQ(Backup(other).body.at("read_whole"), Backup(other).body.at("started"));
    clock.ahead = 3 * kHour;
    EXPECT_GT(Take().unread_bytes, 0u);
    request.directory = here;
    EXPECT_EQ(Take().unread_bytes, 0u);
}

// A directory that was set back to an earlier snapshot writes WAL under names that the store has.
TEST_F(TakeBackup, ANameInTheStoreIsNoProofOfItsWal) {
    Take();
    CloseArchive();
    DomainKey key = keys->Newest("cluster", true, SystemRandom());
    WhenEntering("stop", [&] {
        WalSegmentSize size(1 << 20);
        SegmentName segment = ParseSegmentName(Sql("SELECT pg_walfile_name(pg_current_wal_lsn())"));
        for (int i = 0; i < 4; i++, segment = segment.Next(size)) {
            Bytes file = SampleText(1 << 20, static_cast<std::uint64_t>(i));
            MemorySource other(file);
            WriteSegment(*repository, *keys, key,
                         {WalFileName::OfSegment(segment), repository->cluster().system_identifier, {}}, other,
                         SystemRandom());
        }
    });
    request.wal_patience = Duration(0);
    Error error = ErrorOf([&] { Take(); });
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_THAT(error.message, HasSubstr("did not arrive in the store"));
    EXPECT_EQ(Listed(), 1u) << "it does not count";
}

TEST_F(TakeBackup, AStoreThatGoesAwayInAnyPhaseCostsThisBackupAlone) {
    Sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id");
    PhysicalResult first = Take();
    for (const char *phase : {"begin", "start", "copy", "stop", "upload", "commit"}) {
        Sql("UPDATE kept SET id = id + 1");
        storage->down = std::string_view(phase) == "begin";
        WhenEntering(phase, [&] { storage->down = true; });
        Error error = ErrorOf([&] { Take(); });
        EXPECT_EQ(error.code, Code::kUnavailable) << phase;
        EXPECT_THAT(error.message, HasSubstr("could not reach the store")) << phase;
        storage->down = false;
        log.entered = nullptr;
        EXPECT_EQ(Listed(), 1u) << phase;
    }
    PhysicalResult next = Take();
    EXPECT_GT(next.reused_bytes, first.plain_bytes / 2);
    EXPECT_EQ(Listed(), 2u);
    std::string rows = Rows(Server(), "kept");
    Flush();
    EXPECT_EQ(Rows(*Restored(next), "kept"), rows);
    Sql("DROP TABLE kept");
}

// An engine in a container may see a copy of the cluster under the name that the server's directory has.
TEST_F(TakeBackup, ACopyInTheDirectorysPlaceIsNotTakenForIt) {
    TemporaryDirectory place;
    std::filesystem::path copy = place.path() / "data";
    std::filesystem::copy(Server().data_directory(), copy, std::filesystem::copy_options::recursive);
    Connection connection(request.conninfo, "postgres", "test", NeverCancelled(), SilentLog());
    ServerIdentity server = IdentifyServer(connection);
    DataDirectory directory(copy);
    std::unique_ptr<BackupSource> source = MakePrimarySource({.connection = connection,
                                                              .server = server,
                                                              .directory = directory,
                                                              .repository = *repository,
                                                              .database = "postgres",
                                                              .wal_patience = {},
                                                              .clock = clock,
                                                              .ticker = ticker,
                                                              .log = log});
    Error error = ErrorOf([&] { source->Start("test", true); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.message, HasSubstr("is not the data directory of the server"));
    EXPECT_THAT(error.detail, HasSubstr("The server made a checkpoint at"));
}

// The server follows links that no base backup follows.
TEST_F(TakeBackup, APartOfTheClusterBehindALinkIsNotLeftOutSilently) {
    Sql("CREATE TABLE behind AS SELECT generate_series(1, 100) AS id");
    std::filesystem::path file = FileOf("behind"), elsewhere = Server().directory() / "elsewhere";
    Sql("CHECKPOINT");
    std::filesystem::rename(file, elsewhere);
    std::filesystem::create_symlink(elsewhere, file);
    Error error = ErrorOf([&] { Take(); });
    std::filesystem::rename(elsewhere, file);    // in the link's place
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.message, HasSubstr("is a link or a special file"));
    EXPECT_EQ(Listed(), 0u);
    std::filesystem::path link = Server().data_directory() / "link";
    std::filesystem::create_symlink("/nowhere", link);
    Take();
    std::filesystem::remove(link);
    EXPECT_THAT(log.warnings, testing::Contains(HasSubstr("\"link\" in the data directory is a link")));
    Sql("DROP TABLE behind");
}

// As an administrator may leave one, who is about to make a standby of this server.
TEST_F(TakeBackup, WhatIsMadeOfABackupIsNoStandby) {
    std::filesystem::path data = Server().data_directory();
    for (const char *name : {"standby.signal", "recovery.signal"}) WriteFileAtomically(data / name, {});
    PhysicalResult taken = Take();
    for (const char *name : {"standby.signal", "recovery.signal"}) std::filesystem::remove(data / name);
    TreeCursor at(Frames(), TreeRootFromJson(Backup(taken).body.at("tree")));
    for (at.Seek("file/"); at.Current(); at.Next()) EXPECT_THAT(at.Path(), testing::Not(HasSubstr(".signal")));
}

}    // namespace
}    // namespace ark::test
