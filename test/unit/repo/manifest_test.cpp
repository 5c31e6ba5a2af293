#include "repo/manifest.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "repo/pack_list.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d", kOther = "20260117T080000Z-0a1b2c3d";

Manifest SampleManifest(const BackupId &id = kBackup) {
    Manifest manifest;
    manifest.clear.backup = id;
    manifest.clear.sequence = 7;
    manifest.clear.kind = "logical";
    manifest.clear.finished = ParseTime("2026-01-16T08:01:00Z");
    manifest.clear.packs = 2;
    manifest.clear.packs_digest = std::string(64, 'a');
    manifest.clear.stored_bytes = 1000;
    manifest.clear.new_bytes = 500;
    manifest.body = {
        {"label", "before the upgrade"}, {"rows", 12}, {"tree", {{"level", 0}, {"frames", Json::array()}}}};
    return manifest;
}

class Manifests : public testing::TestWithParam<bool> {};

TEST_P(Manifests, AreReadBackWithAndWithoutAKey) {
    Sample sample(GetParam());
    Bytes object = FormatManifest(*sample.repository, SampleManifest(), sample.Domain("database-5"));
    sample.repository->CreateRaw(layout::Manifest(kBackup), object);
    std::optional<ManifestClear> clear = ReadManifestClear(*sample.repository, kBackup);
    ASSERT_TRUE(clear);
    EXPECT_EQ(clear->sequence, 7u);
    EXPECT_EQ(clear->domain, "database-5");
    EXPECT_EQ(clear->finished, ParseTime("2026-01-16T08:01:00Z"));
    EXPECT_EQ(clear->sealed, GetParam());
    EXPECT_EQ(ReadManifest(*sample.repository, kBackup, sample.keys.get())->body, SampleManifest().body);
    EXPECT_EQ(ReadManifest(*sample.repository, kBackup, nullptr)->readable(), !GetParam());
    EXPECT_FALSE(ReadManifest(*sample.repository, kOther, nullptr));
    EXPECT_EQ(GetParam(), AsText(object).find("before the upgrade") == std::string_view::npos);
}

TEST_P(Manifests, DetectEveryFlipAndTruncation) {
    Sample sample(GetParam());
    Bytes object = FormatManifest(*sample.repository, SampleManifest(), sample.Domain());
    for (std::size_t i = 0; i < object.size(); i++) {
        for (std::byte flip : {std::byte{1}, std::byte{0x80}}) {
            Bytes altered = object;
            altered[i] ^= flip;
            EXPECT_TRUE(Thrown([&] { ParseManifest(altered, *sample.repository, kBackup, nullptr); })) << i;
        }
        EXPECT_TRUE(Thrown([&] { ParseManifest(ByteView(object).first(i), *sample.repository, kBackup, nullptr); }))
            << i;
    }
}

TEST_P(Manifests, OfAnotherBackupAreRefused) {
    Sample sample(GetParam());
    Bytes object = FormatManifest(*sample.repository, SampleManifest(), sample.Domain());
    EXPECT_EQ(Thrown([&] { ParseManifest(object, *sample.repository, kOther, sample.keys.get()); }), Code::kCorrupt);
    Sample elsewhere(GetParam(), nullptr, 2);
    EXPECT_EQ(Thrown([&] { ParseManifest(object, *elsewhere.repository, kBackup, elsewhere.keys.get()); }),
              Code::kCorrupt);
}

TEST_P(Manifests, OfAnAbortedBackupHaveNoBody) {
    Sample sample(GetParam());
    Manifest manifest = SampleManifest();
    manifest.clear.state = "aborted";
    Bytes object = FormatManifest(*sample.repository, manifest, DomainKey{});
    Manifest back = ParseManifest(object, *sample.repository, kBackup, sample.keys.get());
    EXPECT_EQ(back.clear.state, "aborted");
    EXPECT_FALSE(back.readable());
}

INSTANTIATE_TEST_SUITE_P(Repo, Manifests, testing::Bool());

// Someone who can write to the store, and can compute a check line, but has no key.
TEST(Manifest, AlteredByAnAttackerIsRefusedWhenItIsOpenedWithAKey) {
    Sample sample(true);
    Bytes object = FormatManifest(*sample.repository, SampleManifest(), sample.Domain());
    std::string text(AsText(object).substr(0, object.size() - kCheckLineSize));
    for (auto [from, to] : {std::pair<std::string, std::string>{"\"packs\":2", "\"packs\":1"},
                            {"\"sequence\":7", "\"sequence\":9"},
                            {"\"epoch\":1", "\"epoch\":2"},
                            {std::string(64, 'a'), std::string(64, 'b')}}) {
        std::string altered = text;
        altered.replace(altered.find(from), from.size(), to);
        Bytes forged = ToBytes(altered);
        AppendCheckLine(forged);
        EXPECT_EQ(Thrown([&] { ParseManifest(forged, *sample.repository, kBackup, sample.keys.get()); }),
                  Code::kCorrupt)
            << from;
    }
}

TEST(Manifest, ThatIsNotSealedIsRefusedInAnEncryptedPath) {
    Sample sample(true);
    Bytes forged = FormatManifest(*sample.repository, SampleManifest(), DomainKey{});
    EXPECT_EQ(Thrown([&] { ParseManifest(forged, *sample.repository, kBackup, sample.keys.get()); }), Code::kCorrupt);
}

TEST(Manifest, WithAWrongKeyIsPermissionDenied) {
    Sample sample(true);
    sample.repository->CreateRaw(layout::Manifest(kBackup),
                                 FormatManifest(*sample.repository, SampleManifest(), sample.Domain()));
    KeyRing wrong(sample.repository, Key(AsBytes("fedcba9876543210fedcba9876543210")));
    EXPECT_EQ(Thrown([&] { ReadManifest(*sample.repository, kBackup, &wrong); }), Code::kPermissionDenied);
}

PackInfo SamplePack(const BackupId &backup, std::uint64_t n) {
    return {fmt::format("{}/{:064x}", backup, n * 0x123456789), 1000 + n, fmt::format("{:064x}", n)};
}

struct Listed {
    explicit Listed(std::uint64_t packs) : sample(false) {
        PackTable table;
        for (std::uint64_t i = 0; i < packs; i++) table.Add(SamplePack(i % 3 == 0 ? kOther : kBackup, packs - i));
        table.Add(SamplePack(kOther, packs));    // twice the same is once
        table.Seal();
        clear.backup = kBackup;
        clear.packs = table.size();
        clear.packs_digest = WritePackList(*sample.repository, kBackup, table);
    }
    std::vector<std::string> Read() {
        std::vector<std::string> packs;
        ReadPackList(*sample.repository, clear, [&](const PackInfo &info) {
            packs.push_back(fmt::format("{} {} {}", info.pack, info.size, info.sha256));
        });
        return packs;
    }
    Sample sample;
    ManifestClear clear;
};

TEST(PackList, IsReadBackSortedAndComplete) {
    Listed listed(5000);
    std::vector<std::string> packs = listed.Read();
    EXPECT_EQ(packs.size(), 5000u);
    EXPECT_TRUE(std::is_sorted(packs.begin(), packs.end()));
    PackTable same;
    for (std::uint64_t i = 0; i < 5000; i++) same.Add(SamplePack(i % 3 == 0 ? kOther : kBackup, 5000 - i));
    same.Seal();
    EXPECT_EQ(WritePackList(*listed.sample.repository, kBackup, same),
              listed.clear.packs_digest);    // a retry after a lost answer
    same.Add(SamplePack(kBackup, 9999));
    same.Seal();
    EXPECT_EQ(Thrown([&] { WritePackList(*listed.sample.repository, kBackup, same); }), Code::kAlreadyExists);
}

TEST(PackList, DetectsEveryFlipAndTruncation) {
    Listed listed(4);
    std::string name = layout::Packs(kBackup);
    Bytes object = listed.sample.Load(name);
    for (std::size_t i = 0; i < object.size(); i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{2};
        listed.sample.Replace(name, altered);
        EXPECT_TRUE(Thrown([&] { listed.Read(); })) << i;
        listed.sample.Replace(name, ByteView(object).first(i));
        EXPECT_TRUE(Thrown([&] { listed.Read(); })) << i;
    }
    listed.sample.repository->Remove({name});
    EXPECT_EQ(Thrown([&] { listed.Read(); }), Code::kNotFound);
}

TEST(PackTable, FindsWhatItHolds) {
    PackTable table;
    for (std::uint64_t i = 0; i < 1000; i++) table.Add(SamplePack(i % 2 == 0 ? kOther : kBackup, i));
    table.Seal();
    for (std::uint64_t i = 0; i < 1000; i++) {
        PackInfo wanted = SamplePack(i % 2 == 0 ? kOther : kBackup, i);
        std::optional<std::size_t> at = table.Find(wanted.pack);
        ASSERT_TRUE(at);
        EXPECT_EQ(table.At(*at).sha256, wanted.sha256);
        EXPECT_EQ(table.SizeAt(*at), wanted.size);
        EXPECT_FALSE(table.Find(SamplePack(i % 2 == 1 ? kOther : kBackup, i).pack));
    }
    EXPECT_FALSE(table.Find("nonsense"));
    EXPECT_THROW(table.Add({"nonsense", 1, std::string(64, '0')}), Error);
}

}    // namespace
}    // namespace ark::test
