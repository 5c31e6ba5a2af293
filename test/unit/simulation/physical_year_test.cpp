// A year of daily base backups of a few files, with a policy of what to keep, and sweeps: what reading one back costs stays bounded,
// and so does what is stored again for that.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "physical/earlier_files.h"
#include "physical/file_task.h"
#include "physical/piece_restore.h"
#include "repo/catalog.h"
#include "repo/read_plan.h"
#include "repo/sweep.h"
#include "retention/apply.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"
#include "unit/simulation/effort.h"

namespace ark::test {
namespace {

constexpr std::size_t kFiles = 8, kFileSize = 1 << 20, kUnit = 8 << 10;
constexpr std::uint64_t kWindow = 400 << 10;    // of a reader: as much of these files as 8 MiB are of 160 MiB

struct Day {
    double reads = 0;        // ranged reads that bring a window, on average
    double named = 0;        // bytes of the packs that the backup names, by byte of the files
    double rewritten = 0;    // bytes stored again for tidiness, by byte of the base's packs
};

class PhysicalYear {
public:
    explicit PhysicalYear(double rewrite_share) : share_(rewrite_share) {
        for (std::size_t i = 0; i < kFiles; i++) {
            contents_.emplace_back(kFileSize);
            store_.random.Fill(contents_[i]);
            Write(i);
        }
    }

    Day Next(std::size_t changed_units) {
        store_.clock.Advance(std::chrono::hours(24));
        for (std::size_t i = 0; i < changed_units / 2; i++) Change(store_.random.Below(kFiles * kFileSize / kUnit));
        std::size_t hot = store_.random.Below(kFiles * kFileSize / kUnit - changed_units);
        for (std::size_t i = 0; i < changed_units / 2; i++) Change(hot + i);
        for (std::size_t i = 0; i < kFiles; i++) Write(i);
        Day day = Backup();
        Expire();
        return day;
    }

    // Every byte of every backup that is kept.
    void CheckAll() {
        for (const auto &[id, contents] : kept_) {
            TreeCursor at(store_.Reader(),
                          TreeRootFromJson(ReadManifest(*store_.repository, id, nullptr)->body.at("tree")));
            for (std::size_t i = 0; i < kFiles; i++) {
                ASSERT_NE(at.Current(), nullptr);
                at.Next();
                PieceRestore restore(PieceFromEntry(*at.Current(), kFileSize, kUnit), kFileSize, kUnit);
                Bytes file(kFileSize);
                for (const FrameRef &frame : restore.WantedFrames())
                    restore.Take(store_.Reader()->Read(frame), [&](std::uint64_t to, ByteView bytes) {
                        std::ranges::copy(bytes, file.begin() + static_cast<std::ptrdiff_t>(to));
                    });
                ASSERT_TRUE(restore.HasAll());
                ASSERT_EQ(file, contents[i]) << id << " " << i;
                at.Next();
            }
            ASSERT_EQ(at.Current(), nullptr);
        }
    }
    std::size_t Kept() const { return kept_.size(); }

private:
    static std::string PathOf(std::size_t i) { return fmt::format("file/{}", i); }
    std::filesystem::path FileOf(std::size_t i) const { return directory_.path() / std::to_string(i); }
    void Write(std::size_t i) { WriteAll(OpenFile(FileOf(i), O_WRONLY | O_CREAT, 0600).get(), contents_[i], "a file"); }
    void Change(std::size_t unit) {
        std::size_t at = unit * kUnit;
        store_.random.Fill(MutableBytes(contents_[at / kFileSize]).subspan(at % kFileSize, kUnit));
    }

    Day Backup() {
        BackupPlan plan{.kind = "physical", .bases = {}, .reason = "", .full_every = kForEver};
        if (!kept_.empty()) plan.bases = {kept_.rbegin()->first};
        auto session = BackupSession::Begin(store_.repository, store_.keys, plan, store_.clock, store_.random);
        Compaction compaction = CompactionOf(*session, *store_.repository, share_, 1, NeverCancelled());
        EarlierFiles earlier(*session, {store_.clock.Now(), 1, std::chrono::hours(0)}, compaction, SilentLog());
        auto packs = session->NewPackWriter({.compression = {CompressionKind::kNone, 0}, .target_size = 1 << 20});
        TreeWriter tree(*packs, session->key(), earlier.NodeReuse());
        PhysicalCounters counters;
        std::vector<FramePlace> places;
        for (std::size_t i = 0; i < kFiles; i++) {
            struct stat info {};
            stat(FileOf(i).c_str(), &info);
            FileTask task{.entry = FileEntry(PathOf(i), FactsOf(info), earlier.Meet(PathOf(i), FactsOf(info)))};
            task.piece = PieceRequest{.file = FileOf(i),
                                      .relative = std::to_string(i),
                                      .path = PiecePath(PathOf(i), 0),
                                      .length = kFileSize,
                                      .unit = kUnit,
                                      .pages = {}};
            if (std::optional<EarlierPiece> same = earlier.PieceOf(0)) {
                task.piece->base = std::move(same->found.piece);
                task.piece->left = std::move(same->left);
            }
            task.Run(*session, *packs, counters, NeverCancelled());
            task.Emit(tree);
            for (const FrameRef &frame : task.frames)
                places.push_back({ShortPackName(frame.pack), frame.at, frame.stored});
        }
        TreeRoot root = tree.Finish();
        packs->Finish();
        std::string now = FormatTime(store_.clock.Now());
        ManifestClear clear = session->Commit({{"copy_started", now},
                                               {"read_whole", now},
                                               {"stop_timeline", 1},
                                               {"timeline", 1},
                                               {"tree", ToJson(root)}});
        double of_base = 0;
        if (!plan.bases.empty()) of_base = static_cast<double>(session->BaseManifest(plan.bases[0]).clear.stored_bytes);
        kept_.emplace(session->id(), contents_);
        return {ReadsOfAWindow(places), static_cast<double>(clear.stored_bytes) / (kFiles * kFileSize),
                of_base > 0 ? static_cast<double>(counters.rewritten_bytes) / of_base : 0};
    }

    static double ReadsOfAWindow(std::span<const FramePlace> places) {
        std::size_t reads = 0, windows = 0;
        for (std::size_t at = 0; at < places.size(); windows++) {
            std::size_t end = at;
            for (std::uint64_t stored = 0; end < places.size() && stored < kWindow; end++) stored += places[end].stored;
            reads += PlanReads(places.subspan(at, end - at)).size();
            at = end;
        }
        return static_cast<double>(reads) / static_cast<double>(windows);
    }

    void Expire() {
        std::vector<BackupInfo> backups;
        for (const BackupSummary &backup : ListBackups(*store_.repository, nullptr, store_.clock.Now())) {
            BackupInfo &info = backups.emplace_back();
            info.id = backup.manifest.clear.backup;
            info.sequence = backup.manifest.clear.sequence;
            info.kind = "physical";
            info.source = "local";
            info.finished = backup.manifest.clear.finished;
        }
        Policy gfs{.name = "gfs", .keep_daily = 7, .keep_weekly = 4, .keep_monthly = 12};
        for (const Verdict &verdict : Apply(gfs, backups, store_.clock.Now()))
            if (!verdict.keep) {
                EndBackup(*store_.repository, verdict.id, verdict.reason, "test", store_.clock);
                kept_.erase(verdict.id);
            }
        Sweep(*store_.repository, {.grace = std::chrono::milliseconds(1)}, store_.clock, NeverCancelled(), SilentLog());
    }

    static constexpr Duration kForEver = std::chrono::hours(24 * 3650);    // nothing is stored again for its age
    double share_;
    Sample store_{false};
    TemporaryDirectory directory_;
    std::vector<Bytes> contents_;
    std::map<BackupId, std::vector<Bytes>> kept_;
};

constexpr std::size_t kPercent = kFiles * kFileSize / kUnit / 100;

struct Worst {
    Day day;
    double reads_at_the_end = 0;    // of the last month, on average
};
Worst LiveThrough(double rewrite_share, int days) {
    PhysicalYear year(rewrite_share);
    Worst worst;
    for (int i = 0; i < days; i++) {
        Day day = year.Next(kPercent);
        worst.day.reads = std::max(worst.day.reads, day.reads);
        worst.day.named = std::max(worst.day.named, day.named);
        worst.day.rewritten = std::max(worst.day.rewritten, day.rewritten);
        if (i >= days - 30) worst.reads_at_the_end += day.reads / 30;
    }
    year.CheckAll();
    testing::Test::RecordProperty("reads", fmt::format("{:.2f}", worst.day.reads));
    testing::Test::RecordProperty("reads_at_the_end", fmt::format("{:.2f}", worst.reads_at_the_end));
    testing::Test::RecordProperty("named", fmt::format("{:.2f}", worst.day.named));
    testing::Test::RecordProperty("rewritten", fmt::format("{:.3f}", worst.day.rewritten));
    testing::Test::RecordProperty("kept", std::to_string(year.Kept()));
    return worst;
}

TEST(PhysicalYear, WhatReadingCostsAndWhatIsStoredAgainStayBounded) {
    Worst worst = LiveThrough(0.10, Days(365));
    EXPECT_LT(worst.day.reads, 8.0);
    EXPECT_LT(worst.day.named, 3.0);
    EXPECT_LE(worst.day.rewritten, 0.10);
}

TEST(PhysicalYear, WithoutRewritingTheyDoNot) {
    Worst worst = LiveThrough(0, Days(90));
    EXPECT_EQ(worst.day.rewritten, 0.0);
    if (Sanitized()) return;    // too few days for it
    EXPECT_GT(worst.day.reads, 9.0);
}

}    // namespace
}    // namespace ark::test
