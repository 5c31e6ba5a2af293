// A year of daily backups, expiry and sweeps at a thousandth of their size: what the store keeps stays bounded.
#include <gtest/gtest.h>

#include "logical/entries.h"
#include "logical/frame_store.h"
#include "repo/sweep.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::size_t kFrames = 160, kFramesAChunk = 16, kFrameSize = 4 << 10, kKept = 7;
constexpr std::uint64_t kPackSize = 96 << 10;

// What one backup needs of the store, and what the store holds.
struct Day {
    double named = 0;     // bytes of the packs it names, by byte it uses of them
    double held = 0;      // bytes of all packs in the store, by byte it uses
    double packs = 0;     // packs it names, by pack that its data would fill
    double stored = 0;    // bytes it added, by byte that had changed
};

class Year {
public:
    explicit Year(double rewrite_share) : rewrite_share_(rewrite_share) {
        for (std::size_t i = 0; i < kFrames; i++) Change(i);
    }

    Day Next() {
        store_.clock.Advance(std::chrono::hours(24));
        changed_ = 0;
        for (int i = 0; i < 3; i++) Change(store_.random.Below(kFrames));    // rows here and there
        std::size_t hot = store_.random.Below(kFrames - 4);
        for (std::size_t i = hot; i < hot + 4; i++) Change(i);    // and a stretch of them
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
            ASSERT_EQ(next, kFrames);
        }
    }

private:
    void Change(std::size_t i) {
        if (frames_.size() <= i) frames_.resize(i + 1);
        frames_[i].resize(kFrameSize);
        store_.random.Fill(frames_[i]);
        changed_ += kFrameSize;
    }

    Day Backup() {
        BackupPlan plan{.kind = "logical", .domain = "cluster", .bases = {}, .reason = "", .full_every = kForEver};
        if (!kept_.empty()) plan.bases = {kept_.back().first};
        auto session = BackupSession::Begin(store_.repository, store_.keys, plan, store_.clock, store_.random);
        SparsePacks sparse = plan.bases.empty()
                                 ? SparsePacks()
                                 : SparsePacks(*store_.repository, session->frames(),
                                               session->BaseManifest(plan.bases[0]), rewrite_share_, NeverCancelled());
        BaseBackup base(*session, SilentLog());
        StoreCounters counters;
        PackSettings settings;
        settings.compression.kind = CompressionKind::kNone;
        settings.target_size = kPackSize;
        FrameStore frames(*session, settings, sparse, counters);
        TreeWriter tree(frames.packs(), session->key(), base.NodeReuse(sparse));
        std::map<std::string, std::uint64_t> used;
        for (std::size_t chunk = 0; chunk < kFrames / kFramesAChunk; chunk++) {
            std::string path = ChunkPath(TablePrefix("public", "t"), chunk);
            Candidates candidates(base.FramesAt(path));
            std::vector<FrameRef> refs;
            for (std::size_t i = 0; i < kFramesAChunk; i++) {
                refs.push_back(frames.Put(frames_[chunk * kFramesAChunk + i], 1, candidates));
                used[refs.back().pack] += refs.back().stored;
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
                static_cast<double>(clear.packs) * static_cast<double>(kPackSize) / in_use,
                static_cast<double>(clear.new_bytes) / static_cast<double>(changed_)};
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
    double rewrite_share_;
    Sample store_{false};
    std::vector<Bytes> frames_;
    std::size_t changed_ = 0;
    std::vector<std::pair<BackupId, std::vector<Bytes>>> kept_;
};

struct Worst {
    Day day;
    double stored = 0;    // on average
};
Worst LiveThrough(double rewrite_share, int days) {
    Year year(rewrite_share);
    Worst worst;
    for (int i = 0; i < days; i++) {
        Day day = year.Next();
        if (i > 0) worst.stored += day.stored / days;
        worst.day.named = std::max(worst.day.named, day.named);
        worst.day.held = std::max(worst.day.held, day.held);
        worst.day.packs = std::max(worst.day.packs, day.packs);
        if (i % 90 == 89) year.CheckAll();
    }
    year.CheckAll();
    return worst;
}

TEST(Year, WhatIsKeptAndReadStaysBounded) {
    Worst worst = LiveThrough(0.10, 365);
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
    Worst worst = LiveThrough(0, 120);
    EXPECT_GT(worst.day.named, 2.5);
    EXPECT_GT(worst.day.packs, 5.0);
}

}    // namespace
}    // namespace ark::test
