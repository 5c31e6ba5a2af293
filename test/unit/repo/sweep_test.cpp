#include "repo/sweep.h"

#include <gmock/gmock.h>

#include "support/fault_storage.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kGrace = std::chrono::minutes(5), kDay = std::chrono::hours(24);

struct Swept : Sample {
    explicit Swept(bool encrypted) : Sample(encrypted) {}

    BackupId Take(std::vector<BackupId> bases = {}, std::size_t changed = kTables) {
        clock.Advance(std::chrono::hours(1));
        auto session = Begin(std::move(bases));
        TakeBackup(*session, changed);
        return session->id();
    }
    void End(const BackupId &id) { EXPECT_TRUE(EndBackup(*repository, id, "test", "test", clock)); }
    SweepResult Sweep(SweepSettings settings = {}) {
        return ark::Sweep(*repository, settings, clock, NeverCancelled(), SilentLog());
    }
    std::map<std::string, std::uint64_t> Content() { return ContentOf(*storage); }
};

class SweepTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Repo, SweepTest, testing::Bool());

TEST_P(SweepTest, DeletesWhatOnlyAnEndedBackupNeeded) {
    Swept store(GetParam());
    BackupId first = store.Take(), other = store.Take(), second = store.Take({first}, 3);
    std::uint64_t dead = PacksOf(store, other).size();
    store.End(first);
    store.End(other);
    EXPECT_EQ(store.Sweep({.dry_run = true}).dead_packs, dead);
    TimePoint before = store.clock.Now();
    SweepResult result = store.Sweep();
    EXPECT_GE(store.clock.Now() - before, kGrace);
    EXPECT_EQ(result.deleted_packs, dead);
    EXPECT_GT(result.deleted_bytes, 0u);
    EXPECT_EQ(result.deleted_backups, 1u);    // the first one's packs are still read
    CheckBackup(store, second, 3);
    store.End(second);
    result = store.Sweep();
    EXPECT_EQ(result.deleted_backups, 2u);
    for (const auto &[name, size] : store.Content()) EXPECT_EQ(name.find("backups/"), std::string::npos) << name;
    for (const auto &[name, size] : store.Content()) EXPECT_EQ(name.find("packs/"), std::string::npos) << name;
    EXPECT_EQ(store.Sweep().deleted_packs, 0u);
}

TEST_P(SweepTest, ADryRunAndACancelledOneDeleteNothing) {
    Swept store(GetParam());
    store.End(store.Take());
    auto before = store.Content();
    SweepResult result = store.Sweep({.dry_run = true});
    EXPECT_GT(result.dead_packs, 0u);
    EXPECT_EQ(result.deleted_packs, 0u);
    struct CancelledInTheWait : Ticker {
        explicit CancelledInTheWait(Clock &time) : clock(time), until(time.Now() + std::chrono::minutes(1)) {}
        bool Cancelled() override { return clock.Now() > until; }
        Clock &clock;
        TimePoint until;
    } ticker(store.clock);
    EXPECT_EQ(Thrown([&] { ark::Sweep(*store.repository, {}, store.clock, ticker, SilentLog()); }), Code::kCancelled);
    EXPECT_EQ(store.Content(), before);
}

TEST_P(SweepTest, ABackupThatIsNotFinishedKeepsItsBasesUntilItIsFenced) {
    Swept store(GetParam());
    BackupId first = store.Take();
    auto open = store.Begin({first});
    auto packs = open->NewPackWriter(Small());
    packs->Append(SampleText(1000, 1));
    packs->Finish();
    store.End(first);
    SweepResult result = store.Sweep();
    EXPECT_EQ(result.deleted_packs, 0u);
    EXPECT_THAT(result.kept_because, Contains(HasSubstr(open->id())));
    CheckBackup(store, first);
    store.clock.Advance(kDay);
    result = store.Sweep({.dry_run = true});
    EXPECT_EQ(result.fenced, 0u);
    EXPECT_THAT(result.kept_because, Contains(HasSubstr("would be fenced")));
    result = store.Sweep();
    EXPECT_EQ(result.fenced, 1u);
    EXPECT_GT(result.deleted_packs, 1u);
    EXPECT_EQ(Thrown([&] { open->Commit({{"tree", ToJson(TreeRoot{})}}); }), Code::kConflict);
}

TEST_P(SweepTest, AStoreThatIgnoresConditionsIsNotSwept) {
    struct Careless : FaultStorage {
        using FaultStorage::FaultStorage;
        Capabilities Probe() override { return {.conditional_create = false}; }
    };
    Swept store(GetParam());
    store.End(store.Take());
    auto repository = Repository::Open(std::make_shared<Careless>(store.storage, NoFault()), kSampleCluster);
    repository->SetEpoch(1);
    auto before = store.Content();
    EXPECT_EQ(Thrown([&] { ark::Sweep(*repository, {}, store.clock, NeverCancelled(), SilentLog()); }),
              Code::kUnsupported);
    EXPECT_EQ(store.Content(), before);
    EXPECT_GT(ark::Sweep(*repository, {.dry_run = true}, store.clock, NeverCancelled(), SilentLog()).dead_packs, 0u);
}

// Each makes one object of a store unknown, unreadable or missing, and says what the sweep's error must name.
struct Harm {
    const char *name;
    Code code;
    std::function<std::string(Swept &, const BackupId &ended, const BackupId &listed, const BackupId &open)> harm;
};

void AskForFeature(std::string &text) { Substitute(text, "\"required\":[]", "\"required\":[\"invented\"]"); }
void Flip(Swept &store, const std::string &name) {
    Bytes object = store.Load(name);
    object[object.size() / 2] ^= std::byte{1};
    store.Replace(name, object);
}
std::string NeedsFeature(Swept &store, const std::string &name) {
    Rewrite(store, name, AskForFeature);
    return name;
}
std::string Damaged(Swept &store, const std::string &name) {
    Flip(store, name);
    return name;
}

const Harm kHarms[] = {
    {"StrayObject", Code::kCorrupt,
     [](Swept &store, auto &, auto &, auto &) {
         store.Replace("packs/note.txt", AsBytes("x"));
         return std::string("packs/note.txt");
     }},
    {"UnknownFolder", Code::kCorrupt,
     [](Swept &store, auto &, auto &, auto &) {
         store.Replace("pins/one", AsBytes("x"));
         return std::string("pins/one");
     }},
    {"UnknownPartOfABackup", Code::kCorrupt,
     [](Swept &store, auto &, auto &listed, auto &) {
         store.Replace("backups/" + listed + "/pin", AsBytes("x"));
         return "backups/" + listed + "/pin";
     }},
    {"ManifestOfAnotherFormat", Code::kUnsupported,
     [](Swept &store, auto &, auto &listed, auto &) { return NeedsFeature(store, layout::Manifest(listed)); }},
    {"ManifestDamaged", Code::kCorrupt,
     [](Swept &store, auto &, auto &listed, auto &) { return Damaged(store, layout::Manifest(listed)); }},
    {"ManifestCutShort", Code::kCorrupt,
     [](Swept &store, auto &, auto &listed, auto &) {
         store.Replace(layout::Manifest(listed), ByteView(store.Load(layout::Manifest(listed))).first(200));
         return layout::Manifest(listed);
     }},
    {"ManifestOfAnotherBackup", Code::kCorrupt,
     [](Swept &store, auto &ended, auto &listed, auto &) {
         store.Replace(layout::Manifest(listed), store.Load(layout::Manifest(ended)));
         return layout::Manifest(listed);
     }},
    {"EndOfAnotherFormat", Code::kUnsupported,
     [](Swept &store, auto &ended, auto &, auto &) { return NeedsFeature(store, layout::End(ended)); }},
    {"EndDamaged", Code::kCorrupt,
     [](Swept &store, auto &ended, auto &, auto &) { return Damaged(store, layout::End(ended)); }},
    {"OpenBeginOfAnotherFormat", Code::kUnsupported,
     [](Swept &store, auto &, auto &, auto &open) { return NeedsFeature(store, layout::Begin(open)); }},
    {"OpenBeginDamaged", Code::kCorrupt,
     [](Swept &store, auto &, auto &, auto &open) { return Damaged(store, layout::Begin(open)); }},
    {"OpenBeginWithoutBases", Code::kCorrupt,
     [](Swept &store, auto &, auto &, auto &open) {
         Rewrite(store, layout::Begin(open), [](std::string &text) { Substitute(text, "\"bases\"", "\"other\""); });
         return open;
     }},
    {"PackListDamaged", Code::kCorrupt,
     [](Swept &store, auto &, auto &listed, auto &) {
         Flip(store, layout::Packs(listed));
         return listed;
     }},
    {"PackListMissing", Code::kNotFound,
     [](Swept &store, auto &, auto &listed, auto &) {
         store.repository->Remove({layout::Packs(listed)});
         return listed;
     }},
    {"NewestWriterOfAnotherFormat", Code::kUnsupported,
     [](Swept &store, auto &, auto &, auto &) {
         store.repository->Create(layout::Kind::kWriter, layout::Writer(1), {{"epoch", 1}});
         return NeedsFeature(store, layout::Writer(1));
     }},
    {"IdentityOfAnotherFormat", Code::kUnsupported,
     [](Swept &store, auto &, auto &, auto &) { return NeedsFeature(store, layout::kIdentity); }},
};

class SweepRefuses : public testing::TestWithParam<Harm> {};
INSTANTIATE_TEST_SUITE_P(Repo, SweepRefuses, testing::ValuesIn(kHarms),
                         [](const auto &one) { return std::string(one.param.name); });

TEST_P(SweepRefuses, ToDeleteAnythingAndSaysWhy) {
    for (bool encrypted : {false, true}) {
        Swept store(encrypted);
        BackupId ended = store.Take(), listed = store.Take({}, 3);
        auto open = store.Begin({listed});
        store.End(ended);
        ASSERT_GT(store.Sweep({.dry_run = true}).dead_packs, 0u);
        std::string named = GetParam().harm(store, ended, listed, open->id());
        auto before = store.Content();
        Error error = ErrorOf([&] { store.Sweep(); });
        EXPECT_EQ(error.code, GetParam().code) << error.message;
        EXPECT_THAT(error.message, HasSubstr(named));
        EXPECT_EQ(store.Content(), before);
    }
}

// A failure of any one request: nothing that is needed goes, and the next sweep ends the work.
TEST(SweepFaults, FailureOfEachRequestLosesNothing) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        for (std::uint64_t nth = 1;; nth++) {
            Swept store(false);
            BackupId ended = store.Take(), listed = store.Take({}, 3);
            store.End(ended);
            auto faulty = std::make_shared<FaultStorage>(store.storage, FailNth(nth, fault));
            auto failed = Thrown([&] {
                auto repository = Repository::Open(faulty, kSampleCluster);
                repository->SetEpoch(1);
                ark::Sweep(*repository, {}, store.clock, NeverCancelled(), SilentLog());
            });
            CheckBackup(store, listed, 3);
            if (faulty->faults() == 0) {
                EXPECT_FALSE(failed);
                break;
            }
            EXPECT_EQ(failed, Code::kUnavailable) << nth;
            store.clock.Advance(kDay);
            store.Sweep();
            EXPECT_EQ(store.Sweep({.dry_run = true}).dead_packs, 0u);
            CheckBackup(store, listed, 3);
        }
    }
}

TEST(SweepLeftovers, ProbesOfTheStoresClockDoNotStay) {
    Swept store(false);
    auto open = store.Begin();
    store.Replace("x", {});
    store.repository->Remove({"x"});
    MemorySource source(std::string_view("now"));
    store.storage->Put(".probe/left-by-a-crash", source, PutMode::kCreate);
    store.clock.Advance(2 * kDay);
    store.Sweep();
    for (const auto &[name, size] : store.Content()) EXPECT_EQ(name.find(".probe"), std::string::npos) << name;
}

}    // namespace
}    // namespace ark::test
