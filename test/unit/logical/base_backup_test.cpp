#include "logical/base_backup.h"

#include <gmock/gmock.h>

#include "logical/entries.h"
#include "repo/tree_walk.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Warnings : Log {
    void Note(std::string_view) override {}
    void Warn(std::string_view message) override { all.emplace_back(message); }
    void Report(const Progress &) override {}
    std::vector<std::string> all;
};

std::string PathOf(std::size_t i) { return ChunkPath(TablePrefix("public", "t"), i); }

// A leaf of a tree so large that its root is of inner nodes: damage there shows only when a backup comes to it.
TEST(BaseBackup, WithADamagedLeafIsReusedUpToItAndTheRestIsStoredAfresh) {
    constexpr std::size_t kEntries = 75'000;
    Sample store(false);
    auto session = store.Begin();
    auto packs = session->NewPackWriter({});
    FrameRef rows = packs->Append(SampleText(1000, 1));
    TreeWriter tree(*packs, session->key());
    for (std::size_t i = 0; i < kEntries; i++) tree.Add({{"path", PathOf(i)}, {"frames", FramesJson({rows})}});
    TreeRoot root = tree.Finish();
    packs->Finish();
    session->Commit({{"tree", ToJson(root)}});
    ASSERT_EQ(root.level, 1);

    std::vector<std::pair<std::string, FrameRef>> leaves;    // by first path
    for (TreeWalk walk(store.Reader(), root, 1); const Json *line = walk.Current(); walk.Next())
        leaves.emplace_back(line->at("first").get<std::string>(), NodeOf(*line));
    ASSERT_GT(leaves.size(), 64u);
    const auto &[damaged_path, damaged] = leaves[leaves.size() / 2];
    Bytes object = store.Load(layout::Pack(damaged.pack));
    object[damaged.at + damaged.stored / 2] ^= std::byte{1};
    store.Replace(layout::Pack(damaged.pack), object);

    store.clock.Advance(std::chrono::hours(1));
    auto next = store.Begin({session->id()});
    ASSERT_EQ(next->bases().size(), 1u);
    Warnings warnings;
    Compaction compaction(*store.repository, next->frames(), next->BaseManifest(session->id()), {.rewrite_share = 1.0},
                          NeverCancelled());
    EXPECT_FALSE(compaction.LeavesPack(rows));
    BaseBackup base(*next, compaction, warnings);
    EXPECT_EQ(base.FramesAt(PathOf(5)).size(), 1u);
    EXPECT_THAT(warnings.all, IsEmpty());
    EXPECT_THAT(base.FramesAt(damaged_path), IsEmpty());
    EXPECT_THAT(warnings.all, ElementsAre(HasSubstr(session->id())));
    EXPECT_THAT(base.FramesAt(PathOf(kEntries - 1)), IsEmpty());
    base.Rewind();    // another attempt of the same backup asks no more
    EXPECT_THAT(base.FramesAt(PathOf(5)), IsEmpty());
    EXPECT_EQ(warnings.all.size(), 1u);
}

}    // namespace
}    // namespace ark::test
