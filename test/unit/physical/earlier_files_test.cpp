// What of an interrupted backup is believed without being read, what is compared, and what is not used.
#include "physical/earlier_files.h"

#include <gmock/gmock.h>

#include "unit/repo/sample.h"

namespace ark::test {
namespace {

using testing::HasSubstr;

constexpr auto kHour = std::chrono::hours(1);
constexpr std::uint64_t kUnit = 8 << 10, kSize = 20'000;
const std::string kPath = "file/base/5/16400";

std::int64_t Microseconds(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

class EarlierFilesTest : public ::testing::Test {
protected:
    EarlierFilesTest() {
        now.timeline = 1;
        now.read_whole_every = 24 * 7 * kHour;
        now.directory = {{"machine", "m"}, {"device", 1}, {"inode", 2}};
        facts = {.size = kSize,
                 .mode = 0600,
                 .mtime = Microseconds(sample.clock.Now() - kHour),
                 .ctime = Microseconds(sample.clock.Now() - kHour),
                 .inode = 77};
        told = {{"timeline", 1},
                {"from_standby", false},
                {"directory", now.directory},
                {"copy_started", FormatTime(sample.clock.Now())},
                {"read_whole", FormatTime(sample.clock.Now())},
                {"bad_pages", 0},
                {"stored_bytes", 1}};
    }

    std::unique_ptr<BackupSession> Begin() {
        sample.clock.Advance(std::chrono::minutes(1));
        return BackupSession::Begin(sample.repository, sample.keys,
                                    {.kind = "physical", .bases = {}, .reason = "test", .resumes_after = 0},
                                    sample.clock, sample.random);
    }
    // One that stored this file, said `told` of itself, and died.
    void Interrupt() {
        std::unique_ptr<BackupSession> session = Begin();
        std::unique_ptr<PackWriter> packs = session->NewPackWriter({});
        PieceBuilder builder;
        for (std::uint64_t at = 0; at < kSize; at += kUnit)
            builder.Add(session->key()
                            .Digest(ByteView(content).subspan(at, std::min(kUnit, kSize - at)))
                            .substr(0, kUnitDigits));
        builder.Filled(packs->Append(content));
        packs->Finish();
        session->WriteCheckpoint(told, JsonText(FileEntry(kPath, facts, kUnit)) + "\n" +
                                           JsonText(PieceEntry(PiecePath(kPath, 0), builder.Finish(), kUnit)) + "\n");
        session->Abort();
    }
    // "read": it is not known at all; "compared", "unchanged" (compared, and an alarm if it differs) or "believed".
    std::string Meet(const FileFacts &met) {
        std::unique_ptr<BackupSession> session = Begin();
        now.started = sample.clock.Now();
        EarlierFiles earlier(*session, now, none, SilentLog());
        read_whole = earlier.read_whole();
        if (earlier.Meet(kPath, met) != kUnit) return "another unit";
        std::optional<EarlierPiece> piece = earlier.PieceOf(0);
        bool usable = piece && session->Reference(piece->found.piece.frames.at(0));
        session->Abort();
        if (!piece) return "read";
        if (!usable) return "stored afresh";
        return piece->believed ? "believed" : piece->unchanged ? "unchanged" : "compared";
    }
    std::string Meet() { return Meet(facts); }

    Sample sample{true};
    Compaction none;
    Bytes content = SampleText(kSize, 1);
    FileFacts facts;
    Json told;
    EarlierFiles::Now now;
    TimePoint read_whole{};
};

TEST_F(EarlierFilesTest, WhatStoodStillSinceIsBelieved) {
    Interrupt();
    EXPECT_EQ(Meet(), "believed");
    EXPECT_EQ(FormatTime(read_whole), told.at("read_whole")) << "that is when it was read";
}

// Same size, same time of the last change: cp -p, a tablespace that was moved, a file put in another's place.
TEST_F(EarlierFilesTest, OneFactThatDiffersIsEnoughToCompare) {
    Interrupt();
    FileFacts other = facts;
    other.inode++;
    EXPECT_EQ(Meet(other), "compared") << "another file of that size and time";
    other = facts;
    other.ctime++;
    EXPECT_EQ(Meet(other), "compared") << "its time was set back after a change";
    other = facts;
    other.mtime++;
    EXPECT_EQ(Meet(other), "compared");
    other = facts;
    other.size--;
    EXPECT_EQ(Meet(other), "compared");
    other = facts;
    other.mode = 0640;
    EXPECT_EQ(Meet(other), "compared");
    EXPECT_EQ(Meet(), "believed");
}

TEST_F(EarlierFilesTest, WhatChangedShortlyBeforeTheCopyIsCompared) {
    facts.mtime = facts.ctime = Microseconds(sample.clock.Now()) - 2'000'000;
    Interrupt();
    EXPECT_EQ(Meet(), "believed");
    facts.ctime++;
    Interrupt();
    EXPECT_EQ(Meet(), "compared") << "it may have changed again within a tick of the clock";
    facts.ctime--;
    facts.mtime++;
    Interrupt();
    EXPECT_EQ(Meet(), "compared");
}

TEST_F(EarlierFilesTest, FilesOfAnotherPlaceOrTimelineAreCompared) {
    Interrupt();
    now.timeline = 2;
    EXPECT_EQ(Meet(), "compared") << "promoted, or recovered to a moment";
    EXPECT_EQ(read_whole, now.started) << "and this one reads all";
    now.timeline = 1;
    now.directory["inode"] = 3;
    EXPECT_EQ(Meet(), "compared") << "restored elsewhere, or the standby's";
    now.directory = nullptr;
    EXPECT_EQ(Meet(), "believed") << "an engine that does not know where it is: files of a primary both";
    now.standby = true;
    EXPECT_EQ(Meet(), "compared");
    now.standby = false;
    told["directory"] = nullptr;
    told["from_standby"] = true;
    Interrupt();
    EXPECT_EQ(Meet(), "compared");
}

TEST_F(EarlierFilesTest, AClockThatWasSetBackIsNotBelieved) {
    told["copy_started"] = FormatTime(sample.clock.Now() + 24 * kHour);
    Interrupt();
    EXPECT_EQ(Meet(), "compared");
    told["copy_started"] = told["read_whole"];
    told["read_whole"] = FormatTime(sample.clock.Now() + 24 * kHour);
    Interrupt();
    EXPECT_EQ(Meet(), "compared");
}

TEST_F(EarlierFilesTest, BadPagesAndAWeekAreReadAgain) {
    told["bad_pages"] = 1;
    Interrupt();
    EXPECT_EQ(Meet(), "unchanged");
    told["bad_pages"] = 0;
    Interrupt();
    EXPECT_EQ(Meet(), "believed");
    sample.clock.Advance(24 * 8 * kHour);
    EXPECT_EQ(Meet(), "unchanged") << "read once a week, whatever it looks like";
    EXPECT_EQ(read_whole, now.started);
}

// Two that were interrupted, one behind the other.
TEST_F(EarlierFilesTest, TheNewestThatHasItSaysWhatItIs) {
    Interrupt();
    content = SampleText(kSize, 2);
    facts.inode++;
    Interrupt();
    EXPECT_EQ(Meet(), "believed");
    facts.inode--;
    EXPECT_EQ(Meet(), "compared") << "with the newer one's, although the older one's is this file";
}

TEST_F(EarlierFilesTest, WithAnotherKeyNothingIsUsed) {
    Interrupt();
    Key next = NewKey(sample.random);
    sample.keys->Rewrap(next, sample.random);
    EXPECT_EQ(Meet(), "believed") << "only the wrap is new";
    sample.keys->NewGeneration("cluster", sample.random);
    std::unique_ptr<BackupSession> session = Begin();
    EXPECT_TRUE(session->resumed().empty());
    ASSERT_EQ(session->unused_bases().size(), 1u);
    EXPECT_THAT(session->unused_bases()[0], HasSubstr("was made with another key"));
    EXPECT_EQ(Meet(), "read");
}

// Sixteen megabytes further on another file begins: pieces are found by number, of that file alone.
TEST_F(EarlierFilesTest, PiecesAreOfTheFileThatWasMet) {
    Interrupt();
    std::unique_ptr<BackupSession> session = Begin();
    now.started = sample.clock.Now();
    EarlierFiles earlier(*session, now, none, SilentLog());
    FileFacts grown = facts;
    grown.size = 2 * kPieceSize;
    earlier.Meet("file/base/5/16399", grown);
    EXPECT_FALSE(earlier.PieceOf(0)) << "another relation's";
    EXPECT_EQ(earlier.Meet(kPath, grown), kUnit) << "as it was cut before, whatever its size is now";
    std::optional<EarlierPiece> first = earlier.PieceOf(0);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->found.piece.Units(), 3u);
    EXPECT_FALSE(first->unchanged);
    EXPECT_FALSE(earlier.PieceOf(1));
    EXPECT_NE(earlier.Meet(kPath + ".1", grown), kUnit);
    EXPECT_FALSE(earlier.PieceOf(0));
}

}    // namespace
}    // namespace ark::test
