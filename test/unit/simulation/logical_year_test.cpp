// A year of daily backups, expiry and sweeps at a small part of their size: what the store keeps stays bounded, and what
// reading it back costs.
#include <gtest/gtest.h>

#include "logical/entries.h"
#include "logical/frame_store.h"
#include "repo/sweep.h"
#include "unit/repo/sample.h"
#include "unit/simulation/effort.h"

namespace ark::test {
namespace {

constexpr std::size_t kFramesAChunk = 16, kKept = 7;

// A database, and what changes in it from day to day.
struct Shape {
    std::size_t frames, frame_size;
    std::uint64_t pack_size;
    int rows;               // frames changed here and there
    std::size_t stretch;    // and side by side
    CompactionLimits limits;
};
// A few large tables, at a thousandth.
constexpr Shape kLarge{160, 4 << 10, 96 << 10, 3, 4, {}};
// Very many small ones: 64 lie in a group where really thousands do.
constexpr Shape kSmall{1280, 1 << 10, 256 << 10, 20, 0, {.scattered = {.stored = 64 << 10, .reads = 8, .gap = 512}}};

// What one backup needs of the store, and what the store holds.
struct Day {
    double named = 0;     // bytes of the packs it names, by byte it uses of them
    double held = 0;      // bytes of all packs in the store, by byte it uses
    double packs = 0;     // packs it names, by pack that its data would fill
    double stored = 0;    // bytes it added, by byte that had changed
    double reads = 0;     // ranged reads that bring a group, on average
};

class Year {
public:
    explicit Year(const Shape &shape) : shape_(shape) {
        for (std::size_t i = 0; i < shape_.frames; i++) Change(i);
    }

    Day Next() {
        store_.clock.Advance(std::chrono::hours(24));
        changed_ = 0;
        for (int i = 0; i < shape_.rows; i++) Change(store_.random.Below(shape_.frames));
        std::size_t hot = store_.random.Below(shape_.frames - shape_.stretch);
        for (std::size_t i = hot; i < hot + shape_.stretch; i++) Change(i);
        Day day = Backup();
        Expire();
        return day;
    }

    // Every byte of every backup that is kept.
    void CheckAll() {
        for (const auto &[id, frames] : kept_) {
            auto reader = store_.Reader();
            TreeCursor at(reader, TreeRootFromJson(ReadManifest(*store_.repository, id, nullptr)->body.at("tree")));
            std::size_t next = 0;
            for (; at.Current() != nullptr; at.Next())
                for (const FrameRef &ref : FramesOf(*at.Current())) ASSERT_EQ(reader->Read(ref), frames.at(next++));
            ASSERT_EQ(next, shape_.frames);
        }
    }

private:
    void Change(std::size_t i) {
        if (frames_.size() <= i) frames_.resize(i + 1);
        frames_[i].resize(shape_.frame_size);
        store_.random.Fill(frames_[i]);
        changed_ += shape_.frame_size;
    }

    Day Backup() {
        BackupPlan plan{.kind = "logical", .domain = "cluster", .bases = {}, .reason = "", .full_every = kForEver};
        if (!kept_.empty()) plan.bases = {kept_.back().first};
        auto session = BackupSession::Begin(store_.repository, store_.keys, plan, store_.clock, store_.random);
        Compaction compaction = plan.bases.empty()
                                    ? Compaction()
                                    : Compaction(*store_.repository, session->frames(),
                                                 session->BaseManifest(plan.bases[0]), shape_.limits, NeverCancelled());
        BaseBackup base(*session, compaction, SilentLog());
        StoreCounters counters;
        PackSettings settings;
        settings.compression.kind = CompressionKind::kNone;
        settings.target_size = shape_.pack_size;
        FrameStore frames(*session, settings, compaction, counters);
        TreeWriter tree(frames.packs(), session->key(), base.NodeReuse());
        std::map<std::string, std::uint64_t> used;
        std::vector<FramePlace> places;
        for (std::size_t chunk = 0; chunk < shape_.frames / kFramesAChunk; chunk++) {
            std::string path = ChunkPath(TablePrefix("public", "t"), chunk);
            Candidates candidates(base.FramesAt(path));
            std::vector<FrameRef> refs;
            for (std::size_t i = 0; i < kFramesAChunk; i++) {
                refs.push_back(frames.Put(frames_[chunk * kFramesAChunk + i], 1, candidates));
                used[refs.back().pack] += refs.back().stored;
                places.push_back({ShortPackName(refs.back().pack), refs.back().at, refs.back().stored});
            }
            tree.Add({{"path", path}, {"frames", FramesJson(refs)}});
        }
        TreeRoot root = tree.Finish();
        frames.packs().Finish();
        ManifestClear clear = session->Commit({{"tree", ToJson(root)}});
        kept_.emplace_back(session->id(), frames_);

        double in_use = 0, held = 0;
        for (const auto &[pack, bytes] : used) in_use += static_cast<double>(bytes);
        store_.repository->List("packs/", [&](const ObjectInfo &info) {
            held += static_cast<double>(info.size);
            return true;
        });
        return {static_cast<double>(clear.stored_bytes) / in_use, held / in_use,
                static_cast<double>(clear.packs) * static_cast<double>(shape_.pack_size) / in_use,
                static_cast<double>(clear.new_bytes) / static_cast<double>(changed_), ReadsOfAGroup(places)};
    }

    double ReadsOfAGroup(std::span<const FramePlace> places) const {
        std::size_t reads = 0, groups = 0;
        for (std::size_t a_group = shape_.limits.scattered.stored / shape_.frame_size; !places.empty(); groups++) {
            auto group = places.first(std::min(a_group, places.size()));
            reads += PlanReads(group, shape_.limits.scattered.gap).size();
            places = places.subspan(group.size());
        }
        return static_cast<double>(reads) / static_cast<double>(groups);
    }

    void Expire() {
        while (kept_.size() > kKept) {
            EndBackup(*store_.repository, kept_.front().first, "retention", "test", store_.clock);
            kept_.erase(kept_.begin());
        }
        Sweep(*store_.repository, {.grace = std::chrono::milliseconds(100)}, store_.clock, NeverCancelled(),
              SilentLog());
    }

    static constexpr Duration kForEver = std::chrono::hours(24 * 3650);    // nothing is stored again for its age
    Shape shape_;
    Sample store_{false};
    std::vector<Bytes> frames_;
    std::size_t changed_ = 0;
    std::vector<std::pair<BackupId, std::vector<Bytes>>> kept_;
};

struct Worst {
    Day day;
    double stored = 0;    // on average
};
Worst LiveThrough(const Shape &shape, int days) {
    Year year(shape);
    Worst worst;
    for (int i = 0; i < days; i++) {
        Day day = year.Next();
        if (i > 0) worst.stored += day.stored / days;
        worst.day.named = std::max(worst.day.named, day.named);
        worst.day.held = std::max(worst.day.held, day.held);
        worst.day.packs = std::max(worst.day.packs, day.packs);
        worst.day.reads = std::max(worst.day.reads, day.reads);
        if (i % 90 == 89) year.CheckAll();
    }
    year.CheckAll();
    return worst;
}

TEST(Year, WhatIsKeptAndReadStaysBounded) {
    Worst worst = LiveThrough(kLarge, Days(365));
    RecordProperty("named", std::to_string(worst.day.named));
    RecordProperty("held", std::to_string(worst.day.held));
    RecordProperty("packs", std::to_string(worst.day.packs));
    RecordProperty("stored", std::to_string(worst.stored));
    EXPECT_LT(worst.day.named, 2.5);    // packs below half live are left behind
    EXPECT_LT(worst.day.packs, 5.0);    // and with them the small packs of single days
    EXPECT_LT(worst.day.held, 4.0);     // with what only the older backups need
    EXPECT_LT(worst.stored, 8.0);       // the price: what is stored again, and the tree
}

TEST(Year, WithoutRewritingItDoesNot) {
    Shape shape = kLarge;
    shape.limits.rewrite_share = 0;
    Worst worst = LiveThrough(shape, Days(120));
    if (Sanitized()) return;    // too few days for it
    EXPECT_GT(worst.day.named, 2.5);
    EXPECT_GT(worst.day.packs, 5.0);
}

void Record(const Worst &worst) {
    testing::Test::RecordProperty("reads", std::to_string(worst.day.reads));
    testing::Test::RecordProperty("named", std::to_string(worst.day.named));
    testing::Test::RecordProperty("stored", std::to_string(worst.stored));
}

TEST(Year, ReadsOfManySmallTablesStayBounded) {
    Worst worst = LiveThrough(kSmall, Days(365));
    Record(worst);
    EXPECT_LT(worst.day.reads, 8.0);
    EXPECT_LT(worst.day.named, 4.0);
    EXPECT_LT(worst.stored, 36.0);    // most of it the tree, which is not compressed here
}

TEST(Year, WithoutStoringScatteredGroupsAfreshTheyDoNot) {
    Shape shape = kSmall;
    shape.limits.scattered.reads = 1'000'000;
    Worst worst = LiveThrough(shape, Days(120));
    Record(worst);
    if (Sanitized()) return;    // too few days for it
    EXPECT_GT(worst.day.reads, 16.0);
}

}    // namespace
}    // namespace ark::test
