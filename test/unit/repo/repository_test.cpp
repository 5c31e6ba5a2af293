#include "repo/repository.h"

#include <gtest/gtest.h>

#include "support/fault_storage.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

TEST(Repository, IsFoundAgainAsItWasMade) {
    Sample sample(true);
    auto again = Repository::Open(sample.storage, kSampleCluster);
    EXPECT_EQ(again->id(), sample.repository->id());
    EXPECT_TRUE(again->encrypted());
    EXPECT_EQ(again->created(), sample.clock.Now());
    EXPECT_EQ(Repository::Clusters(*sample.storage), std::vector{kSampleCluster});
    EXPECT_EQ(Repository::Init(sample.storage, kSampleCluster, true, sample.clock, sample.random)->id(), again->id());
}

// One request for the folders and one for each: what lies in a store of ten thousand clusters is not listed.
TEST(Repository, ClustersAreFoundWithoutListingTheStore) {
    Sample sample(false);
    Repository::Init(sample.storage, {"other", "12"}, true, sample.clock, sample.random);
    auto store = [&](const std::string &name) {
        MemorySource source(std::string_view("x"));
        sample.storage->Put(name, source, PutMode::kCreate);
    };
    store("exports/a.1");
    store("main.77/packs/x");    // no cluster path: it has no identity
    for (int i = 0; i < 100; i++) store("other.12/wal/00000001/" + std::to_string(i));
    std::vector<Verb> asked;
    FaultStorage counted(sample.storage, [&](std::uint64_t, Verb verb, std::string_view) {
        asked.push_back(verb);
        return Fault::kNone;
    });
    EXPECT_EQ(Repository::Clusters(counted), (std::vector<ClusterName>{kSampleCluster, {"other", "12"}}));
    EXPECT_EQ(asked, (std::vector{Verb::kList, Verb::kStat, Verb::kStat, Verb::kStat}));
}

TEST(Repository, IsNeverBothEncryptedAndNot) {
    Sample sample(true);
    EXPECT_EQ(Thrown([&] { Repository::Init(sample.storage, kSampleCluster, false, sample.clock, sample.random); }),
              Code::kConflict);
    Sample plain(false);
    EXPECT_EQ(Thrown([&] { Repository::Init(plain.storage, kSampleCluster, true, plain.clock, plain.random); }),
              Code::kConflict);
}

TEST(Repository, SaysThatAPathIsMissing) {
    Sample sample(false);
    EXPECT_EQ(Thrown([&] { Repository::Open(sample.storage, {"other", "1"}); }), Code::kNotFound);
    EXPECT_EQ(Thrown([&] {
                  Repository::Init(sample.storage, {"a/b", "1"}, false, sample.clock, sample.random);
              }),
              Code::kInvalidArgument);
    EXPECT_EQ(Thrown([&] {
                  Repository::Init(sample.storage, {"a", "x"}, false, sample.clock, sample.random);
              }),
              Code::kInvalidArgument);
}

TEST(Repository, CreatesOnceAndReadsBack) {
    Sample sample(false);
    Json body = {{"backup", kBackup}, {"note", "täg"}};
    EXPECT_TRUE(sample.repository->Create(layout::Kind::kEnd, layout::End(kBackup), body));
    EXPECT_FALSE(sample.repository->Create(layout::Kind::kEnd, layout::End(kBackup), body));
    EXPECT_EQ(sample.repository->Read(layout::Kind::kEnd, layout::End(kBackup)), body);
    body["note"] = "other";
    EXPECT_EQ(Thrown([&] { sample.repository->Create(layout::Kind::kEnd, layout::End(kBackup), body); }),
              Code::kAlreadyExists);
    EXPECT_EQ(sample.repository->Read(layout::Kind::kEnd, layout::End("20260116T080000Z-00000000")), std::nullopt);
}

TEST(Repository, WritesNothingWithoutAnEpoch) {
    Sample sample(false);
    sample.repository->SetEpoch(0);
    EXPECT_EQ(Thrown([&] { sample.repository->Create(layout::Kind::kEnd, layout::End(kBackup), Json::object()); }),
              Code::kInternal);
    EXPECT_TRUE(
        sample.repository->Create(layout::Kind::kWriter, layout::Writer(1), {{"epoch", 1}}));    // what grants one
}

TEST(Repository, DetectsEveryFlipAndTruncationOfAnObject) {
    Sample sample(false);
    std::string name = layout::Begin(kBackup);
    sample.repository->Create(layout::Kind::kBegin, name,
                              {{"backup", kBackup}, {"sequence", 1}, {"bases", Json::array()}});
    Bytes object = sample.Load(name);
    for (std::size_t i = 0; i < object.size(); i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{4};
        sample.Replace(name, altered);
        EXPECT_TRUE(Thrown([&] { sample.repository->Read(layout::Kind::kBegin, name); })) << i;
        sample.Replace(name, ByteView(object).first(i));
        EXPECT_TRUE(Thrown([&] { sample.repository->Read(layout::Kind::kBegin, name); })) << i;
    }
    sample.Replace(layout::End(kBackup), object);    // moved to another place
    EXPECT_EQ(Thrown([&] { sample.repository->Read(layout::Kind::kEnd, layout::End(kBackup)); }), Code::kCorrupt);
}

TEST(Repository, RefusesToOpenAPathWithAFeatureItDoesNotKnow) {
    Sample sample(false);
    std::string object(AsText(sample.Load(layout::kIdentity)));
    std::string text = object.substr(0, object.size() - kCheckLineSize);
    text.replace(text.find("\"required\":[]"), 13, "\"required\":[\"invented\"]");
    Bytes altered = ToBytes(text);
    AppendCheckLine(altered);
    sample.Replace(layout::kIdentity, altered);
    EXPECT_EQ(Thrown([&] { Repository::Open(sample.storage, kSampleCluster); }), Code::kUnsupported);
    EXPECT_EQ(Thrown([&] { Repository::Init(sample.storage, kSampleCluster, false, sample.clock, sample.random); }),
              Code::kUnsupported);
}

TEST(Repository, InitSurvivesAFailureAtEachOperation) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        for (std::uint64_t nth = 1;; nth++) {
            FakeClock clock;
            SeededRandom random(nth);
            StoragePtr memory = MakeMemoryStorage(clock);
            FaultStorage faulty(memory, FailNth(nth, fault));
            auto shared = std::shared_ptr<Storage>(&faulty, [](Storage *) {});
            auto failed = Thrown([&] { Repository::Init(shared, kSampleCluster, true, clock, random); });
            EXPECT_TRUE(Repository::Init(memory, kSampleCluster, true, clock, random)->encrypted());
            if (faulty.faults() == 0) break;
            EXPECT_EQ(failed, Code::kUnavailable);
        }
    }
}

}    // namespace
}    // namespace ark::test
