#include "repo/catalog.h"

#include <gmock/gmock.h>

#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Catalog : public testing::TestWithParam<bool> {
protected:
    BackupId Take(const std::string &database, const std::string &label = {}, const std::string &kind = "logical") {
        store.clock.Advance(std::chrono::hours(1));
        BackupPlan plan{.kind = kind, .domain = "cluster", .bases = {}, .reason = "test"};
        auto session = BackupSession::Begin(store.repository, store.keys, plan, store.clock, store.random);
        session->Commit({{"database", database}, {"label", label}, {"tree", ToJson(TreeRoot{})}});
        return session->id();
    }
    std::vector<BackupSummary> List(bool with_ended = false) {
        return ListBackups(*store.repository, store.keys.get(), store.clock.Now(), with_ended);
    }
    static std::vector<BackupId> Ids(const std::vector<BackupSummary> &backups) {
        std::vector<BackupId> ids;
        for (const BackupSummary &backup : backups) ids.push_back(backup.manifest.clear.backup);
        return ids;
    }
    BackupId Find(std::string_view point, std::string_view database = {}, std::string_view kind = {}) {
        return FindBackup(*store.repository, store.keys.get(), store.clock.Now(), point, database, kind)
            .manifest.clear.backup;
    }
    Event Write(const BackupId &id, const std::string &type, Json body) {
        return WriteEvent(*store.repository, store.Domain(), {.subject = id, .type = type, .body = std::move(body)},
                          store.clock, store.random);
    }

    Sample store{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Repo, Catalog, testing::Bool());

TEST_P(Catalog, ListsTheNewestFirstWhateverTheClockSays) {
    EXPECT_THAT(List(), IsEmpty());
    BackupId first = Take("shop"), second = Take("shop");
    store.clock.Advance(-std::chrono::hours(24 * 300));
    BackupId third = Take("blog");
    EXPECT_THAT(Ids(List()), ElementsAre(third, second, first));
    EXPECT_EQ(Find("latest"), third);
    EXPECT_EQ(List()[0].manifest.body["database"], "blog");
}

TEST_P(Catalog, HidesWhatHasEndedIsOpenOrWasFenced) {
    BackupId first = Take("shop"), second = Take("shop");
    EXPECT_TRUE(EndBackup(*store.repository, first, "old", "ann", store.clock));
    EXPECT_FALSE(EndBackup(*store.repository, first, "old", "ann", store.clock));
    auto open = store.Begin(), fenced = store.Begin();
    EXPECT_TRUE(FenceBackup(*store.repository, fenced->id(), store.clock));
    EXPECT_FALSE(FenceBackup(*store.repository, fenced->id(), store.clock));
    EXPECT_FALSE(FenceBackup(*store.repository, second, store.clock));    // committed before
    EXPECT_THAT(Ids(List()), ElementsAre(second));
    EXPECT_THAT(Ids(List(true)), ElementsAre(second, first));
    EXPECT_TRUE(List(true)[1].ended);
    std::vector<OpenBackup> found = OpenBackups(*store.repository);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].id, open->id());
    EXPECT_EQ(found[0].pid, getpid());
    EXPECT_EQ(found[0].begun, store.clock.Now());
}

TEST_P(Catalog, TellsByNamesAloneWhatCameAndWent) {
    BackupId first = Take("shop"), second = Take("shop"), third = Take("blog", "base", "physical");
    EndBackup(*store.repository, second, "old", "ann", store.clock);
    auto open = store.Begin(), fenced = store.Begin();
    FenceBackup(*store.repository, fenced->id(), store.clock);
    EXPECT_THAT(NamesOfBackups(*store.repository), testing::UnorderedElementsAre(first, third, fenced->id()));
    auto read = [&](const std::set<BackupId> &ids) {
        return Ids(ReadBackups(*store.repository, store.keys.get(), store.clock.Now(), ids));
    };
    EXPECT_THAT(read(NamesOfBackups(*store.repository)), ElementsAre(third, first)) << "what is complete";
    EXPECT_THAT(read({first, second, open->id(), "20260101T000000Z-00000000"}), ElementsAre(first));
    EXPECT_THAT(read({}), IsEmpty());
}

TEST_P(Catalog, FindsByIdLabelAnnotationDatabaseAndKind) {
    BackupId first = Take("shop", "golden"), second = Take("blog"), third = Take("shop", "", "entities");
    Take("shop", "before restore 1");    // a safety copy is never the latest backup
    EXPECT_EQ(Find(first), first);
    EXPECT_EQ(Find("golden"), first);
    EXPECT_EQ(Find("latest"), third);
    EXPECT_EQ(Find("latest", "blog"), second);
    EXPECT_EQ(Find("latest", "shop", "logical"), first);
    EXPECT_EQ(Find("before restore 1"), Ids(List()).front());
    Write(second, "annotate", {{"label", "golden"}});
    EXPECT_EQ(Find("golden"), second);    // the newest that bears it
    EXPECT_EQ(Find("golden", "shop"), first);
    Write(first, "annotate", {{"label", "silver"}});
    EXPECT_EQ(Thrown([&] { Find("golden", "shop"); }), Code::kNotFound);    // it was renamed
    Error error = ErrorOf([&] { Find("20260116T080000Z-00000000"); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_THAT(error.detail, HasSubstr(third));
    EXPECT_THAT(ErrorOf([&] { Find("latest", "other"); }).message, HasSubstr("\"other\""));
}

TEST_P(Catalog, CarriesHoldsAndTheNewestVerification) {
    BackupId id = Take("shop");
    Write(id, "hold", {{"by", "ann"}, {"reason", "audit"}});
    Write(id, "verified", {{"level", "checksum"}, {"ok", true}});
    Write(id, "verified", {{"level", "decode"}, {"ok", false}});
    BackupSummary backup = List().at(0);
    EXPECT_TRUE(backup.hold.held);
    EXPECT_EQ(backup.hold.reason, "audit");
    ASSERT_TRUE(backup.verified);
    EXPECT_EQ(backup.verified->body["level"], "decode");
    EXPECT_EQ(backup.events.size(), 3u);
    EXPECT_EQ(backup.error, "");
}

// What cannot be read is what one looks for at night: listed, with the reason; and the others stay readable.
TEST_P(Catalog, ListsADamagedManifestWithTheReason) {
    BackupId first = Take("shop"), second = Take("shop"), third = Take("shop");
    Bytes object = store.Load(layout::Manifest(second));
    object[object.size() - 100] ^= std::byte{1};
    store.Replace(layout::Manifest(second), object);
    Rewrite(store, layout::Manifest(third),
            [](std::string &text) { Substitute(text, "\"required\":[]", "\"required\":[\"invented\"]"); });
    std::map<BackupId, std::string> errors;
    for (const BackupSummary &backup : List()) errors[backup.manifest.clear.backup] = backup.error;
    EXPECT_EQ(errors.size(), 3u);
    EXPECT_EQ(errors[first], "");
    EXPECT_THAT(errors[second], HasSubstr("digest"));
    EXPECT_THAT(errors[third], HasSubstr("invented"));
    EXPECT_EQ(Find(first), first);
}

TEST_P(Catalog, ADamagedBeginKeepsNoBackupFromBeingTaken) {
    BackupId first = Take("shop"), second = Take("shop");
    Bytes object = store.Load(layout::Begin(second));
    object[object.size() / 2] ^= std::byte{1};
    store.Replace(layout::Begin(second), object);
    EXPECT_EQ(store.Begin()->sequence(), 3u);
    EXPECT_EQ(Find("latest"), second);
}

// After a removal was complete, a request that was on its way for long brings the manifest back: it is no backup.
TEST_P(Catalog, DoesNotListAManifestThatCameBackAlone) {
    BackupId id = Take("shop");
    store.repository->Remove({layout::Begin(id)});
    EXPECT_THAT(Ids(List()), ElementsAre(id));    // the begin alone may be lost: the backup is still whole
    store.repository->Remove({layout::Packs(id)});
    EXPECT_THAT(List(true), IsEmpty());
}

TEST(CatalogKeys, AWrongKeyIsOneClearErrorAndNoKeyListsWhatIsClear) {
    Sample store(true);
    auto session = store.Begin();
    TakeBackup(*session);
    KeyRing wrong(store.repository, Key(AsBytes("fedcba9876543210fedcba9876543210")));
    Error error = ErrorOf([&] { ListBackups(*store.repository, &wrong, store.clock.Now()); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr(KeyFingerprint(*store.kek)));
    EXPECT_THAT(error.detail, HasSubstr(KeyFingerprint(Key(AsBytes("fedcba9876543210fedcba9876543210")))));
    std::vector<BackupSummary> clear = ListBackups(*store.repository, nullptr, store.clock.Now());
    ASSERT_EQ(clear.size(), 1u);
    EXPECT_FALSE(clear[0].manifest.readable());
    EXPECT_EQ(clear[0].error, "");
    EXPECT_GT(clear[0].manifest.clear.stored_bytes, 0u);
}

}    // namespace
}    // namespace ark::test
