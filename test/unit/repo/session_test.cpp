#include <gtest/gtest.h>

#include <thread>

#include "support/fault_storage.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

class Session : public testing::TestWithParam<bool> {};

TEST_P(Session, CommitsABackupThatCanBeRead) {
    Sample sample(GetParam());
    auto session = sample.Begin();
    EXPECT_EQ(session->sequence(), 1u);
    EXPECT_FALSE(ReadManifestClear(*sample.repository, session->id()));
    Taken taken = TakeBackup(*session);
    EXPECT_EQ(taken.stored_frames, kTables);
    EXPECT_EQ(taken.clear.new_bytes, taken.clear.stored_bytes);
    CheckBackup(sample, session->id());
    EXPECT_EQ(Thrown([&] { session->Commit(Json::object()); }), Code::kInternal);
    session->Abort();    // too late: nothing happens
    CheckBackup(sample, session->id());
}

TEST_P(Session, SecondBackupOfTheSameDataStoresNothing) {
    Sample sample(GetParam());
    auto first = sample.Begin();
    TakeBackup(*first);
    sample.clock.Advance(std::chrono::hours(1));
    auto second = sample.Begin({first->id()});
    EXPECT_EQ(second->sequence(), 2u);
    Taken taken = TakeBackup(*second);
    EXPECT_EQ(taken.stored_frames, 0u);
    EXPECT_EQ(taken.clear.new_bytes, 0u);
    EXPECT_EQ(second->reused_packs(), taken.clear.packs);
    CheckBackup(sample, second->id());
    sample.clock.Advance(std::chrono::hours(1));
    auto third = sample.Begin({second->id()});
    EXPECT_EQ(TakeBackup(*third, 4).stored_frames, 1u);
    CheckBackup(sample, third->id(), 4);
    CheckBackup(sample, first->id());
}

TEST_P(Session, DoesNotReuseABaseThatHasEnded) {
    Sample sample(GetParam());
    auto first = sample.Begin();
    TakeBackup(*first);
    sample.repository->Create(layout::Kind::kEnd, layout::End(first->id()), {{"backup", first->id()}});
    auto second = sample.Begin({first->id()});
    EXPECT_TRUE(second->bases().empty());
    ASSERT_EQ(second->unused_bases().size(), 1u);
    EXPECT_EQ(TakeBackup(*second).stored_frames, kTables);
    CheckBackup(sample, second->id());
}

TEST_P(Session, DoesNotReuseWhatIsMissingShortQuarantinedOrOld) {
    for (int harm = 0; harm < 4; harm++) {
        Sample sample(GetParam());
        auto first = sample.Begin();
        Taken taken = TakeBackup(*first);
        std::vector<PackInfo> packs;
        ReadPackList(*sample.repository, taken.clear, [&](const PackInfo &info) { packs.push_back(info); });
        ASSERT_GE(packs.size(), 2u);
        // The pack that holds the tree stays whole: without it a base cannot be read at all.
        std::string tree_pack =
            TreeRootFromJson(ReadManifest(*sample.repository, first->id(), sample.keys.get())->body.at("tree"))
                .frames[0]
                .pack;
        PackInfo victim = packs[0].pack == tree_pack ? packs[1] : packs[0];
        std::string name = layout::Pack(victim.pack);
        if (harm == 0) sample.repository->Remove({name});
        if (harm == 1) sample.Replace(name, ByteView(sample.Load(name)).first(victim.size - 1));
        if (harm == 2)
            sample.repository->Create(layout::Kind::kQuarantine, layout::Quarantine(victim.pack.substr(26), 0),
                                      {{"frame", 0}});
        if (harm == 3) sample.clock.Advance(std::chrono::hours(24 * 31));
        auto second = sample.Begin({first->id()});
        EXPECT_EQ(second->bases().size(), 1u);
        Taken again = TakeBackup(*second);
        EXPECT_GT(again.stored_frames, 0u) << harm;
        EXPECT_EQ(again.stored_frames == kTables, harm == 3) << harm;
        CheckBackup(sample, second->id());
    }
}

TEST_P(Session, BaseWithADamagedListIsNotReused) {
    for (char damage : {'g', '\n', '\0'}) {    // within the digest of its last pack
        Sample sample(GetParam());
        auto first = sample.Begin();
        TakeBackup(*first);
        Bytes list = sample.Load(layout::Packs(first->id()));
        list[list.size() - 5] = static_cast<std::byte>(damage);
        sample.Replace(layout::Packs(first->id()), list);
        auto second = sample.Begin({first->id()});
        EXPECT_TRUE(second->bases().empty());
        EXPECT_EQ(TakeBackup(*second).stored_frames, kTables);
        CheckBackup(sample, second->id());
    }
}

TEST_P(Session, ThatWasFencedCannotCommit) {
    Sample sample(GetParam());
    auto session = sample.Begin();
    Manifest fence;
    fence.clear.state = "aborted";
    fence.clear.backup = session->id();
    sample.repository->CreateRaw(layout::Manifest(session->id()),
                                 FormatManifest(*sample.repository, fence, DomainKey{}));
    EXPECT_EQ(Thrown([&] { TakeBackup(*session); }), Code::kConflict);
    EXPECT_EQ(ReadManifestClear(*sample.repository, session->id())->state, "aborted");
}

TEST_P(Session, AbortFencesItself) {
    Sample sample(GetParam());
    auto session = sample.Begin();
    session->Abort();
    session->Abort();
    EXPECT_EQ(ReadManifestClear(*sample.repository, session->id())->state, "aborted");
    EXPECT_EQ(Thrown([&] { TakeBackup(*session); }), Code::kConflict);
}

TEST_P(Session, WritersInSeveralThreadsShareIt) {
    Sample sample(GetParam());
    auto session = sample.Begin();
    std::vector<FrameRef> refs(40);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            auto packs = session->NewPackWriter(Small());
            for (std::size_t i = t; i < refs.size(); i += 4) refs[i] = packs->Append(SampleText(30'000, i));
            packs->Finish();
        });
    for (std::thread &thread : threads) thread.join();
    ManifestClear clear = session->Commit(Json::object());
    std::set<std::string> listed;
    ReadPackList(*sample.repository, clear, [&](const PackInfo &info) { listed.insert(info.pack); });
    auto reader = sample.Reader();
    for (std::size_t i = 0; i < refs.size(); i++) {
        EXPECT_TRUE(listed.contains(refs[i].pack));
        EXPECT_EQ(reader->Read(refs[i]), SampleText(30'000, i));
    }
}

INSTANTIATE_TEST_SUITE_P(Repo, Session, testing::Bool());

TEST(SessionSequence, GoesOnWhenTheClockIsSetBack) {
    Sample sample(false);
    for (std::uint64_t i = 1; i <= 3; i++) {
        sample.clock.Advance(std::chrono::hours(1));
        EXPECT_EQ(sample.Begin()->sequence(), i);
    }
    sample.clock.Advance(-std::chrono::hours(24 * 365));
    EXPECT_EQ(sample.Begin()->sequence(), 4u);
    sample.clock.Advance(std::chrono::minutes(1));
    EXPECT_EQ(sample.Begin()->sequence(), 5u);
}

TEST(SessionDomains, AreNeverMixed) {
    Sample sample(true);
    auto first = sample.Begin();
    TakeBackup(*first);
    BackupPlan plan;
    plan.kind = "logical";
    plan.domain = "database-16384";
    plan.bases = {first->id()};
    auto other = BackupSession::Begin(sample.repository, sample.keys, plan, sample.clock, sample.random);
    EXPECT_TRUE(other->bases().empty());
    sample.keys->NewGeneration("cluster", sample.random);
    auto newer = sample.Begin({first->id()});
    EXPECT_TRUE(newer->bases().empty());    // a new generation restarts reuse
    EXPECT_EQ(TakeBackup(*newer).clear.generation, 2u);
    CheckBackup(sample, newer->id());
    CheckBackup(sample, first->id());
}

// Whatever single operation fails in a second backup: what was committed before stays readable, what it reports as
// committed is readable, and a clean retry works.
TEST(SessionFaults, FailureOfEachOperationLosesNothing) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        for (std::uint64_t nth = 1;; nth += nth < 20 ? 1 : 4) {
            Sample sample(true);
            auto first = sample.Begin();
            TakeBackup(*first);
            auto faulty = std::make_shared<FaultStorage>(sample.storage, FailNth(nth, fault));
            BackupId tried;
            auto failed = Thrown([&] {
                auto repository = Repository::Open(faulty, kSampleCluster);
                repository->SetEpoch(1);
                auto keys = std::make_shared<KeyRing>(repository, sample.kek);
                BackupPlan plan;
                plan.kind = "logical";
                plan.bases = {first->id()};
                auto session = BackupSession::Begin(repository, keys, plan, sample.clock, sample.random);
                TakeBackup(*session, 3);
                tried = session->id();
            });
            CheckBackup(sample, first->id());
            if (!failed) CheckBackup(sample, tried, 3);
            auto retry = sample.Begin({first->id()});
            EXPECT_EQ(TakeBackup(*retry, 3).stored_frames, 1u);
            CheckBackup(sample, retry->id(), 3);
            if (faulty->faults() == 0) break;
        }
    }
}

}    // namespace
}    // namespace ark::test
