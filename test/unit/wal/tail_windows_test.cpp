#include "wal/tail_windows.h"

#include <gtest/gtest.h>

#include "unit/wal/archive_sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kSegment = 16 << 20;

layout::TailName Piece(std::uint64_t start, std::uint64_t end, std::uint32_t timeline = 1) {
    return {.epoch = 1, .timeline = {timeline}, .start = {start}, .end = {end}};
}

struct TailWindowsTest : ::testing::Test {
    RecoveryWindow Reach(const std::vector<layout::TailName> &tail, std::optional<TimePoint> known = {}) {
        std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {b});
        ReachIntoTail(windows, sample.archive, {b}, tail, [&](const TimelineHistory &, Lsn end) {
            asked = end;
            return known;
        });
        return windows.front();
    }
    ArchiveSample sample;
    BaseBackup b = sample.Backup("b", 1, "0/3000028", "0/3000100");
    std::optional<Lsn> asked;
};

TEST_F(TailWindowsTest, GoesOnWhereTheSegmentsEnd) {
    sample.Segments(1, 3, 8);
    RecoveryWindow window =
        Reach({Piece(9 * kSegment, 9 * kSegment + 100), Piece(9 * kSegment + 100, 9 * kSegment + 256)},
              ArchiveSample::Minute(30));
    EXPECT_EQ(window.until.Text(), "0/9000100");
    EXPECT_EQ(asked, window.until);
    EXPECT_EQ(window.until_stored, ArchiveSample::Minute(30));
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    EXPECT_EQ(window.missing, sample.Name(1, 9)) << "it is not whole";
}

TEST_F(TailWindowsTest, GoesThroughSegmentsThatAreWholeInPieces) {
    sample.Segments(1, 3, 8);
    RecoveryWindow window =
        Reach({Piece(9 * kSegment, 10 * kSegment), Piece(10 * kSegment, 10 * kSegment + 40)}, ArchiveSample::Minute(2));
    EXPECT_EQ(window.until.Text(), "0/A000028");
    EXPECT_EQ(window.until_stored, ArchiveSample::Minute(8)) << "an older time tells nothing";
    EXPECT_EQ(window.missing, sample.Name(1, 10));
}

TEST_F(TailWindowsTest, WhatIsMissingBeforeLaterPiecesIsAHole) {
    sample.Segments(1, 3, 8);
    RecoveryWindow window = Reach({Piece(10 * kSegment, 10 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/9000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
    EXPECT_EQ(window.missing, sample.Name(1, 9));
    window = Reach({Piece(9 * kSegment, 9 * kSegment + 40), Piece(10 * kSegment, 10 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/9000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole) << "the first segment was written to its end";
}

TEST_F(TailWindowsTest, StaysWithinWhatIsKnownToBeMissing) {
    sample.Segments(1, 3, 8, {6});
    RecoveryWindow window = Reach({Piece(9 * kSegment, 9 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/6000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
}

TEST_F(TailWindowsTest, PiecesFillAHole) {
    sample.Segments(1, 3, 8, {6});
    RecoveryWindow window = Reach({Piece(6 * kSegment, 7 * kSegment), Piece(9 * kSegment, 9 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/9000028");
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    EXPECT_EQ(window.until_stored, ArchiveSample::Minute(8));
    window = Reach({Piece(6 * kSegment, 6 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/6000000") << "a part of it is of no use";
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
}

TEST_F(TailWindowsTest, TheNewTimelineIsInPiecesWhereTheOldOneIsWhole) {
    sample.Segments(1, 3, 8);
    sample.History(2, "1 0/8000800 was left");
    std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {b});
    ASSERT_EQ(windows.size(), 2u);
    ReachIntoTail(windows, sample.archive, {b}, {Piece(8 * kSegment, 8 * kSegment + 0x900, 2)},
                  [](const TimelineHistory &, Lsn) { return std::nullopt; });
    EXPECT_EQ(windows[1].timeline.value, 2u);
    EXPECT_EQ(windows[1].until.Text(), "0/8000900");
    EXPECT_EQ(windows[1].until_timeline.value, 2u);
    EXPECT_EQ(windows[1].end, RecoveryWindow::End::kArchive);
}

// 1 was left for 2 in segment 9; nothing of the new timeline is in the store but its history.
struct OldTimelineInPieces : TailWindowsTest {
    OldTimelineInPieces() {
        sample.Segments(1, 3, 8);
        sample.History(2, "1 0/9000800 was left");
    }
    RecoveryWindow OnTwo(const std::vector<layout::TailName> &tail) {
        std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {b});
        ReachIntoTail(windows, sample.archive, {b}, tail, [](const TimelineHistory &, Lsn) { return std::nullopt; });
        return windows.at(1);
    }
};

TEST_F(OldTimelineInPieces, TheNewOneBeginsWithThem) {
    RecoveryWindow window = OnTwo({Piece(9 * kSegment, 9 * kSegment + 0x700)});
    EXPECT_EQ(window.until.Text(), "0/9000700");
    EXPECT_EQ(window.until_timeline.value, 1u);
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    window = OnTwo({Piece(9 * kSegment, 9 * kSegment + 0x700), Piece(9 * kSegment + 0x700, 9 * kSegment + 0x1000),
                    Piece(10 * kSegment, 10 * kSegment + 40)});
    EXPECT_EQ(window.until.Text(), "0/9000800") << "up to where it was left, whatever the old one has behind";
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    EXPECT_EQ(window.missing, sample.Name(2, 9));
}

TEST_F(OldTimelineInPieces, WhatThePromotedServerArchivedOfItReachesToTheSwitch) {
    EXPECT_EQ(OnTwo({}).until.Text(), "0/9000000");
    sample.Partial(1, 9);
    RecoveryWindow window = OnTwo({});
    EXPECT_EQ(window.until.Text(), "0/9000800");
    EXPECT_EQ(window.until_timeline.value, 1u);
    EXPECT_EQ(window.until_stored, ArchiveSample::Minute(9));
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    EXPECT_EQ(window.last, sample.Name(1, 8)) << "it is not whole";
    window = OnTwo({Piece(10 * kSegment, 10 * kSegment + 40, 2)});
    EXPECT_EQ(window.until.Text(), "0/9000000") << "the new one has written that segment";
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
}

TEST_F(OldTimelineInPieces, NothingTakesThePlaceOfASegmentThatTheNewOneHasWritten) {
    RecoveryWindow window =
        OnTwo({Piece(9 * kSegment, 9 * kSegment + 0x900), Piece(10 * kSegment, 10 * kSegment + 40, 2)});
    EXPECT_EQ(window.until.Text(), "0/9000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
    EXPECT_EQ(window.missing, sample.Name(2, 9));
}

TEST_F(OldTimelineInPieces, SegmentsBeforeTheSwitchMayBeInPiecesToo) {
    sample.archive.timelines[{1}].segments.pop_back();
    RecoveryWindow window = OnTwo({Piece(8 * kSegment, 9 * kSegment), Piece(9 * kSegment, 9 * kSegment + 0x900)});
    EXPECT_EQ(window.until.Text(), "0/9000800");
    window = OnTwo({Piece(8 * kSegment, 9 * kSegment - 1), Piece(9 * kSegment, 9 * kSegment + 0x900)});
    EXPECT_EQ(window.until.Text(), "0/8000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
}

TEST_F(TailWindowsTest, PiecesMayOpenAWindow) {
    sample.Segments(1, 4, 5);
    EXPECT_FALSE(Reach({}).Opens());
    RecoveryWindow window = Reach({Piece(3 * kSegment, 4 * kSegment)});
    EXPECT_EQ(window.until.Text(), "0/6000000");
    EXPECT_EQ(window.end, RecoveryWindow::End::kArchive);
    EXPECT_EQ(window.until_stored, ArchiveSample::Minute(5));
    sample.archive.timelines.clear();
    window = Reach({Piece(3 * kSegment, 3 * kSegment + 0x100)});
    EXPECT_TRUE(window.Opens()) << "up to its stop";
    EXPECT_EQ(window.until_stored, window.opens) << "all of it is in pieces";
    window = Reach({Piece(3 * kSegment, 3 * kSegment + 0xFF)});
    EXPECT_FALSE(window.Opens());
    EXPECT_EQ(window.end, RecoveryWindow::End::kHole);
}

}    // namespace
}    // namespace ark::test
