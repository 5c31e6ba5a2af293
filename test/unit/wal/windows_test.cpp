#include "wal/windows.h"

#include <gtest/gtest.h>

#include "unit/wal/archive_sample.h"
#include "unit/wal/wal_sample.h"

namespace ark::test {
namespace {

// "b on 1: 0/3000100..0/9000000" with what is missing, where it is more than the end: one line a window.
std::string Text(const std::vector<RecoveryWindow> &windows) {
    std::string text;
    for (const RecoveryWindow &window : windows) {
        text += window.backup + " on " + std::to_string(window.timeline.value) + ": ";
        text += window.Opens() ? window.from.Text() + ".." + window.until.Text() : "closed at " + window.until.Text();
        if (window.until_timeline != window.timeline) text += " of " + std::to_string(window.until_timeline.value);
        if (window.end == RecoveryWindow::End::kHole) text += " hole " + window.missing.Text();
        if (window.end == RecoveryWindow::End::kExpired) text += " expired";
        text += "\n";
    }
    return text;
}

struct WindowsTest : ::testing::Test {
    std::string Windows(const std::vector<BaseBackup> &backups, const WalFloors &floors = {}) {
        return Text(RecoveryWindows(sample.archive, backups, floors));
    }
    ArchiveSample sample;
    BaseBackup b = sample.Backup("b", 1, "0/3000028", "0/3000100");
};

TEST_F(WindowsTest, OpensAtTheStopAndEndsWithTheLastSegment) {
    sample.Segments(1, 1, 8);
    std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {b});
    EXPECT_EQ(Text(windows), "b on 1: 0/3000100..0/9000000\n");
    EXPECT_EQ(windows[0].opens, ArchiveSample::Minute(3));
    EXPECT_EQ(windows[0].until_stored, ArchiveSample::Minute(8));
    EXPECT_EQ(windows[0].last, sample.Name(1, 8));
    EXPECT_EQ(windows[0].missing, sample.Name(1, 9)) << "what comes next";
}

TEST_F(WindowsTest, EachBackupHasItsOwn) {
    sample.Segments(1, 3, 20);
    EXPECT_EQ(Windows({sample.Backup("c", 1, "0/A000028", "0/C000100"), b}),
              "c on 1: 0/C000100..0/15000000\nb on 1: 0/3000100..0/15000000\n");
}

TEST_F(WindowsTest, AHoleEndsItAndIsNamed) {
    sample.Segments(1, 3, 12, {7, 8});
    BaseBackup c = sample.Backup("c", 1, "0/9000028", "0/9000100");
    EXPECT_EQ(Windows({c, b}),
              "c on 1: 0/9000100..0/D000000\nb on 1: 0/3000100..0/7000000 hole 000000010000000000000007\n");
    EXPECT_EQ(RecoveryWindows(sample.archive, {b})[0].beyond_stored, ArchiveSample::Minute(9));
}

TEST_F(WindowsTest, AHoleThatIsOnRecordSaysWhy) {
    sample.Segments(1, 3, 12, {7, 8});
    TimePoint at = ArchiveSample::Minute(10);
    std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {b});
    ExplainHoles(windows, {{sample.Name(1, 7), sample.Name(1, 8), at, at, "the disk was full"}});
    EXPECT_EQ(windows[0].why, "the disk was full (000000010000000000000007 to 000000010000000000000008)");
    EXPECT_NE(DescribeWindow(windows[0]).find("is missing: the disk was full"), std::string::npos);
    windows = RecoveryWindows(sample.archive, {b});
    ExplainHoles(windows, {{sample.Name(1, 8), sample.Name(1, 8), at, at, "another one"}});
    EXPECT_EQ(windows[0].why, "");
    sample.archive.timelines.clear();
    sample.Segments(1, 3, 6);
    windows = RecoveryWindows(sample.archive, {b});
    EXPECT_EQ(windows[0].end, RecoveryWindow::End::kArchive);
    ExplainHoles(windows, {{sample.Name(1, 7), sample.Name(1, 8), at, at, "the disk was full"}});
    EXPECT_EQ(windows[0].end, RecoveryWindow::End::kHole) << "nothing lies behind it, and nothing will come";
}

TEST_F(WindowsTest, WithoutTheWalUpToItsStopABackupHasNone) {
    BaseBackup c = sample.Backup("c", 1, "0/3000028", "0/5000100");
    sample.Segments(1, 3, 4);
    EXPECT_EQ(Windows({c}), "c on 1: closed at 0/5000000 hole 000000010000000000000005\n");
    EXPECT_EQ(Windows({sample.Backup("d", 1, "0/7000028", "0/7000100")}),
              "d on 1: closed at 0/7000000 hole 000000010000000000000007\n");
    sample.Segments(1, 5, 5);
    EXPECT_EQ(Windows({c}), "c on 1: 0/5000100..0/6000000\n");
}

TEST_F(WindowsTest, AStopOnABoundaryNeedsNothingBehindIt) {
    sample.Segments(1, 3, 4);
    EXPECT_EQ(Windows({sample.Backup("c", 1, "0/3000028", "0/5000000")}), "c on 1: 0/5000000..0/5000000\n");
}

TEST_F(WindowsTest, APromotionOpensAnotherThatGoesOn) {
    sample.Segments(1, 3, 5);
    sample.Segments(2, 6, 9);
    sample.History(2, "1 0/6800000\tpromoted\n");
    sample.Partial(1, 6);
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/6000000\nb on 2: 0/3000100..0/A000000\n");
}

TEST_F(WindowsTest, ASwitchAtABoundaryNeedsTheOldTimelinesWholeSegment) {
    sample.Segments(1, 3, 5);
    sample.Segments(2, 6, 7);
    sample.History(2, "1 0/6000000\n");
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/6000000\nb on 2: 0/3000100..0/8000000\n");
    sample.archive.timelines[{1}].segments.pop_back();
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/5000000 hole 000000010000000000000005\n"
              "b on 2: 0/3000100..0/5000000 of 1 hole 000000010000000000000005\n")
        << "the history tells that it was written";
}

TEST_F(WindowsTest, APartialSegmentStandsForNothing) {
    sample.Segments(1, 3, 5);
    sample.Partial(1, 6);
    sample.History(2, "1 0/6800000\n");
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/6000000\nb on 2: 0/3000100..0/6000000 of 1\n")
        << "the new timeline's first segment was not archived yet";
}

TEST_F(WindowsTest, TheOldTimelinesWholeSegmentReachesToTheSwitch) {
    sample.Segments(1, 3, 8);
    sample.History(2, "1 0/6800000\n");
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/9000000\n"
              "b on 2: 0/3000100..0/6800000 of 1\n")
        << "the new one's first segment was not archived yet";
    sample.Segments(2, 7, 7);
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/9000000\n"
              "b on 2: 0/3000100..0/6000000 of 1 hole 000000020000000000000006\n")
        << "it is missing, and no server is given another in its place";
    sample.Segments(2, 6, 6);
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/9000000\nb on 2: 0/3000100..0/8000000\n");
}

TEST_F(WindowsTest, AHoleBeforeASwitchClosesTheYoungerTimelineToo) {
    sample.Segments(1, 3, 9, {5});
    sample.Segments(2, 9, 12);
    sample.History(2, "1 0/9800000\n");
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/5000000 hole 000000010000000000000005\n"
              "b on 2: 0/3000100..0/5000000 of 1 hole 000000010000000000000005\n");
    BaseBackup on_two = sample.Backup("c", 2, "0/A000028", "0/A000100");
    EXPECT_EQ(Windows({on_two}), "c on 2: 0/A000100..0/D000000\n");
}

TEST_F(WindowsTest, SeveralSwitchesInOneSegment) {
    sample.Segments(1, 3, 4);
    sample.History(2, "1 0/5100000\n");
    sample.History(3, "1 0/5100000\n2 0/5200000\n");
    sample.History(4, "1 0/5100000\n2 0/5200000\n3 0/5300000\n");
    sample.Segments(4, 5, 7);
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/5000000\n"
              "b on 2: 0/3000100..0/5000000 of 1\n"
              "b on 3: 0/3000100..0/5000000 of 1\n"
              "b on 4: 0/3000100..0/8000000\n");
    sample.archive.timelines[{4}].segments.erase(sample.archive.timelines[{4}].segments.begin());
    sample.Segments(3, 5, 5);
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/5000000\n"
              "b on 2: 0/3000100..0/5000000 of 1\n"
              "b on 3: 0/3000100..0/6000000\n"
              "b on 4: 0/3000100..0/5000000 of 1 hole 000000040000000000000005\n");
    sample.archive.timelines[{4}].segments.clear();
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/5000000\n"
              "b on 2: 0/3000100..0/5000000 of 1\n"
              "b on 3: 0/3000100..0/6000000\n"
              "b on 4: 0/3000100..0/5300000 of 3\n");
    sample.Segments(1, 5, 5);
    EXPECT_EQ(Windows({b}),
              "b on 1: 0/3000100..0/6000000\n"
              "b on 2: 0/3000100..0/5100000 of 1\n"
              "b on 3: 0/3000100..0/6000000\n"
              "b on 4: 0/3000100..0/5300000 of 3\n")
        << "of the older ones the one that reaches furthest";
}

TEST_F(WindowsTest, ATimelineThatLeftBeforeTheStopIsOutOfReach) {
    sample.Segments(1, 2, 9);
    sample.Segments(2, 2, 9);
    sample.History(2, "1 0/2800000\n");
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/A000000\n");
    BaseBackup early = sample.Backup("a", 1, "0/2000028", "0/2000100");
    EXPECT_EQ(Windows({early}), "a on 1: 0/2000100..0/A000000\na on 2: 0/2000100..0/A000000\n");
    sample.History(2, "1 0/3000100\n");
    EXPECT_EQ(Windows({b}), "b on 1: 0/3000100..0/A000000\nb on 2: 0/3000100..0/A000000\n") << "at the stop is enough";
}

TEST_F(WindowsTest, ARecoveryToAnEarlierPointMakesAForkOfItsOwn) {
    sample.Segments(1, 3, 12);
    sample.History(2, "1 0/5800000\n");
    sample.Segments(2, 5, 6);
    sample.History(3, "1 0/8800000\n");
    sample.Segments(3, 8, 9);
    BaseBackup late = sample.Backup("c", 1, "0/7000028", "0/7000100");
    EXPECT_EQ(Windows({late, b}),
              "c on 1: 0/7000100..0/D000000\n"
              "c on 3: 0/7000100..0/A000000\n"
              "b on 1: 0/3000100..0/D000000\n"
              "b on 2: 0/3000100..0/7000000\n"
              "b on 3: 0/3000100..0/A000000\n");
}

TEST_F(WindowsTest, SegmentsOfEverySizeAreNumberedByIt) {
    for (std::uint64_t mib : {1u, 4u, 64u, 1024u}) {
        ArchiveSample other(mib);
        std::uint64_t segment = mib << 20;
        other.Segments(1, 2, 4 * other.size.PerLog() + 1);    // over several 4 GiB
        BaseBackup backup = other.Backup("b", 1, Lsn{2 * segment + 40}.Text(), Lsn{3 * segment + 40}.Text());
        std::vector<RecoveryWindow> windows = RecoveryWindows(other.archive, {backup});
        EXPECT_EQ(windows[0].until, (Lsn{(4 * other.size.PerLog() + 2) * segment})) << mib;
        EXPECT_EQ(windows[0].end, RecoveryWindow::End::kArchive) << mib;
    }
}

TEST_F(WindowsTest, NamesThatTheSizeCannotHaveAreNoPartOfTheRow) {
    ArchiveSample large(1024);
    large.Segments(1, 3, 4);
    for (std::uint32_t part : {4u, 5u, 900u})
        large.archive.timelines[{1}].segments.push_back({WalFileName::OfSegment({{1}, 0, part}), 1, {}});
    ArchiveSample::Sort(large.archive.timelines[{1}].segments);
    BaseBackup backup = large.Backup("b", 1, "0/C0000028", "0/C0000100");
    EXPECT_EQ(Text(RecoveryWindows(large.archive, {backup})), "b on 1: 0/C0000100..1/40000000\n");
}

TEST_F(WindowsTest, WhatWasDeletedIsNoHole) {
    sample.Segments(1, 3, 12, {5, 6, 7});
    BaseBackup c = sample.Backup("c", 1, "0/8000028", "0/8000100");
    EXPECT_EQ(Windows({c, b}, {{{1}, ParseLsn("0/8000000")}}),
              "c on 1: 0/8000100..0/D000000\nb on 1: 0/3000100..0/5000000 expired\n");
    EXPECT_EQ(Windows({b}, {{{1}, ParseLsn("0/5FFFFFF")}}),
              "b on 1: 0/3000100..0/5000000 hole 000000010000000000000005\n")
        << "a part of a segment is not deleted";
    EXPECT_EQ(Windows({b}, {{{2}, ParseLsn("0/8000000")}}),
              "b on 1: 0/3000100..0/5000000 hole 000000010000000000000005\n");
}

TEST_F(WindowsTest, WhatABackupNeedsItselfIsAHoleWhateverExpired) {
    sample.Segments(1, 3, 12, {4});
    EXPECT_EQ(Windows({sample.Backup("c", 1, "0/3000028", "0/5000100")}, {{{1}, ParseLsn("0/8000000")}}),
              "c on 1: closed at 0/4000000 hole 000000010000000000000004\n");
}

TEST_F(WindowsTest, AnEmptyArchiveRestoresNothing) {
    EXPECT_EQ(Windows({b}), "b on 1: closed at 0/3000000 hole 000000010000000000000003\n");
    EXPECT_EQ(Windows({}), "");
}

TEST_F(WindowsTest, TheLatestTimelineIsTheLastOfAnUnbrokenRowOfHistories) {
    EXPECT_EQ(sample.archive.LatestFrom({1}).value, 1u);
    for (std::uint32_t timeline : {2u, 3u, 5u}) sample.History(timeline, "1 0/5800000\n");
    sample.Segments(6, 1, 1);
    EXPECT_EQ(sample.archive.LatestFrom({1}).value, 3u);
    EXPECT_EQ(sample.archive.LatestFrom({3}).value, 3u);
    EXPECT_EQ(sample.archive.LatestFrom({4}).value, 5u);
    EXPECT_EQ(sample.archive.LatestFrom({6}).value, 6u);
}

TEST(WalArchive, IsWhatLiesInTheStore) {
    WalSample store(true);
    WalArchive empty = ReadWalArchive(*store.repository, *store.keys, NeverCancelled());
    EXPECT_TRUE(empty.timelines.empty());
    store.Write(ShortSegment(1), "000000010000000A000000C3");
    store.Write(ShortSegment(2), "000000010000000A000000C4");
    store.Write(ShortSegment(2), "000000010000000A000000C5.partial");
    store.Write(ToBytes("label"), "000000010000000A000000C3.00000028.backup");
    store.Write(ToBytes("1\tA/C5000000\tpromoted\n"), "00000002.history");
    WalArchive archive = ReadWalArchive(*store.repository, *store.keys, NeverCancelled());
    ASSERT_EQ(archive.timelines.size(), 2u);
    EXPECT_EQ(archive.timelines[{1}].segments.size(), 2u);
    EXPECT_EQ(archive.timelines[{1}].others.size(), 2u);
    EXPECT_GT(archive.timelines[{1}].segments[0].bytes, 0u);
    EXPECT_EQ(archive.HistoryOf({2}).Begin(), ParseLsn("A/C5000000"));
    EXPECT_EQ(archive.HistoryOf({1}).Begin(), std::nullopt);
}

TEST(WalArchive, IsRefusedWholeForANameOrAHistoryThatCannotBeRead) {
    WalSample store(false);
    store.Write(ToBytes("1\tnonsense\n"), "00000002.history");
    EXPECT_EQ(Thrown([&] { ReadWalArchive(*store.repository, *store.keys, NeverCancelled()); }), Code::kCorrupt);
    WalSample other(false);
    MemorySource stray(AsBytes("x"));
    other.storage->Put(other.repository->FullName("wal/00000001/notes.txt"), stray, PutMode::kCreate);
    EXPECT_EQ(Thrown([&] { ReadWalArchive(*other.repository, *other.keys, NeverCancelled()); }), Code::kCorrupt);
}

}    // namespace
}    // namespace ark::test
