#include "physical/restore_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "pgdata/crc32c.h"
#include "physical/base_files.h"
#include "physical/extra_files.h"
#include "physical/read_piece.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

namespace fs = std::filesystem;

// A backup of a few files, one of them of two pieces, and directories to restore it into.
class RestoreFilesTest : public ::testing::TestWithParam<bool> {
protected:
    RestoreFilesTest() {
        files = {{"PG_VERSION", ToBytes("15\n")},
                 {"a b", {}},
                 {"base/5/112", SampleText(300'000, 1)},
                 {"base/5/113", SampleText(kPieceSize + 20'001, 2)},
                 {"pg_tblspc/16400/PG_15_202209061/5/114", SampleText(9'000, 3)}};
        fs::create_directories(original.path() / "base/5");
        fs::create_directories(original.path() / "pg_tblspc/16400/PG_15_202209061/5");
        for (const auto &[path, bytes] : files) WriteFileAtomically(original.path() / path, bytes);
        auto session = sample.Begin();
        auto packs = session->NewPackWriter({});
        TreeWriter tree(*packs, session->key());
        for (const char *entry :
             {"PG_VERSION", "a%20b", "base/", "base/5/", "base/5/112", "base/5/113", "pg_tblspc/", "pg_tblspc/16400/",
              "pg_tblspc/16400/PG_15_202209061/", "pg_tblspc/16400/PG_15_202209061/5/",
              "pg_tblspc/16400/PG_15_202209061/5/114", "pg_wal/"})
            Add(tree, *session, *packs, entry);
        TreeRoot root = tree.Finish();
        packs->Finish();
        backup.body = {{"plain_bytes", 1},
                       {"files", files.size()},
                       {"server_version_num", 150020},
                       {"catalog_version", 202209061},
                       {"wal_segment_size", 16 << 20},
                       {"tree", ToJson(root)}};
        backup.clear = session->Commit(backup.body);
        request.pgdata = pgdata.path();
        request.tablespaces = {{16400, space.path()}};
    }

    void Add(TreeWriter &tree, BackupSession &session, PackWriter &packs, const std::string &entry) {
        std::string path = "file/" + entry;
        if (entry.ends_with('/')) return tree.Add({{"path", path}, {"mode", 0700}});
        const Bytes &bytes = files.at(PlainPath(entry));
        tree.Add(FileEntry(path, {.size = bytes.size(), .mode = 0640, .mtime = 1'764'300'000'000'000},
                           UnitFor(bytes.size())));
        PhysicalCounters counters;
        for (std::uint64_t number = 0; number * kPieceSize < bytes.size(); number++) {
            PieceRequest piece;
            piece.file = original.path() / PlainPath(entry);
            piece.path = PiecePath(path, number);
            piece.number = number;
            piece.length = PieceLength(bytes.size(), number);
            piece.unit = UnitFor(bytes.size());
            Piece read;
            ReadPiece(piece, session, packs, counters, NeverCancelled(), read);
            tree.Add(PieceEntry(piece.path, read, piece.unit));
        }
    }

    FilesRestored Restore() {
        whole.clear();
        return RestoreFiles(request, backup, sample.Reader(), NeverCancelled(), SilentLog(),
                            [&](const RestoredFile &file) { whole[file.path] = file; });
    }
    void CompareFromNowOn() { request.compare = sample.keys->Get(backup.clear.domain, backup.clear.generation); }
    ExtraFiles RemoveExtra() { return RemoveExtraFiles(request, backup, sample.Reader(), NeverCancelled()); }
    void ExpectAll() {
        for (const auto &[path, bytes] : files) {
            EXPECT_EQ(ReadWholeFile(pgdata.path() / path), AsText(bytes)) << path;
            ASSERT_TRUE(whole.contains(path)) << path;
            EXPECT_EQ(whole[path].size, bytes.size());
            EXPECT_EQ(whole[path].crc32c, Crc32c(bytes)) << path;
        }
        EXPECT_EQ(whole.size(), files.size());
    }
    void Damage(const std::string &path, std::uint64_t at) {
        Fd file = OpenFile(pgdata.path() / path, O_WRONLY);
        ASSERT_EQ(pwrite(file.get(), "damage", 6, static_cast<off_t>(at)), 6);
    }

    Sample sample{GetParam()};
    TemporaryDirectory original, pgdata, space;
    std::map<std::string, Bytes> files;
    Manifest backup;
    FilesRestore request;
    std::map<std::string, RestoredFile> whole;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, RestoreFilesTest, ::testing::Bool());

TEST_P(RestoreFilesTest, AnEmptyDirectoryIsFilled) {
    FilesRestored restored = Restore();
    ExpectAll();
    EXPECT_EQ(restored.files, files.size());
    EXPECT_EQ(restored.written, restored.bytes);
    EXPECT_EQ(restored.read, 0u);
    EXPECT_EQ(fs::read_symlink(pgdata.path() / "pg_tblspc/16400"), space.path());
    EXPECT_EQ(fs::status(pgdata.path() / "PG_VERSION").permissions(), fs::perms(0640));
}

TEST_P(RestoreFilesTest, OnlyWhatDiffersIsWritten) {
    Restore();
    CompareFromNowOn();
    FilesRestored restored = Restore();
    ExpectAll();
    EXPECT_EQ(restored.written, 0u);
    EXPECT_EQ(restored.fetched, 0u);
    EXPECT_EQ(restored.read, restored.bytes);

    Damage("base/5/113", kPieceSize + 1);
    fs::resize_file(pgdata.path() / "base/5/112", 299'000);
    fs::resize_file(pgdata.path() / "PG_VERSION", 100);
    fs::remove(pgdata.path() / "pg_tblspc/16400/PG_15_202209061/5/114");
    request.pretend = true;
    FilesRestored would = Restore();
    EXPECT_FALSE(fs::exists(pgdata.path() / "pg_tblspc/16400/PG_15_202209061/5/114"));
    request.pretend = false;
    restored = Restore();
    ExpectAll();
    EXPECT_EQ(restored.written, (16u << 10) + (300'000 - 36 * 8192) + 9'000);
    EXPECT_EQ(would.written, restored.written);
    EXPECT_EQ(would.fetched, restored.fetched);
}

TEST_P(RestoreFilesTest, WhatTheBackupHasNotIsRemovedAndNothingOutside) {
    Restore();
    CompareFromNowOn();
    TemporaryDirectory outside;
    WriteFileAtomically(outside.path() / "kept", AsBytes("x"));
    for (const char *extra : {"extra", "base/5/112.1", "base/5/112_fsm", "pg_wal/000000010000000000000001",
                              "pg_tblspc/16400/PG_15_202209061/5/999"})
        WriteFileAtomically(pgdata.path() / extra, AsBytes("x"));
    fs::create_directories(pgdata.path() / "base/6/deep");
    WriteFileAtomically(pgdata.path() / "base/6/deep/file", AsBytes("x"));
    fs::create_directory_symlink(outside.path(), pgdata.path() / "link");
    fs::create_directory_symlink(outside.path(), pgdata.path() / "pg_tblspc/16500");
    WriteFileAtomically(space.path() / "of another server", AsBytes("x"));
    // In the place of a file and of a directory stand others.
    fs::remove(pgdata.path() / "PG_VERSION");
    fs::create_directory_symlink(outside.path(), pgdata.path() / "PG_VERSION");
    fs::remove_all(pgdata.path() / "base");
    fs::create_directory_symlink(outside.path(), pgdata.path() / "base");

    ExtraFiles extra = RemoveExtra();
    EXPECT_EQ(extra.unlinked, std::vector<std::string>{outside.path().string()});
    Restore();
    ExpectAll();
    EXPECT_TRUE(fs::exists(outside.path() / "kept"));
    EXPECT_TRUE(fs::exists(space.path() / "of another server"));
    std::size_t there = 0;
    for (const auto &entry : fs::recursive_directory_iterator(pgdata.path())) there += entry.is_regular_file();
    EXPECT_EQ(there, files.size() - 1) << "the one in the tablespace lies behind a link";
    EXPECT_FALSE(fs::exists(pgdata.path() / "pg_tblspc/16400/PG_15_202209061/5/999"));
}

TEST_P(RestoreFilesTest, AFileThatSomebodyElseHasTooIsLeftToThem) {
    Restore();
    CompareFromNowOn();
    TemporaryDirectory other;
    fs::create_hard_link(pgdata.path() / "base/5/112", other.path() / "112");
    Damage("base/5/112", 0);
    std::string damaged = ReadWholeFile(other.path() / "112");
    Restore();
    ExpectAll();
    EXPECT_EQ(ReadWholeFile(other.path() / "112"), damaged);
}

TEST_P(RestoreFilesTest, WalThatWasNotArchivedIsPutAsideWhereItIsWorthSomething) {
    Restore();
    CompareFromNowOn();
    Bytes own(16), old(16);
    PutLittleEndian(own.data() + 8, std::uint64_t{7} << 24);
    PutLittleEndian(old.data() + 8, std::uint64_t{3} << 24);
    fs::create_directories(pgdata.path() / "pg_wal/archive_status");
    auto wal = [&](const char *name, ByteView bytes) { WriteFileAtomically(pgdata.path() / "pg_wal" / name, bytes); };
    wal("000000010000000000000007", own);
    wal("000000010000000000000008", old);    // made of an old one, and not written to yet
    wal("000000010000000000000006", own);
    wal("archive_status/000000010000000000000006.done", {});
    wal("00000002.history", own);
    request.keep_wal = request.pretend = true;
    EXPECT_EQ(RemoveExtra().kept_wal, 2u);
    EXPECT_TRUE(fs::exists(pgdata.path() / "pg_wal/000000010000000000000007"));
    request.pretend = false;
    EXPECT_EQ(RemoveExtra().kept_wal, 2u);
    EXPECT_TRUE(fs::exists(pgdata.path() / "pg_wal/before_restore/000000010000000000000007"));
    EXPECT_TRUE(fs::exists(pgdata.path() / "pg_wal/before_restore/00000002.history"));
    EXPECT_EQ(RemoveExtra().kept_wal, 0u);
    EXPECT_TRUE(fs::exists(pgdata.path() / "pg_wal/before_restore/00000002.history")) << "the next one leaves it";
    request.keep_wal = false;
    RemoveExtra();
    EXPECT_TRUE(fs::is_empty(pgdata.path() / "pg_wal")) << "a copy's";
}

TEST(PlainPath, LeadsNowhereElse) {
    EXPECT_EQ(PlainPath("base/5/a%20b"), "base/5/a b");
    for (const char *bad : {"..", "a/../b", "a//b", "/a", "a%2Fb", "a%00b", "."})
        EXPECT_EQ(Thrown([&] { PlainPath(bad); }), Code::kCorrupt) << bad;
}

}    // namespace
}    // namespace ark::test
