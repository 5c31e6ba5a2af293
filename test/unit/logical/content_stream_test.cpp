// Reading many entries of a backup in few requests.
#include "logical/content_stream.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "logical/backup_reader.h"
#include "logical/entries.h"
#include "repo/verify.h"
#include "unit/repo/sample.h"
#include "unit/repo/watched_storage.h"

namespace ark::test {
namespace {

constexpr std::size_t kTables = 2000, kObjects = 500, kTogether = 100;

std::string NameOf(std::size_t i) { return fmt::format("t{:04}", i); }
Bytes RowsOf(std::size_t i) { return i % 10 == 9 ? Bytes() : SampleText(300 + i % 700, i); }
Bytes ObjectOf(std::size_t i) { return SampleText(200 + i, i); }

// A backup of many small tables and large objects, stored as two threads store them: groups of neighbours by turns.
struct ManySmall : testing::TestWithParam<bool> {
    ManySmall() {
        auto session = sample.Begin();
        auto first = session->NewPackWriter({}), second = session->NewPackWriter({}),
             nodes = session->NewPackWriter({});
        TreeWriter tree(*nodes, session->key());
        for (std::size_t i = 0; i < kObjects; i++)
            tree.Add({{"path", LargeObjectPath(i)}, {"frames", FramesJson({first->Append(ObjectOf(i))})}});
        for (std::size_t i = 0; i < kTables; i++) {
            PackWriter &packs = i / kTogether % 2 == 0 ? *first : *second;
            BackupTable table;
            table.schema = "public";
            table.name = NameOf(i);
            tree.Add(ColumnsEntry(table));
            if (Bytes rows = RowsOf(i); !rows.empty()) {
                std::size_t half = rows.size() / 2;    // two chunks
                FrameRef front = packs.Append(ByteView(rows).first(half)),
                         back = packs.Append(ByteView(rows).subspan(half));
                std::string prefix = TablePrefix(table.schema, table.name);
                tree.Add({{"path", ChunkPath(prefix, 0)}, {"frames", FramesJson({front})}});
                tree.Add({{"path", ChunkPath(prefix, 1)}, {"frames", FramesJson({back})}});
            }
            tree.Add(TotalsEntry(table));
        }
        TreeRoot root = tree.Finish();
        for (auto *packs : {&first, &second, &nodes}) (*packs)->Finish();
        session->Commit({{"tree", ToJson(root)}});
        watched = std::make_shared<WatchedStorage>(sample.storage);
        auto repository = Repository::Open(watched, kSampleCluster);
        id = session->id();
        reader = std::make_unique<BackupReader>(repository, std::make_shared<KeyRing>(repository, sample.kek),
                                                session->id());
        watched->Forget();
    }
    static Bytes Next(ContentStream &stream) {
        Bytes all;
        stream.Next([&](ByteView part) { Append(all, part); });
        return all;
    }
    std::size_t Requests() const { return watched->lengths().size() + watched->headers(); }

    Sample sample{GetParam()};
    BackupId id;
    std::shared_ptr<WatchedStorage> watched;
    std::unique_ptr<BackupReader> reader;
};
INSTANTIATE_TEST_SUITE_P(Logical, ManySmall, testing::Bool());

TEST_P(ManySmall, TablesSideBySideCostFewRequests) {
    std::vector<std::string> paths;
    TreeCursor cursor = reader->Entries();
    while (std::optional<BackupTable> table = BackupReader::NextTable(cursor)) paths.push_back(RowsPath(*table));
    ASSERT_EQ(paths.size(), kTables);
    ContentStream stream = reader->Contents(paths);
    for (std::size_t i = 0; i < kTables; i++) ASSERT_EQ(Next(stream), RowsOf(i)) << i;
    RecordProperty("requests", std::to_string(Requests()));
    EXPECT_LT(Requests(), 40u);    // most of them for the tree, which is larger than the data
    EXPECT_EQ(Thrown([&] { Next(stream); }), Code::kInternal);
}

TEST_P(ManySmall, LargeObjectsToo) {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < kObjects; i++) paths.push_back(LargeObjectPath(i));
    ContentStream stream = reader->Contents(paths);
    for (std::size_t i = 0; i < kObjects; i++) ASSERT_EQ(Next(stream), ObjectOf(i)) << i;
    EXPECT_LT(Requests(), 10u);
}

TEST_P(ManySmall, OneByOneTheTreeIsNotReadAgain) {
    for (std::size_t i = 0; i < kTables; i++) {
        std::optional<BackupTable> table = reader->Table("public", NameOf(i));
        ASSERT_TRUE(table);
        if (i % 50 != 0) continue;
        Bytes rows;
        reader->Rows(*table, [&](ByteView part) { Append(rows, part); });
        ASSERT_EQ(rows, RowsOf(i));
    }
    EXPECT_LT(Requests(), 120u);    // forty times rows
    EXPECT_FALSE(reader->Table("public", "t0000x"));
    EXPECT_FALSE(reader->Table("zzz", "t"));
    EXPECT_TRUE(reader->Table("public", NameOf(3)));
}

TEST_P(ManySmall, AnyOrderWillDo) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < kTables; i += 37) order.push_back(i * 7919 % kTables);
    order.push_back(order.back());
    std::vector<std::string> paths;
    for (std::size_t i : order) paths.push_back(TablePrefix("public", NameOf(i)) + "data/");
    ContentStream stream = reader->Contents(paths);
    for (std::size_t i : order) ASSERT_EQ(Next(stream), RowsOf(i)) << i;
}

TEST_P(ManySmall, WhatIsNotThereIsAnErrorForAnEntryAndNothingForATable) {
    ContentStream nothing = reader->Contents({"table/public/none/data/"});
    EXPECT_EQ(Next(nothing), Bytes());
    ContentStream stream = reader->Contents({LargeObjectPath(3), LargeObjectPath(kObjects)});
    EXPECT_EQ(Thrown([&] {
                  Next(stream);
                  Next(stream);
              }),
              Code::kNotFound);
    EXPECT_EQ(Thrown([&] { reader->Content("schema/toc", [](ByteView) {}); }), Code::kNotFound);
    Bytes object;
    reader->Content(LargeObjectPath(4), [&](ByteView part) { Append(object, part); });
    EXPECT_EQ(object, ObjectOf(4));
}

TEST_P(ManySmall, AreVerifiedInFewRequestsToo) {
    auto repository = Repository::Open(watched, kSampleCluster);
    auto keys = std::make_shared<KeyRing>(repository, sample.kek);
    BackupSummary backup = FindBackup(*repository, keys.get(), sample.clock.Now(), id);
    watched->Forget();
    VerifyResult result =
        VerifyBackup(*repository, keys, backup, VerifyLevel::kDecode, nullptr, NeverCancelled(), SilentLog());
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(result.frames, kObjects + kTables * 9 / 10 * 2);
    EXPECT_LT(Requests(), 60u);
}

// The visitor may stop anywhere; what was read ahead is forgotten.
TEST_P(ManySmall, AStreamThatIsLeftHarmsNobody) {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < kTables; i++) paths.push_back(TablePrefix("public", NameOf(i)) + "data/");
    for (int time = 0; time < 3; time++) {
        ContentStream stream = reader->Contents(paths);
        EXPECT_EQ(Thrown([&] { stream.Next([](ByteView) { throw Error(Code::kCancelled, "enough"); }); }),
                  Code::kCancelled);
        ContentStream other = reader->Contents({paths[700], paths[701]});
        EXPECT_EQ(Next(other), RowsOf(700));
    }
}

}    // namespace
}    // namespace ark::test
