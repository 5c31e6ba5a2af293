#include "wal/expiry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/wal/archive_sample.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

struct ExpiryTest : ::testing::Test {
    // "1: 3-5 goes, 6-9 stays" a timeline; other files are written as "~6" (partial) and "b6" (label).
    std::string Verdicts() {
        std::string text;
        std::uint32_t timeline = 0;
        for (const WalRange &range : JudgeWal(sample.archive, needs)) {
            if (range.timeline.value != timeline) {
                timeline = range.timeline.value;
                text += fmt::format("{}{}: ", text.empty() ? "" : "\n", timeline);
            } else {
                text += ", ";
            }
            std::uint64_t first = range.files.front()->name.segment.Number(sample.size);
            std::uint64_t last = range.files.back()->name.segment.Number(sample.size);
            text += first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
            text += range.keep ? " stays" : " goes";
        }
        return text;
    }
    // "1/2: 0/3000000-0/3000100 goes" an epoch and timeline.
    std::string TailVerdicts() {
        std::string text;
        for (const TailRange &range : JudgeTail(sample.archive, needs))
            text += fmt::format("{}{}/{}: {}-{} {}", text.empty() ? "" : "\n", range.epoch, range.timeline.value,
                                range.files.front()->name.start.Text(), range.files.back()->name.end.Text(),
                                range.keep ? "stays" : "goes");
        return text;
    }
    void Piece(std::uint64_t epoch, std::uint32_t timeline, const std::string &start, const std::string &end,
               std::uint64_t minute) {
        layout::TailName name{.epoch = epoch, .timeline = {timeline}, .start = ParseLsn(start), .end = ParseLsn(end)};
        if (start == end) name.mark = 1;
        sample.archive.tail.push_back({name, 100, ArchiveSample::Minute(minute)});
    }
    std::string ReasonOf(std::uint32_t timeline, std::uint64_t number) {
        for (const WalRange &range : JudgeWal(sample.archive, needs))
            for (const ArchivedFile *file : range.files)
                if (file->name.segment == sample.Name(timeline, number)) return range.reason;
        return "is not there";
    }
    void Keep(const std::string &id, std::uint32_t timeline, const std::string &start, const std::string &stop) {
        needs.kept.insert(needs.kept.begin(), sample.Backup(id, timeline, start, stop));
    }

    ArchiveSample sample;
    WalNeeds needs{.kept = {}, .begun = {}, .owner = {1}, .now = ArchiveSample::Minute(1000)};
};

TEST_F(ExpiryTest, WithoutABaseBackupNothingGoes) {
    sample.Segments(1, 1, 9);
    EXPECT_EQ(Verdicts(), "1: 1-9 stays");
    EXPECT_EQ(ReasonOf(1, 3), "without a base backup nothing is deleted");
    EXPECT_TRUE(FloorsOf(JudgeWal(sample.archive, needs), JudgeTail(sample.archive, needs), needs).empty());
}

TEST_F(ExpiryTest, WhatIsBeforeTheOldestKeptBackupGoes) {
    sample.Segments(1, 1, 12);
    Keep("b", 1, "0/5800028", "0/6000100");
    Keep("c", 1, "0/9000028", "0/9000100");
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5-6 stays, 7-8 stays, 9 stays, 10-12 stays")
        << "the segment that holds its start stays";
    EXPECT_EQ(ReasonOf(1, 4), "backup b is later, and no kept one needs it");
    EXPECT_EQ(ReasonOf(1, 5), "backup b needs it to be restored");
    EXPECT_EQ(ReasonOf(1, 8), "it is in the recovery window since backup b");
    WalFloors floors = FloorsOf(JudgeWal(sample.archive, needs), JudgeTail(sample.archive, needs), needs);
    EXPECT_EQ(floors, (WalFloors{{{1}, ParseLsn("0/5000000")}}));
}

TEST_F(ExpiryTest, OlderThanTheRecoveryWindowOnlyWhatABackupNeedsItselfStays) {
    sample.Segments(1, 1, 40);
    Keep("a", 1, "0/3000028", "0/4000100");
    Keep("b", 1, "0/9000028", "0/A000100");
    Keep("c", 1, "0/14000028", "0/14000100");
    Keep("d", 1, "0/1E000028", "0/1E000100");
    needs.now = ArchiveSample::Minute(40);
    needs.recovery_window = 15min;    // since minute 25: it begins with c, of minute 20
    EXPECT_EQ(Verdicts(),
              "1: 1-2 goes, 3-4 stays, 5-8 goes, 9-10 stays, 11-19 goes, 20 stays, 21-29 stays, 30 stays, 31-40 stays");
    EXPECT_EQ(ReasonOf(1, 2), "backup a is later, and no kept one needs it");
    EXPECT_EQ(ReasonOf(1, 15), "older than the recovery window of 15 min 00 s, and backup c is later");
    needs.recovery_window = 10h;
    EXPECT_EQ(Verdicts().substr(0, 12), "1: 1-2 goes,") << "no backup is so old: everything since the oldest";
    EXPECT_EQ(ReasonOf(1, 15), "it is in the recovery window since backup a");
    needs.recovery_window = std::chrono::days(2);
    EXPECT_EQ(ReasonOf(1, 15), "it is in the recovery window since backup a");
}

TEST_F(ExpiryTest, ADamagedBackupIsNoReasonToDelete) {
    sample.Segments(1, 1, 40);
    Keep("a", 1, "0/3000028", "0/4000100");
    Keep("b", 1, "0/9000028", "0/A000100");
    Keep("c", 1, "0/14000028", "0/14000100");
    Keep("d", 1, "0/1E000028", "0/1E000100");
    auto damage = [&](const BackupId &id) { std::ranges::find(needs.kept, id, &BaseBackup::id)->damaged = true; };
    needs.now = ArchiveSample::Minute(40);
    needs.recovery_window = 15min;
    damage("c");
    EXPECT_EQ(Verdicts(),
              "1: 1-2 goes, 3-4 stays, 5-8 goes, 9-10 stays, 11-19 stays, 20 stays, 21-29 stays, 30 stays, 31-40 stays")
        << "the window begins with b";
    for (const char *id : {"a", "b", "d"}) damage(id);
    for (bool window : {true, false}) {
        if (!window) needs.recovery_window.reset();
        EXPECT_EQ(Verdicts(),
                  "1: 1-2 stays, 3-4 stays, 5-8 stays, 9-10 stays, 11-19 stays, 20 stays, 21-29 stays, 30 stays, "
                  "31-40 stays")
            << "some of it may come back";
    }
    EXPECT_EQ(ReasonOf(1, 2), "no kept base backup proves that it is not needed");
}

TEST_F(ExpiryTest, AWindowReachesBackToItsBackupEvenWhenTheServerIsIdle) {
    sample.Segments(1, 1, 12);
    Keep("b", 1, "0/5000028", "0/5000100");
    needs.recovery_window = 1h;
    needs.now = ArchiveSample::Minute(5000);
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5 stays, 6-12 stays");
}

TEST_F(ExpiryTest, WhatAKeptBackupNeedsOfOlderTimelinesStays) {
    sample.Segments(1, 1, 7);
    sample.Partial(1, 8);
    sample.History(2, "1 0/8800000\n");
    sample.Segments(2, 8, 14);
    needs.owner = {2};
    Keep("b", 1, "0/5000028", "0/5000100");
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5 stays, 6-8 stays\n2: 8-14 stays");
    needs.kept.clear();
    Keep("d", 2, "0/B000028", "0/B000100");
    EXPECT_EQ(Verdicts(), "1: 1-8 goes\n2: 8-10 goes, 11 stays, 12-14 stays");
    needs.kept.clear();
    Keep("e", 2, "0/8800028", "0/8900100");
    EXPECT_EQ(Verdicts(), "1: 1-7 goes, 8 stays\n2: 8 stays, 9-14 stays") << "the segment of the switch, both halves";
}

// The old primary's last segment never comes whole.
TEST_F(ExpiryTest, TheTailOfATimelineThatWasLeftGoesWhenNoKeptBackupReachesIt) {
    sample.Segments(1, 1, 7);
    sample.History(2, "1 0/8800000\n");
    sample.Segments(2, 8, 14);
    Piece(1, 1, "0/8000000", "0/8400000", 8);
    Piece(1, 1, "0/8400000", "0/8900000", 8);
    Piece(1, 1, "0/8900000", "0/8900000", 9);
    Piece(2, 2, "0/F000000", "0/F000100", 15);
    needs.owner = {2};
    EXPECT_EQ(TailVerdicts(), "1/1: 0/8000000-0/8900000 stays\n2/2: 0/F000000-0/F000100 stays") << "without a backup";
    Keep("b", 1, "0/5000028", "0/5000100");
    EXPECT_EQ(TailVerdicts(), "1/1: 0/8000000-0/8900000 stays\n2/2: 0/F000000-0/F000100 stays")
        << "it reaches the old timeline, whose pieces are the beginning of the new one's first segment too";
    Keep("d", 2, "0/B000028", "0/B000100");
    EXPECT_EQ(TailVerdicts().substr(0, 30), "1/1: 0/8000000-0/8900000 stays");
    needs.kept.pop_back();
    EXPECT_EQ(TailVerdicts(),
              "1/1: 0/8000000-0/8900000 goes\n1/1: 0/8900000-0/8900000 goes\n2/2: 0/F000000-0/F000100 stays");
    EXPECT_EQ(JudgeTail(sample.archive, needs)[0].reason, "backup d is later, and no kept one needs it");
    EXPECT_EQ(JudgeTail(sample.archive, needs)[1].reason, "timeline 1 was left, and no kept backup needs it");
    EXPECT_EQ(JudgeTail(sample.archive, needs)[0].Names(), "tail of epoch 1, 0/8000000 to 0/8900000");
    EXPECT_EQ(FloorsOf({}, JudgeTail(sample.archive, needs), needs), (WalFloors{{{1}, ParseLsn("0/8900000")}}));
    needs.begun.push_back({"x", ArchiveSample::Minute(8)});
    EXPECT_EQ(TailVerdicts().substr(0, 30), "1/1: 0/8000000-0/8900000 stays");
}

TEST_F(ExpiryTest, TheTailOfAnEarlierOwnerGoesBehindALaterBackup) {
    sample.Segments(1, 1, 12);
    Piece(1, 1, "0/4000000", "0/4000100", 4);
    Piece(1, 1, "0/A000000", "0/A000100", 4);
    Piece(2, 1, "0/D000000", "0/D000100", 13);
    Keep("b", 1, "0/7000028", "0/7000100");
    EXPECT_EQ(TailVerdicts(),
              "1/1: 0/4000000-0/4000100 goes\n1/1: 0/A000000-0/A000100 stays\n2/1: 0/D000000-0/D000100 stays");
}

TEST_F(ExpiryTest, WhatHidesAnEarlierOwnersTailStaysAsLongAsThat) {
    sample.Segments(1, 1, 12);
    Piece(1, 1, "0/6000000", "0/6000100", 4);
    Piece(1, 1, "0/D000000", "0/D000100", 4);
    Piece(2, 1, "0/4000000", "0/5000000", 5);
    Piece(2, 1, "0/5000000", "0/5000100", 5);
    Keep("b", 1, "0/7000028", "0/7000100");
    EXPECT_EQ(TailVerdicts(),
              "1/1: 0/6000000-0/6000100 goes\n1/1: 0/D000000-0/D000100 stays\n"
              "2/1: 0/4000000-0/5000000 goes\n2/1: 0/5000000-0/5000100 stays");
    EXPECT_EQ(JudgeTail(sample.archive, needs).back().reason,
              "it hides what an earlier owner of the path wrote behind it");
    Piece(2, 1, "0/C000000", "0/C000100", 12);
    EXPECT_EQ(JudgeTail(sample.archive, needs)[2].files.size(), 2u) << "something newer does";
    EXPECT_FALSE(JudgeTail(sample.archive, needs)[2].keep);
}

TEST_F(ExpiryTest, ATimelineThatIsShippedIsAlive) {
    sample.Segments(1, 1, 12);
    sample.History(2, "1 0/C800000\n");    // a standby that went its own way
    sample.History(3, "1 0/8800000\n");
    sample.Segments(3, 8, 20);
    needs.owner = {3};
    needs.now = ArchiveSample::Minute(300);
    needs.recovery_window = 1h;
    Keep("b", 1, "0/5000028", "0/5000100");
    Keep("d", 3, "0/B000028", "0/B000100");
    const std::string dead = "1: 1-4 goes, 5 stays, 6-8 goes, 9-11 goes, 12 stays\n";
    EXPECT_EQ(Verdicts().substr(0, dead.size()), dead);
    Piece(1, 2, "0/C000000", "0/C900000", 299);
    EXPECT_EQ(Verdicts().substr(0, 33), "1: 1-4 goes, 5 stays, 6-12 stays\n");
    sample.archive.tail[0].stored_at = ArchiveSample::Minute(200);
    EXPECT_EQ(Verdicts().substr(0, dead.size()), dead) << "no longer";
}

TEST_F(ExpiryTest, ABackupCanBeRestoredOnEachTimelineThatItReaches) {
    sample.Segments(1, 1, 12);
    sample.History(2, "1 0/5800000\n");    // in the segment of the backup's end
    sample.Segments(2, 5, 9);
    sample.History(3, "1 0/8800000\n");
    sample.Segments(3, 8, 20);
    needs.owner = {3};
    needs.now = ArchiveSample::Minute(300);
    needs.recovery_window = 1h;
    Keep("b", 1, "0/5000028", "0/5000100");
    Keep("d", 3, "0/B000028", "0/B000100");
    EXPECT_NE(Verdicts().find("\n2: 5 stays, 6-9 goes\n"), std::string::npos) << Verdicts();
}

TEST_F(ExpiryTest, PartialSegmentsAndLabelsGoWithTheirSegment) {
    sample.Segments(1, 1, 7);
    sample.Label(1, 2);
    sample.Label(1, 5);
    Keep("b", 1, "0/5000028", "0/5000100");
    std::vector<WalRange> ranges = JudgeWal(sample.archive, needs);
    ASSERT_EQ(ranges.size(), 3u);
    EXPECT_EQ(ranges[0].files.size(), 5u) << "1, 2, the label of 2, 3, 4";
    EXPECT_EQ(ranges[1].files.size(), 2u);
}

// The old primary went on behind the switch: nobody can use that, once no backup of the timeline is kept.
TEST_F(ExpiryTest, ABranchThatWasLeftGoesWithTheBackupsThatReachIt) {
    sample.Segments(1, 1, 12);
    sample.History(2, "1 0/8800000\n");
    sample.Segments(2, 8, 14);
    needs.owner = {2};
    Keep("b", 1, "0/5000028", "0/5000100");
    Keep("d", 2, "0/D000028", "0/D000100");
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5 stays, 6-12 stays\n2: 8-12 stays, 13 stays, 14 stays");
    needs.kept.pop_back();
    EXPECT_EQ(Verdicts(), "1: 1-8 goes, 9-12 goes\n2: 8-12 goes, 13 stays, 14 stays");
    EXPECT_EQ(ReasonOf(1, 11), "timeline 1 was left, and no kept backup needs it");
    needs.owner = {1};
    EXPECT_EQ(Verdicts(), "1: 1-8 goes, 9-12 stays\n2: 8-12 goes, 13 stays, 14 stays")
        << "it tells that its owner went on";
}

TEST_F(ExpiryTest, WhatCameAfterTheLaterBackupIsNoneOfABranchThatWasLeft) {
    sample.Segments(1, 1, 30);
    sample.History(2, "1 0/8800000\n");
    sample.Segments(2, 8, 14);
    needs.owner = {2};
    Keep("d", 2, "0/D000028", "0/D000100");
    EXPECT_EQ(Verdicts(), "1: 1-8 goes, 9-13 goes, 14-30 stays\n2: 8-12 goes, 13 stays, 14 stays");
    EXPECT_EQ(ReasonOf(1, 20), "no kept base backup proves that it is not needed");
}

// A recovery to segment 5 made timeline 2, which has no base backup of its own: it lives from b, although c is old enough for the window.
TEST_F(ExpiryTest, AWindowIsThatOfEachLine) {
    sample.Segments(1, 1, 12);
    sample.History(2, "1 0/5800000\n");
    sample.Segments(2, 5, 40);
    needs.owner = {2};
    Keep("b", 1, "0/3000028", "0/3000100");
    Keep("c", 1, "0/9000028", "0/9000100");
    needs.now = ArchiveSample::Minute(40);
    needs.recovery_window = 10min;
    EXPECT_EQ(Verdicts(), "1: 1-2 goes, 3 stays, 4-5 stays, 6-8 goes, 9 stays, 10-12 stays\n2: 5-40 stays");
    EXPECT_EQ(ReasonOf(1, 11), "no kept base backup proves that it is not needed");
    EXPECT_EQ(ReasonOf(1, 4), "it is in the recovery window since backup b");
}

TEST_F(ExpiryTest, WithoutItsHistoryATimelineProvesNothingOfOthers) {
    sample.Segments(1, 1, 7);
    sample.Segments(2, 8, 14);
    needs.owner = {1};
    Keep("d", 2, "0/B000028", "0/B000100");
    EXPECT_EQ(Verdicts(), "1: 1-7 stays\n2: 8-10 goes, 11 stays, 12-14 stays");
}

TEST_F(ExpiryTest, WhatCameSinceABackupBeganStays) {
    sample.Segments(1, 1, 12);
    Keep("c", 1, "0/A000028", "0/A000100");
    needs.begun = {{"slow", ArchiveSample::Minute(6)}};
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5-12 stays");
    EXPECT_EQ(ReasonOf(1, 7), "backup slow is being taken");
}

TEST_F(ExpiryTest, AnotherSegmentSizeIsNoReasonToDelete) {
    sample.Segments(1, 1, 20);
    ArchiveSample small(1);
    needs.kept = {sample.Backup("b", 1, "0/5000028", "0/5000100")};
    EXPECT_EQ(Verdicts(), "1: 1-4 goes, 5 stays, 6-20 stays");
    needs.kept.push_back(small.Backup("a", 1, "0/300028", "0/300100"));
    EXPECT_EQ(Verdicts().find("goes"), std::string::npos) << "with segments of 1 MiB, 4 lies behind the start of a";
    ArchiveSample large(1024);
    needs.kept = {large.Backup("z", 1, "1/28", "1/100")};
    EXPECT_EQ(Verdicts(), "1: 1-3 goes, 4-20 stays");
    EXPECT_EQ(ReasonOf(1, 9), "no base backup has segments of such a size");
}

// Whatever happened: each kept backup can be restored, each live line from its beginning on is whole, and nothing goes that is younger.
class ExpiryModel : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ExpiryModel, WindowsHoldAfterAnyExpiry) {
    SeededRandom random(GetParam());
    ArchiveSample sample;
    const std::uint64_t segment = sample.size.bytes();
    struct Live {
        std::uint32_t timeline = 1;
        std::uint64_t at = std::uint64_t{1} << 24;
    } server;
    std::uint64_t minute = 1;
    std::uint32_t newest = 1;
    std::vector<BaseBackup> kept;    // newest first
    std::optional<std::pair<BaseBackup, TimePoint>> running;
    std::vector<WalFileName> archived;
    WalFloors floors;
    Duration window = std::chrono::minutes(5 + random.Below(60));
    bool has_window = random.Below(3) != 0;
    auto now = [&] { return ArchiveSample::Minute(minute); };
    auto write = [&](std::uint64_t bytes) {
        std::uint64_t to = server.at + bytes;
        for (std::uint64_t n = server.at / segment; n < to / segment; n++) {
            minute++;
            sample.archive.timelines[{server.timeline}].segments.push_back(
                {WalFileName::OfSegment(sample.Name(server.timeline, n)), 100, now()});
        }
        server.at = to;
    };
    auto promote = [&](std::uint64_t at) {
        TimelineHistory old = sample.archive.HistoryOf({server.timeline});
        std::vector<TimelineSwitch> switches = old.switches();
        switches.push_back({{server.timeline}, {at}, "promoted"});
        server = {++newest, at};
        sample.archive.timelines[{newest}].history = TimelineHistory({newest}, switches);
    };
    auto expire = [&] {
        if (random.Below(2) &&
            kept.size() > 1) {    // retention ends one, never the newest, nor what the window begins with
            std::size_t one = 1 + random.Below(kept.size() - 1);
            kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(one));
        }
        WalNeeds needs{.kept = kept, .begun = {}, .owner = {server.timeline}, .now = now()};
        if (has_window) needs.recovery_window = window;
        if (running) needs.begun.push_back({running->first.id, running->second});
        std::vector<WalRange> ranges = JudgeWal(sample.archive, needs);
        for (const auto &[timeline, floor] : FloorsOf(ranges, {}, needs))
            floors[timeline] = std::max(floors[timeline], floor);
        std::set<std::string> going;
        for (const WalRange &range : ranges)
            if (!range.keep)
                for (const ArchivedFile *file : range.files) going.insert(file->name.Text());
        std::vector<RecoveryWindow> before = RecoveryWindows(sample.archive, kept);
        std::map<TimelineId, TimePoint> last;
        for (auto &[id, timeline] : sample.archive.timelines) {
            for (const ArchivedFile &file : timeline.segments) last[id] = std::max(last[id], file.stored_at);
            std::erase_if(timeline.segments,
                          [&](const ArchivedFile &file) { return going.contains(file.name.Text()); });
        }
        std::vector<RecoveryWindow> after = RecoveryWindows(sample.archive, kept, floors);
        ASSERT_EQ(before.size(), after.size());
        for (std::size_t i = 0; i < after.size(); i++) {
            const BaseBackup &backup = *std::ranges::find(kept, after[i].backup, &BaseBackup::id);
            ASSERT_EQ(before[i].Opens(), after[i].Opens()) << DescribeWindow(after[i]);
            // The promise: where anything of the line is within the window, the newest backup as old as it goes on to the end.
            bool live =
                !has_window || after[i].timeline.value == server.timeline || last[after[i].timeline] > now() - window;
            bool superseded =
                has_window && std::ranges::any_of(kept, [&](const BaseBackup &other) {
                    return other.start > backup.start && other.stored_at <= now() - window &&
                           sample.archive.HistoryOf(after[i].timeline).DescendsFrom(other.stop_timeline, other.stop);
                });
            if (live && !superseded) {
                ASSERT_EQ(before[i].until, after[i].until) << DescribeWindow(before[i]) << "\n"
                                                           << DescribeWindow(after[i]);
            }
        }
        for (const std::string &name : going) {
            SegmentName segment_name = ParseWalFileName(name).segment;
            ASSERT_FALSE(kept.empty());
            if (running) {
                ASSERT_FALSE(segment_name.timeline == running->first.timeline &&
                             segment_name.End(sample.size) > running->first.start)
                    << name << " is needed by the backup that is being taken";
            }
            ASSERT_LE(segment_name.End(sample.size), floors[segment_name.timeline]);
        }
    };
    unsigned names = 0;
    for (int step = 0; step < 400; step++) {
        switch (random.Below(10)) {
        case 0:
        case 1:
        case 2:
        case 3: write(random.Below(4 * segment)); break;
        case 4:    // begins
            if (running) break;
            minute++;
            running = {BaseBackup{}, now()};
            running->first.id = "b" + std::to_string(names++);
            running->first.timeline = running->first.stop_timeline = {server.timeline};
            running->first.start = {server.at};
            break;
        case 5:    // commits: its WAL is waited for, and no floor may be above its start
            if (!running || running->first.timeline.value != server.timeline ||
                server.at < running->first.start.value) {
                running.reset();
                break;
            }
            write(100);
            running->first.stop = {server.at};
            running->first.stopped = now();
            write(segment);
            running->first.stored_at = now();
            ASSERT_LE(floors[running->first.timeline], (Lsn{running->first.start.value / segment * segment}));
            kept.insert(kept.begin(), running->first);
            running.reset();
            break;
        case 6:
            if (random.Below(3) == 0) promote(server.at);
            break;
        case 7:    // a recovery to an earlier point of a window, which then takes over
            if (random.Below(6) == 0 && !kept.empty()) {
                const BaseBackup &from = kept[random.Below(kept.size())];
                std::vector<RecoveryWindow> windows = RecoveryWindows(sample.archive, {from}, floors);
                const RecoveryWindow &chosen = windows[random.Below(windows.size())];
                if (!chosen.Opens()) break;
                std::uint64_t at = chosen.from.value + random.Below(chosen.until.value - chosen.from.value + 1);
                TimelineHistory history = sample.archive.HistoryOf(chosen.timeline);
                server.timeline = history.At({at - 1}).value;
                if (running) running.reset();
                promote(at);
            }
            break;
        default: expire();
        }
        if (HasFatalFailure()) return;
        ArchiveSample::Sort(sample.archive.timelines[{server.timeline}].segments);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExpiryModel, ::testing::Range<std::uint64_t>(1, 81));

std::string Fates(const std::vector<WalRange> &ranges) {
    std::string text;
    for (const WalRange &range : ranges)
        text += (text.empty() ? "" : ", ") + range.Names() + (range.keep ? " stays" : " goes");
    return text;
}

TEST_F(ExpiryTest, WhatAnotherStoreHasNotCopiedWaitsForItForATime) {
    sample.Segments(1, 1, 12);
    Keep("c", 1, "0/9000028", "0/9000100");
    auto text = [&](std::uint64_t n) { return sample.Name(1, n).Text(); };
    auto judged = [&](const std::vector<WalReader> &readers, std::uint64_t minute) {
        std::vector<WalRange> ranges =
            KeepForReaders(JudgeWal(sample.archive, needs), readers, sample.size, ArchiveSample::Minute(minute));
        std::erase_if(ranges,
                      [&](const WalRange &range) { return range.files.front()->name.segment >= sample.Name(1, 9); });
        return Fates(ranges);
    };
    WalReader reader{.store = "far", .limit = 10min, .has = std::set<std::string>{text(1), text(2), text(3)}};
    EXPECT_EQ(judged({}, 12), text(1) + " to " + text(8) + " goes");
    EXPECT_EQ(judged({reader}, 12), text(1) + " to " + text(3) + " goes, " + text(4) + " to " + text(8) + " stays");
    EXPECT_EQ(judged({reader}, 16), text(1) + " to " + text(6) + " goes, " + text(7) + " to " + text(8) + " stays")
        << "no longer than its limit";
    EXPECT_EQ(judged({reader}, 100), text(1) + " to " + text(8) + " goes");
    reader.expired[{1}] = sample.Name(1, 6).Start(sample.size);
    EXPECT_EQ(judged({reader}, 12), text(1) + " to " + text(5) + " goes, " + text(6) + " to " + text(8) + " stays")
        << "what it has expired itself it does not want";
    WalReader unknown{.store = "away", .limit = 9min};
    EXPECT_EQ(judged({reader, unknown}, 12), text(1) + " to " + text(3) + " goes, " + text(4) + " to " + text(5) +
                                                 " stays, " + text(6) + " to " + text(8) + " stays")
        << "of a store that does not answer nothing is known";
    std::vector<WalRange> ranges =
        KeepForReaders(JudgeWal(sample.archive, needs), {reader}, sample.size, ArchiveSample::Minute(12));
    EXPECT_EQ(ranges[1].reason, "store \"far\" has not copied it yet (async_limit)");
    EXPECT_EQ(FloorsOf(ranges, {}, needs), (WalFloors{{{1}, sample.Name(1, 6).Start(sample.size)}}));
}

}    // namespace
}    // namespace ark::test
