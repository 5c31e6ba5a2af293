#include "physical/file_task.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kUnit = 8 << 10;

// Acts before the block of that number is read, over all readings, or before every one.
class BeforeBlock : public Ticker {
public:
    BeforeBlock(int block, std::function<void()> act) : block_(block), act_(std::move(act)) {}
    bool Cancelled() override {
        if (block_ == kEvery || blocks == block_) act_();
        blocks++;
        return false;
    }
    static constexpr int kEvery = -1;
    int blocks = 0;

private:
    int block_;
    std::function<void()> act_;
};

class FileTaskTest : public ::testing::Test {
protected:
    FileTaskTest() {
        WriteFileAtomically(file, old);
        std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
        walked = Facts();
    }
    void Overwrite(ByteView content) { WriteAll(OpenFile(file, O_WRONLY | O_TRUNC).get(), content, "settings"); }

    // What a restore would write of the file; nullopt if the backup has none.
    std::optional<Bytes> Read(Ticker &ticker, bool reads_whole_file = true) {
        std::unique_ptr<BackupSession> session = sample.Begin();
        std::unique_ptr<PackWriter> packs = session->NewPackWriter({});
        FileTask task{.entry = FileEntry("file/settings", walked, kUnit), .file = std::make_shared<WalkedState>()};
        task.piece = PieceRequest{.file = file,
                                  .relative = "settings",
                                  .path = PiecePath("file/settings", 0),
                                  .length = walked.size,
                                  .unit = kUnit,
                                  .pages = {}};
        task.reads_whole_file = reads_whole_file;
        PhysicalCounters counters;
        task.Run(*session, *packs, counters, ticker);
        packs->Finish();
        stored = packs->stored_bytes();
        if (task.file->gone) return std::nullopt;
        entry = FileFromEntry(*task.entry);
        if (reads_whole_file) {
            EXPECT_EQ(counters.read_bytes, entry.facts.size) << "however often it was read";
        }
        Bytes content;
        if (!task.piece_entry) return content;
        Piece piece = PieceFromEntry(*task.piece_entry, entry.facts.size, kUnit);
        for (const UnitRun &run : piece.map) {
            Buffer frame = sample.Reader()->Read(piece.frames[run.frame]);
            std::uint64_t at = run.first * kUnit, left = entry.facts.size - content.size();
            Append(content, ByteView(frame).subspan(at, std::min(run.units * kUnit, left)));
        }
        return content;
    }
    FileFacts Facts() const {
        struct stat info {};
        EXPECT_EQ(stat(file.c_str(), &info), 0);
        return FactsOf(info);
    }

    TemporaryDirectory directory;
    std::filesystem::path file = directory.path() / "settings";
    Bytes old = SampleText(300'000, 1), changed = SampleText(300'000, 2);    // two blocks
    Sample sample{false};
    FileFacts walked;    // when the directory was
    BaseFile entry;
    std::uint64_t stored = 0;
};

TEST_F(FileTaskTest, AFileThatIsNoRelationIsReadUntilItStandsStill) {
    BeforeBlock second(1, [&] { Overwrite(changed); });
    EXPECT_EQ(Read(second), changed) << "not the first half of one and the second of the other";
    EXPECT_EQ(second.blocks, 4) << "it was read twice";
    EXPECT_EQ(entry.facts, Facts()) << "as it was when it stood still";
}

TEST_F(FileTaskTest, ARelationIsReadOnce) {
    BeforeBlock second(1, [&] { Overwrite(changed); });
    Read(second, false);
    EXPECT_EQ(second.blocks, 2) << "WAL mends what changes meanwhile";
}

TEST_F(FileTaskTest, ItMayGrowShrinkOrBecomeEmptyMeanwhile) {
    for (std::size_t size : {1'000'000, 1000, 0}) {
        Overwrite(old);
        walked = Facts();
        Bytes other = SampleText(size, 3);
        BeforeBlock second(1, [&] { Overwrite(other); });
        EXPECT_EQ(Read(second), other) << size;
        EXPECT_EQ(entry.facts.size, size);
    }
}

TEST_F(FileTaskTest, OneThatOutgrowsItsPieceIsKeptAsFarAsItWasRead) {
    Bytes other = SampleText(kPieceSize + 100, 3);
    BeforeBlock second(1, [&] { Overwrite(other); });
    EXPECT_EQ(Read(second), Bytes(other.begin(), other.begin() + kPieceSize));
    EXPECT_EQ(entry.facts.size, kPieceSize) << "more pieces would be missed by a restore";
}

TEST_F(FileTaskTest, OneThatGoesIsLeftOut) {
    BeforeBlock second(1, [&] {
        Overwrite(changed);
        std::filesystem::remove(file);
    });
    Read(second);    // as it was while it was there
    EXPECT_EQ(Read(NeverCancelled(), true), std::nullopt);
}

TEST_F(FileTaskTest, OneThatGrowsAllTheTimeIsStoredOnce) {
    Read(NeverCancelled());
    std::uint64_t once = stored;
    Bytes grown = old;
    BeforeBlock every(BeforeBlock::kEvery, [&] {
        grown.push_back(std::byte{'+'});
        WriteAll(OpenFile(file, O_WRONLY | O_APPEND).get(), Bytes(1, std::byte{'+'}), "log");
    });
    Bytes content = *Read(every);
    EXPECT_EQ(every.blocks, 10) << "five readings";
    EXPECT_EQ(content, Bytes(grown.begin(), grown.begin() + static_cast<std::ptrdiff_t>(content.size())));
    EXPECT_LT(stored, once * 3 / 2);
}

TEST_F(FileTaskTest, OneThatNeverStandsStillHoldsNothingUp) {
    int writes = 0;
    BeforeBlock every(BeforeBlock::kEvery,
                      [&] { Overwrite(SampleText(300'000, static_cast<std::uint64_t>(++writes))); });
    EXPECT_EQ(Read(every)->size(), 300'000u);
}

// As PostgreSQL's own base backup reads it, through one descriptor.
TEST_F(FileTaskTest, PiecesAreOfOneFileWhateverTakesItsNameMeanwhile) {
    Bytes first = SampleText(kPieceSize + 100, 4), other = SampleText(kPieceSize + 100, 5);
    std::unique_ptr<BackupSession> session = sample.Begin();
    std::unique_ptr<PackWriter> packs = session->NewPackWriter({});
    PhysicalCounters counters;
    auto pieces = [&] {
        auto state = std::make_shared<WalkedState>();
        auto shared = std::make_shared<SharedFile>(file, 2);
        std::vector<FileTask> tasks(2);
        for (std::uint64_t number = 0; number < 2; number++) {
            tasks[number].file = state;
            tasks[number].piece = PieceRequest{.file = file,
                                               .shared = shared,
                                               .relative = "large",
                                               .path = PiecePath("file/large", number),
                                               .number = number,
                                               .length = PieceLength(first.size(), number),
                                               .unit = kUnit,
                                               .pages = {}};
        }
        return tasks;
    };
    auto units_of = [](ByteView bytes) {
        std::string units;
        for (std::size_t at = 0; at < bytes.size(); at += kUnit)
            units += DomainKey{}
                         .Digest(bytes.subspan(at, std::min<std::size_t>(kUnit, bytes.size() - at)))
                         .substr(0, kUnitDigits);
        return units;
    };
    std::string tail = units_of(ByteView(first).subspan(kPieceSize));
    for (bool replaced : {true, false}) {
        std::filesystem::remove(file);
        WriteFileAtomically(file, first);
        std::vector<FileTask> tasks = pieces();
        tasks[0].Run(*session, *packs, counters, NeverCancelled());
        std::filesystem::remove(file);
        if (replaced) WriteFileAtomically(file, other);
        tasks[1].Run(*session, *packs, counters, NeverCancelled());
        EXPECT_TRUE(tasks[1].IsPartOfBackup());
        EXPECT_EQ(tasks[1].piece_entry->at("units"), tail) << replaced;
    }
    std::filesystem::remove(file);
    std::vector<FileTask> gone = pieces();
    gone[1].Run(*session, *packs, counters,
                NeverCancelled());    // threads take them in order, and need not come in order
    WriteFileAtomically(file, other);
    gone[0].Run(*session, *packs, counters, NeverCancelled());
    EXPECT_FALSE(gone[0].IsPartOfBackup() || gone[1].IsPartOfBackup()) << "all of it, or nothing";
    packs->Finish();
}

// The alarm is about clocks and disks that lie, not about a server that writes while it is backed up.
TEST_F(FileTaskTest, AChangeBehindTheWalkIsNoSilentOne) {
    std::unique_ptr<BackupSession> session = sample.Begin();
    std::unique_ptr<PackWriter> packs = session->NewPackWriter({});
    PhysicalCounters counters;
    auto read = [&](std::optional<Piece> base) {
        FileTask task{.entry = FileEntry("file/settings", walked, kUnit), .file = std::make_shared<WalkedState>()};
        task.file->facts = walked;
        task.piece = PieceRequest{.file = file,
                                  .relative = "settings",
                                  .path = PiecePath("file/settings", 0),
                                  .length = walked.size,
                                  .unit = kUnit,
                                  .pages = {},
                                  .base = std::move(base)};
        task.looks_unchanged = true;
        task.Run(*session, *packs, counters, NeverCancelled());
        return PieceFromEntry(*task.piece_entry, walked.size, kUnit);
    };
    Piece base = read(std::nullopt);
    EXPECT_EQ(counters.silent_changes, 0u);
    Overwrite(changed);
    Piece later = read(base);
    EXPECT_EQ(counters.silent_changes, 0u) << "its time says that it changed";
    walked = Facts();
    read(base);
    EXPECT_EQ(counters.silent_changes, 1u) << "nothing says so";
    read(later);
    EXPECT_EQ(counters.silent_changes, 1u);
    packs->Finish();
}

}    // namespace
}    // namespace ark::test
