#include "repo/verify.h"

#include <gmock/gmock.h>

#include "repo/pack_format.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr VerifyLevel kLevels[] = {VerifyLevel::kExists, VerifyLevel::kChecksum, VerifyLevel::kDecode};

struct Verified : Sample {
    explicit Verified(bool encrypted) : Sample(encrypted) {
        auto session = Begin();
        TakeBackup(*session);
        id = session->id();
        packs = PacksOf(*this, id);
    }
    VerifyResult Verify(const BackupId &of, VerifyLevel level, const std::shared_ptr<KeyRing> &with) {
        BackupSummary backup = FindBackup(*repository, with.get(), clock.Now(), of);
        return VerifyBackup(*repository, with, backup, level, nullptr, NeverCancelled(), SilentLog());
    }
    VerifyResult Verify(VerifyLevel level) { return Verify(id, level, keys); }
    std::size_t Quarantined() {
        std::size_t found = 0;
        repository->List("quarantine/", [&](const ObjectInfo &) { return ++found > 0; });
        return found;
    }
    std::string NameOfPack(std::size_t i) { return layout::Pack(packs.at(i).pack); }
    // The pack that holds the tree: without it nothing else of the backup can be found.
    std::size_t TreePack() {
        Json tree = ReadManifest(*repository, id, keys.get())->body.at("tree");
        return At(TreeRootFromJson(tree).frames.at(0).pack);
    }
    std::size_t DataPack() { return TreePack() == 0 ? 1 : 0; }
    std::size_t At(const std::string &pack) {
        return static_cast<std::size_t>(std::ranges::find(packs, pack, &PackInfo::pack) - packs.begin());
    }

    BackupId id;
    std::vector<PackInfo> packs;
};

class VerifyTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Repo, VerifyTest, testing::Bool());

TEST_P(VerifyTest, AWholeBackupPassesEveryLevel) {
    Verified store(GetParam());
    std::uint64_t bytes = 0;
    for (const PackInfo &pack : store.packs) bytes += pack.size;
    for (VerifyLevel level : kLevels) {
        VerifyResult result = store.Verify(level);
        EXPECT_TRUE(result.ok) << VerifyLevelName(level);
        EXPECT_THAT(result.problems, IsEmpty());
        EXPECT_EQ(result.packs, store.packs.size());
        EXPECT_EQ(result.bytes_read, level == VerifyLevel::kExists ? 0 : bytes);
        EXPECT_EQ(result.frames, level == VerifyLevel::kDecode ? kTables : 0);
    }
    EXPECT_EQ(store.Quarantined(), 0u);
    EXPECT_EQ(ParseVerifyLevel("checksum"), VerifyLevel::kChecksum);
    EXPECT_EQ(Thrown([] { ParseVerifyLevel("all"); }), Code::kInvalidArgument);
}

// Where a byte of a pack may be wrong.
struct Spot {
    const char *name;
    std::function<std::size_t(ByteView pack)> at;
};
const Spot kSpots[] = {
    {"Header", [](ByteView) { return std::size_t{30}; }},
    {"FirstFrame", [](ByteView pack) { return AsText(pack).find('\n') + 100; }},
    {"Footer", [](ByteView pack) { return pack.size() - kTrailerSize - 10; }},
    {"Trailer", [](ByteView pack) { return pack.size() - 3; }},
};

class FlippedByte : public testing::TestWithParam<std::tuple<bool, Spot>> {};
std::string NameOf(const testing::TestParamInfo<FlippedByte::ParamType> &chosen) {
    return std::string(std::get<0>(chosen.param) ? "Encrypted" : "Plain") + std::get<1>(chosen.param).name;
}
INSTANTIATE_TEST_SUITE_P(Repo, FlippedByte, testing::Combine(testing::Bool(), testing::ValuesIn(kSpots)), NameOf);

// Found at both levels that read, as often as it is looked for; and healed by the next backup.
TEST_P(FlippedByte, IsFoundQuarantinedAndStoredAfresh) {
    auto [encrypted, spot] = GetParam();
    for (VerifyLevel level : {VerifyLevel::kChecksum, VerifyLevel::kDecode}) {
        Verified store(encrypted);
        std::size_t victim = store.DataPack();
        Bytes object = store.Load(store.NameOfPack(victim));
        object[spot.at(object)] ^= std::byte{1};
        store.Replace(store.NameOfPack(victim), object);
        EXPECT_TRUE(store.Verify(VerifyLevel::kExists).ok);
        for (int time = 0; time < 2; time++) {
            VerifyResult result = store.Verify(level);
            EXPECT_FALSE(result.ok);
            EXPECT_THAT(result.problems, Contains(HasSubstr(store.packs[victim].pack)));
            EXPECT_GE(store.Quarantined(), 1u);
        }
        EXPECT_FALSE(store.Verify(VerifyLevel::kDecode).ok);
        store.clock.Advance(std::chrono::hours(1));
        auto next = store.Begin({store.id});
        EXPECT_GT(TakeBackup(*next).stored_frames, 0u);
        CheckBackup(store, next->id());
        for (const PackInfo &pack : PacksOf(store, next->id())) EXPECT_NE(pack.pack, store.packs[victim].pack);
        EXPECT_TRUE(store.Verify(next->id(), VerifyLevel::kDecode, store.keys).ok);
        EXPECT_FALSE(store.Verify(VerifyLevel::kChecksum).ok);    // the older one stays damaged
    }
}

TEST_P(VerifyTest, TruncatedMissingAndSwappedPacks) {
    enum Harm { kTruncated, kMissing, kSwapped };
    for (Harm harm : {kTruncated, kMissing, kSwapped}) {
        Verified store(GetParam());
        std::size_t victim = store.DataPack(), other = store.TreePack();
        Bytes a = store.Load(store.NameOfPack(victim)), b = store.Load(store.NameOfPack(other));
        if (harm == kTruncated) store.Replace(store.NameOfPack(victim), ByteView(a).first(a.size() - 1));
        if (harm == kMissing) store.repository->Remove({store.NameOfPack(victim)});
        if (harm == kSwapped) {    // of one length, so that only their content tells
            b.resize(a.size());
            store.Replace(store.NameOfPack(victim), b);
        }
        for (VerifyLevel level : kLevels) {
            VerifyResult result = store.Verify(level);
            EXPECT_EQ(result.ok, harm == kSwapped && level == VerifyLevel::kExists) << harm;
            if (result.ok) continue;
            EXPECT_THAT(result.problems, Contains(HasSubstr(store.packs[victim].pack)));
        }
        store.clock.Advance(std::chrono::hours(1));
        auto next = store.Begin({store.id});
        TakeBackup(*next);
        CheckBackup(store, next->id());
    }
}

TEST_P(VerifyTest, TamperedAndSwappedManifestsAndLists) {
    Verified store(GetParam());
    store.clock.Advance(std::chrono::hours(1));
    auto second = store.Begin({store.id});
    TakeBackup(*second, 4);
    Bytes manifest = store.Load(layout::Manifest(store.id)), list = store.Load(layout::Packs(store.id));
    auto problems = [&] {
        VerifyResult result = store.Verify(VerifyLevel::kDecode);
        EXPECT_FALSE(result.ok);
        return result.problems;
    };
    store.Replace(layout::Manifest(store.id), store.Load(layout::Manifest(second->id())));
    EXPECT_THAT(problems(), Contains(HasSubstr("written as \"backups/" + second->id())));
    for (std::size_t at : {std::size_t{5}, manifest.size() / 2, manifest.size() - 5}) {
        Bytes altered = manifest;
        altered[at] ^= std::byte{1};
        store.Replace(layout::Manifest(store.id), altered);
        EXPECT_THAT(problems(), Contains(HasSubstr("manifest")));
    }
    store.Replace(layout::Manifest(store.id), manifest);
    EXPECT_TRUE(store.Verify(VerifyLevel::kDecode).ok);

    store.Replace(layout::Packs(store.id), store.Load(layout::Packs(second->id())));
    EXPECT_THAT(problems(), Contains(HasSubstr(store.id)));
    store.repository->Remove({layout::Packs(store.id)});
    EXPECT_THAT(problems(), Contains(HasSubstr("missing")));
    store.Replace(layout::Packs(store.id), list);
    EXPECT_TRUE(store.Verify(VerifyLevel::kDecode).ok);
}

// Somebody who can write to the store, and makes the check line fit, still cannot change what a sealed manifest says.
TEST(VerifySealed, AnAlteredClearLineIsRefused) {
    Verified store(true);
    Rewrite(store, layout::Manifest(store.id),
            [](std::string &text) { Substitute(text, "\"sequence\":1", "\"sequence\":2"); });
    VerifyResult result = store.Verify(VerifyLevel::kExists);
    EXPECT_FALSE(result.ok);
    EXPECT_THAT(result.problems, Contains(HasSubstr("cannot be unsealed")));
}

TEST_P(VerifyTest, AReaderThatMayNotWriteLeavesNothing) {
    Verified store(GetParam());
    Bytes object = store.Load(store.NameOfPack(store.DataPack()));
    object[object.size() / 2] ^= std::byte{1};
    store.Replace(store.NameOfPack(store.DataPack()), object);
    auto before = ContentOf(*store.storage);
    store.repository->SetEpoch(0);
    EXPECT_FALSE(store.Verify(VerifyLevel::kDecode).ok);
    EXPECT_EQ(ContentOf(*store.storage), before);
}

// Damage to the tree itself: everything else of the backup is lost with it, and the next backup is whole all the same.
TEST_P(VerifyTest, ADamagedTreeIsAFindingAndTheNextBackupIsWhole) {
    Verified store(GetParam());
    std::string name = store.NameOfPack(store.TreePack());
    Bytes object = store.Load(name);
    FrameRef node =
        TreeRootFromJson(ReadManifest(*store.repository, store.id, store.keys.get())->body.at("tree")).frames.at(0);
    object[node.at + node.stored / 2] ^= std::byte{1};
    store.Replace(name, object);
    VerifyResult result = store.Verify(VerifyLevel::kDecode);
    EXPECT_FALSE(result.ok);
    store.clock.Advance(std::chrono::hours(1));
    auto next = store.Begin({store.id});
    EXPECT_THAT(next->unused_bases(), Contains(HasSubstr(store.id)));
    EXPECT_EQ(TakeBackup(*next).stored_frames, kTables);
    CheckBackup(store, next->id());
}

TEST(VerifyKeys, WithoutAKeyChecksumsAndWithAWrongOneOneClearError) {
    Verified store(true);
    EXPECT_TRUE(store.Verify(store.id, VerifyLevel::kChecksum, nullptr).ok);
    EXPECT_EQ(Thrown([&] { store.Verify(store.id, VerifyLevel::kDecode, nullptr); }), Code::kInvalidArgument);
    auto wrong = std::make_shared<KeyRing>(store.repository, Key(AsBytes("fedcba9876543210fedcba9876543210")));
    Error error = ErrorOf([&] { store.Verify(store.id, VerifyLevel::kDecode, wrong); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr(KeyFingerprint(*store.kek)));
    EXPECT_EQ(store.Quarantined(), 0u);
}

TEST(VerifyEntries, WhatAnEntryVerifierFindsIsAProblem) {
    struct Doubtful : EntryVerifier {
        void Frame(const Json &, const FrameRef &, ByteView plain) override { bytes += plain.size(); }
        std::string EntryDone(const Json &entry) override {
            return entry.at("path").get<std::string>().find("t12") != std::string::npos ? "odd" : "";
        }
        std::size_t bytes = 0;
    } doubtful;
    Verified store(false);
    BackupSummary backup = FindBackup(*store.repository, store.keys.get(), store.clock.Now(), store.id);
    VerifyResult result = VerifyBackup(*store.repository, store.keys, backup, VerifyLevel::kDecode, &doubtful,
                                       NeverCancelled(), SilentLog());
    EXPECT_THAT(result.problems, testing::ElementsAre("table/public/t12/data/0000000000: odd"));
    EXPECT_EQ(doubtful.bytes, kTables * 40'000);
}

}    // namespace
}    // namespace ark::test
