// Stores that earlier versions wrote are read for ever. test/support/make_tiny_repositories says what they hold.
#include <gmock/gmock.h>

#include <fstream>

#include "base/encoding.h"
#include "repo/sweep.h"
#include "repo/verify.h"
#include "storage/file_storage.h"
#include "support/temporary_directory.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kKept = fs::path(ARK_TEST_DATA) / "repositories";

std::vector<std::string> Formats() {
    std::vector<std::string> found;
    for (const auto &entry : fs::directory_iterator(kKept)) found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
}

std::string TextOf(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// A copy of a kept store, opened as a program opens it.
struct Kept {
    Kept(const std::string &format, const std::string &name) : folder(kKept / format) {
        fs::copy(folder / name, copy.path() / "store", fs::copy_options::recursive);
        storage = MakeFileStorage(copy.path() / "store", NeverCancelled());
        std::vector<ClusterName> clusters = Repository::Clusters(*storage);
        EXPECT_EQ(clusters.size(), 1u);
        repository = Repository::Open(storage, clusters.at(0));
        repository->SetEpoch(1);
        std::optional<Key> kek;
        if (repository->encrypted()) {
            std::string key = copy.path() / "key";
            std::ofstream(key) << TextOf(folder / (name + ".key"));
            fs::permissions(key, fs::perms::owner_read);
            kek = LoadKey("file:" + key);
        }
        keys = std::make_shared<KeyRing>(repository, kek);
    }
    std::vector<BackupSummary> List() { return ListBackups(*repository, keys.get(), clock.Now()); }

    fs::path folder;
    TemporaryDirectory copy;
    FakeClock clock{ParseTime("2030-01-01T00:00:00Z")};
    SeededRandom random{1};
    StoragePtr storage;
    std::shared_ptr<Repository> repository;
    std::shared_ptr<KeyRing> keys;
};

// The rows of every table of a backup, by "<schema>.<table>", both percent-encoded.
std::map<std::string, std::string> RowsOf(Kept &store, const BackupSummary &backup) {
    auto reader = std::make_shared<FrameReader>(store.repository, store.keys);
    std::map<std::string, std::string> rows;
    for (TreeCursor at(reader, TreeRootFromJson(backup.manifest.body.at("tree"))); at.Current() != nullptr; at.Next()) {
        std::string path = at.Path();
        if (!path.starts_with("table/")) continue;
        std::string table = path.substr(6, path.find('/', path.find('/', 6) + 1) - 6);
        table[table.find('/')] = '.';
        if (path.ends_with("/columns") && at.Current()->at("kind") == "r") rows[table];
        if (path.find("/data/") == std::string::npos) continue;
        for (const Json &ref : at.Current()->at("frames")) rows[table] += AsText(reader->Read(FrameRefFromJson(ref)));
    }
    return rows;
}

std::map<std::string, std::string> Expected(const fs::path &folder) {
    std::map<std::string, std::string> rows;
    for (const auto &entry : fs::directory_iterator(folder)) rows[entry.path().filename()] = TextOf(entry.path());
    return rows;
}

class KeptRepository : public testing::TestWithParam<std::tuple<std::string, const char *>> {};
INSTANTIATE_TEST_SUITE_P(Repo, KeptRepository,
                         testing::Combine(testing::ValuesIn(Formats()), testing::Values("plain", "encrypted")));

TEST_P(KeptRepository, GivesBackEveryRowOfEveryTable) {
    auto [format, name] = GetParam();
    Kept store(format, name);
    std::vector<BackupSummary> backups = store.List();
    ASSERT_EQ(backups.size(), 2u);
    for (const BackupSummary &backup : backups) {
        EXPECT_EQ(backup.error, "");
        std::map<std::string, std::string> expected =
            Expected(store.folder / "rows" / std::to_string(backup.manifest.clear.sequence));
        EXPECT_GE(expected.size(), 5u);
        EXPECT_EQ(RowsOf(store, backup), expected);
        EXPECT_EQ(backup.manifest.body["database"], "tiny");
        VerifyResult verified = VerifyBackup(*store.repository, store.keys, backup, VerifyLevel::kDecode, nullptr,
                                             NeverCancelled(), SilentLog());
        EXPECT_TRUE(verified.ok);
        EXPECT_GT(verified.rows, 70u);
    }
}

// And this version goes on where the earlier one stopped.
TEST_P(KeptRepository, TakesANewBackupThatReusesTheOldOnes) {
    auto [format, name] = GetParam();
    Kept store(format, name);
    BackupSummary newest = store.List().at(0), oldest = store.List().at(1);
    std::map<std::string, std::string> rows = RowsOf(store, newest);
    BackupPlan plan{.kind = "logical",
                    .domain = newest.manifest.clear.domain,
                    .bases = {newest.manifest.clear.backup},
                    .reason = "test",
                    .full_every = std::chrono::hours(24 * 365 * 100)};
    auto session = BackupSession::Begin(store.repository, store.keys, plan, store.clock, store.random);
    ASSERT_EQ(session->bases().size(), 1u) << testing::PrintToString(session->unused_bases());
    EXPECT_EQ(session->sequence(), 3u);
    auto packs = session->NewPackWriter({});
    TreeWriter tree(*packs, session->key());
    for (TreeCursor at(session->frames(), TreeRootFromJson(newest.manifest.body.at("tree"))); at.Current() != nullptr;
         at.Next()) {
        for (const Json &ref : at.Current()->value("frames", Json::array()))
            EXPECT_TRUE(session->Reference(FrameRefFromJson(ref)));
        tree.Add(*at.Current());
    }
    TreeRoot root = tree.Finish();
    packs->Finish();
    session->Commit({{"database", "tiny"}, {"tree", ToJson(root)}});
    EndBackup(*store.repository, oldest.manifest.clear.backup, "test", "test", store.clock);
    EndBackup(*store.repository, newest.manifest.clear.backup, "test", "test", store.clock);
    Sweep(*store.repository, {}, store.clock, NeverCancelled(), SilentLog());
    ASSERT_EQ(store.List().size(), 1u);
    EXPECT_EQ(RowsOf(store, store.List().at(0)), rows);
}

class FutureBit : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Repo, FutureBit, testing::ValuesIn(Formats()));

TEST_P(FutureBit, IsRefusedByNameAndKeepsTheSweepFromDeleting) {
    Kept store(GetParam(), "future_bit");
    std::vector<BackupSummary> backups = store.List();
    ASSERT_EQ(backups.size(), 1u);
    EXPECT_THAT(backups[0].error, HasSubstr("invented_for_a_test"));
    const BackupId &id = backups[0].manifest.clear.backup;
    Error error = ErrorOf([&] { ReadManifest(*store.repository, id, store.keys.get()); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.detail, HasSubstr("invented_for_a_test"));
    EXPECT_THAT(error.hint, HasSubstr("newer pg_ark"));
    EXPECT_FALSE(VerifyBackup(*store.repository, store.keys, backups[0], VerifyLevel::kExists, nullptr,
                              NeverCancelled(), SilentLog())
                     .ok);
    auto before = ContentOf(*store.storage);
    ASSERT_TRUE(std::ranges::any_of(before, [](const auto &object) { return object.first.ends_with("/end"); }));
    error = ErrorOf([&] { Sweep(*store.repository, {}, store.clock, NeverCancelled(), SilentLog()); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.message, HasSubstr(id));
    EXPECT_THAT(error.detail, HasSubstr("invented_for_a_test"));
    EXPECT_EQ(ContentOf(*store.storage), before);
}

TEST(KeptKey, OfAnotherStoreIsOneClearError) {
    Kept store(Formats().at(0), "encrypted");
    KeyRing wrong(store.repository, Key(AsBytes("0123456789abcdef0123456789abcdef")));
    EXPECT_EQ(Thrown([&] { ListBackups(*store.repository, &wrong, store.clock.Now()); }), Code::kPermissionDenied);
}

}    // namespace
}    // namespace ark::test
