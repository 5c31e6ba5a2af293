// Base backups that go on from one that was interrupted.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "repo/sweep.h"
#include "unit/physical/cluster_bench.h"

namespace ark::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kHour = std::chrono::hours(1);

class ResumeBackup : public ClusterBench {
protected:
    ResumeBackup() {
        request.pack_size = 1 << 20;
        request.checkpoints = {.least = 1 << 20, .most = 1 << 20, .text = 4 << 20, .held = 32 << 20};
        // Of many files: an entry counts when all of its packs are in the store, and there is one for 16 MiB.
        std::vector<std::string> make = {"CREATE TABLE large (id int, fill text) PARTITION BY RANGE (id)"};
        for (int i = 0; i < 10; i++)
            make.push_back(
                fmt::format("CREATE TABLE large_{0} PARTITION OF large FOR VALUES FROM ({0}0000) TO ({0}9999)", i));
        make.insert(make.end(), {"INSERT INTO large SELECT i, md5(i::text) || md5((-i)::text) || md5((2 * i)::text) "
                                 "FROM generate_series(1, 99999) AS i WHERE i % 10000 <> 9999",
                                 "VACUUM FREEZE large", "CHECKPOINT"});
        Each(make);
    }
    ~ResumeBackup() override { Sql("DROP TABLE large"); }

    std::size_t Checkpoints() {
        std::size_t count = 0;
        repository->List("backups/", [&](const ObjectInfo &info) {
            count += info.name.find("/checkpoint.") != std::string::npos;
            return true;
        });
        return count;
    }
    // One that loses its store once it has written so many more checkpoints.
    void Interrupt(std::size_t checkpoints) {
        std::size_t upto = Checkpoints() + checkpoints;
        ticker.hook = [this, upto] { storage->down = storage->down || Checkpoints() >= upto; };
        EXPECT_EQ(ErrorOf([&] { Take(); }).code, Code::kUnavailable);
        ticker.hook = nullptr;
        storage->down = false;
        EXPECT_GE(Checkpoints(), upto);
    }
    std::uint64_t Opened() { return OpenBackups(*repository).size(); }
    SweepResult SweepNow() {
        return Sweep(*repository, {.grace = std::chrono::milliseconds(1)}, clock, NeverCancelled(), log);
    }
    std::vector<FrameRef> FramesOfBackup(const Manifest &backup) {
        std::vector<FrameRef> frames;
        for (TreeCursor at(Frames(), TreeRootFromJson(backup.body.at("tree"))); const Json *entry = at.Current();
             at.Next())
            for (const FrameRef &frame : FramesOf(*entry)) frames.push_back(frame);
        return frames;
    }
    void ExpectRestored(const PhysicalResult &taken) {
        std::string rows = Rows(Server(), "large");
        Flush();
        EXPECT_EQ(Rows(*Restored(taken), "large"), rows);
    }
};

TEST_F(ResumeBackup, WhatItStoredIsNotStoredAgain) {
    clock.ahead = kHour;    // all files have long been what they are
    Interrupt(5);
    EXPECT_EQ(Opened(), 1u) << "it is neither listed nor given up";
    EXPECT_EQ(Listed(), 0u);
    clock.ahead = 2 * kHour;
    Each({"UPDATE large SET fill = 'changed' WHERE id BETWEEN 1000 AND 2000", "CHECKPOINT"});
    PhysicalResult taken = Take();
    EXPECT_GT(taken.resumed_bytes, 5u << 20);
    EXPECT_GT(taken.unread_bytes, 0u) << "files that stand still since then are not even read";
    EXPECT_THAT(log.notes, Contains(HasSubstr("resumes backup")));
    std::uint64_t whole = taken.clear.stored_bytes;
    EXPECT_LT(taken.clear.new_bytes, whole - (5u << 20));
    EXPECT_EQ(Opened(), 0u) << "the interrupted one is fenced, as its process is known to be gone";
    ExpectRestored(taken);
    SweepNow();
    EXPECT_EQ(Checkpoints(), 0u);
    ExpectRestored(taken);
}

TEST_F(ResumeBackup, OneThatIsKilledAgainIsGoneOnFromAgain) {
    Interrupt(2);
    Interrupt(1);
    Interrupt(1);
    EXPECT_EQ(Opened(), 3u);
    PhysicalResult taken = Take();
    EXPECT_GT(taken.resumed_bytes, 4u << 20) << "each had got further than the one before";
    EXPECT_EQ(Opened(), 0u);
    ExpectRestored(taken);
}

TEST_F(ResumeBackup, ExpiryAndSweepInBetweenLoseNothing) {
    PhysicalResult base = Take();
    Each({"UPDATE large SET fill = reverse(fill)", "VACUUM FREEZE large", "CHECKPOINT"});
    clock.ahead = kHour;
    Interrupt(3);
    EndBackup(*repository, base.backup_id, "test", "test", clock);
    SweepResult swept = SweepNow();
    EXPECT_EQ(swept.deleted_packs, 0u) << "the interrupted one keeps its packs and its base's";
    clock.ahead = 2 * kHour;
    PhysicalResult taken = Take();
    EXPECT_GT(taken.resumed_bytes, 3u << 20);
    clock.ahead = 3 * kHour;
    swept = SweepNow();
    EXPECT_GT(swept.deleted_packs, 0u) << "what only the expired base needed";
    ExpectRestored(taken);
}

TEST_F(ResumeBackup, OneThatWasDeclaredDeadIsNotGoneOnFrom) {
    Interrupt(5);
    Sweep(*repository, {.grace = std::chrono::milliseconds(1), .abandon_after = Duration::zero()}, clock,
          NeverCancelled(), log);
    EXPECT_EQ(Opened(), 0u);
    PhysicalResult taken = Take();
    EXPECT_EQ(taken.resumed_bytes, 0u);
    EXPECT_EQ(taken.clear.new_bytes, taken.clear.stored_bytes);
    ExpectRestored(taken);
}

TEST_F(ResumeBackup, AFileThatChangedWhileItWasCopiedIsReadAgain) {
    Interrupt(5);
    // No hour has passed: whatever was written shortly before the copy may have changed again within the same tick of a clock.
    PhysicalResult taken = Take();
    EXPECT_GT(taken.resumed_bytes, 5u << 20) << "it is compared";
    ExpectRestored(taken);
    EXPECT_THAT(log.warnings, IsEmpty());
}

TEST_F(ResumeBackup, ADamagedCheckpointCostsNoMoreThanWhatItNames) {
    Interrupt(4);
    std::string name;
    repository->List("backups/", [&](const ObjectInfo &info) {
        if (info.name.ends_with("/checkpoint.0000000003")) name = info.name;
        return true;
    });
    Bytes object = repository->ReadRaw(name).value();
    object[object.size() / 2] ^= std::byte{1};
    MemorySource source(object);
    storage->Put(repository->FullName(name), source, PutMode::kUnconditional);
    PhysicalResult taken = Take();
    EXPECT_THAT(log.warnings, Contains(HasSubstr("is damaged")));
    EXPECT_GT(taken.resumed_bytes, 0u);
    ExpectRestored(taken);
}

// With so little room that nearly every backup stores something again.
TEST_F(ResumeBackup, WhatIsTidiedComesBack) {
    request.rewrite_share = 1;
    PhysicalResult taken;
    std::uint64_t rewritten = 0;
    for (int i = 0; i < 12; i++) {
        clock.ahead += kHour;
        Each({fmt::format("UPDATE large SET fill = 'day {}' WHERE id % 4700 = {}", i, 300 * i), "CHECKPOINT"});
        taken = Take();
        rewritten += taken.rewritten_bytes;
    }
    EXPECT_GT(rewritten, 0u);
    ExpectRestored(taken);
}

// What is stored again to tidy the store, interruptions in its middle, and expiry and sweeps between, all at once.
TEST_F(ResumeBackup, TidyingIsGoneOnFromToo) {
    request.rewrite_share = 1;
    std::vector<PhysicalResult> taken{Take()};
    std::uint64_t rewritten = 0, resumed = 0;
    for (int day = 0; day < 4; day++) {
        clock.ahead += 24 * kHour;
        Each({fmt::format("UPDATE large SET fill = md5('{0}' || id) || md5(id || '{0}') WHERE id % 3 = {0} % 3", day),
              fmt::format("VACUUM FREEZE large_{}", day), "CHECKPOINT"});
        Interrupt(1);
        if (day % 2 == 0) {
            EndBackup(*repository, taken[taken.size() / 2].backup_id, "test", "test", clock);
            taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(taken.size() / 2));
        }
        SweepNow();
        clock.ahead += kHour;
        taken.push_back(Take());
        rewritten += taken.back().rewritten_bytes;
        resumed += taken.back().resumed_bytes;
        SweepNow();
    }
    for (const PhysicalResult &backup : taken)
        Frames()->ReadAll(FramesOfBackup(Backup(backup)), 2, [](const FrameRef &, ByteView) {});
    EXPECT_GT(rewritten, 0u);
    EXPECT_GT(resumed, 0u);
    EXPECT_EQ(Opened(), 0u);
    ExpectRestored(taken.back());
}

}    // namespace
}    // namespace ark::test
