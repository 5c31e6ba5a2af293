#include "repo/tree.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <fstream>

#include "repo/tree_walk.h"
#include "unit/repo/sample.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARK_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARK_ADDRESS_SANITIZER 1
#endif
#endif
#if ARK_ADDRESS_SANITIZER
#include <sanitizer/allocator_interface.h>
#endif

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

const std::string kPad(500, 'p');        // so that few entries make a tree of several levels
constexpr std::size_t kMany = 30'000;    // entries of a tree with inner nodes

struct Forest {
    explicit Forest(bool encrypted) : sample(encrypted) {}

    std::unique_ptr<PackWriter> Packs() {
        return std::make_unique<PackWriter>(sample.repository, sample.Domain(), kBackup, PackSettings{}, sample.random,
                                            [](PackInfo) {});
    }
    // `edit` may change an entry; `frames` receives how many bytes were stored.
    TreeRoot Write(std::size_t entries, const std::function<void(std::size_t, Json &)> &edit = nullptr,
                   TreeWriter::Reuse reuse = nullptr) {
        auto packs = Packs();
        TreeWriter writer(*packs, sample.Domain(), std::move(reuse));
        for (std::size_t i = 0; i < entries; i++) {
            Json entry = Entry(i);
            if (edit) edit(i, entry);
            if (!entry.is_null()) writer.Add(entry);
        }
        TreeRoot root = writer.Finish();
        packs->Finish();
        stored = packs->stored_bytes();
        return root;
    }
    static std::string PathOf(std::size_t i) { return fmt::format("table/public/t{:07}/columns", i * 2); }
    static Json Entry(std::size_t i) {
        return {{"path", PathOf(i)},
                {"oid", 16384 + i},
                {"owner", "app"},
                {"columns", {{{"name", "id"}, {"type", "bigint"}}, {{"name", "body"}, {"type", "text"}}}},
                {"digest", fmt::format("{:064x}", i * 7919)},
                {"pad", kPad}};
    }
    TreeCursor Cursor(const TreeRoot &root) { return TreeCursor(sample.Reader(), root); }

    Sample sample;
    std::uint64_t stored = 0;
};

// A sanitizer keeps what was freed resident, and knows what is in use.
#if ARK_ADDRESS_SANITIZER
std::uint64_t BytesInUse() { return __sanitizer_get_current_allocated_bytes(); }
#else
std::uint64_t BytesInUse() {
    std::ifstream status("/proc/self/statm");
    std::uint64_t total = 0, resident = 0;
    status >> total >> resident;
    return resident * 4096;
}
#endif

TEST(Tree, GivesBackItsEntriesInOrder) {
    for (bool encrypted : {false, true}) {
        for (std::size_t entries : {0, 1, 300, 3000}) {
            Forest forest(encrypted);
            TreeRoot root = TreeRootFromJson(ToJson(forest.Write(entries)));
            TreeCursor cursor = forest.Cursor(root);
            for (std::size_t i = 0; i < entries; i++, cursor.Next()) {
                ASSERT_NE(cursor.Current(), nullptr);
                ASSERT_EQ(*cursor.Current(), Forest::Entry(i));
                ASSERT_EQ(cursor.Path(), Forest::PathOf(i));
            }
            EXPECT_EQ(cursor.Current(), nullptr);
            cursor.Next();
            EXPECT_EQ(cursor.Current(), nullptr);
            EXPECT_THROW(cursor.Path(), Error);
        }
    }
}

TEST(Tree, RefusesEntriesOutOfOrder) {
    Forest forest(false);
    auto packs = forest.Packs();
    TreeWriter writer(*packs, forest.sample.Domain());
    writer.Add({{"path", "b"}});
    EXPECT_THROW(writer.Add({{"path", "b"}}), Error);
    EXPECT_THROW(writer.Add({{"path", "a"}}), Error);
    EXPECT_THROW(writer.Add({{"path", ""}}), Error);
    EXPECT_THROW(writer.Add({{"name", "c"}}), Error);
    EXPECT_EQ(Thrown([&] { writer.Add({{"path", "c\xff"}}); }), Code::kInvalidArgument);
}

TEST(Tree, NodesStayWithinTheirSizes) {
    Forest forest(false);
    TreeRoot root = forest.Write(kMany);
    EXPECT_EQ(root.level, 1);
    TreeWalk nodes(forest.sample.Reader(), root, 1);
    std::uint64_t count = 0, bytes = 0, entries = 0;
    for (const Json *line = nodes.Current(); line != nullptr; line = nodes.Current(), count++) {
        std::uint64_t size = NodeOf(*line).size;
        EXPECT_LE(size, 1u << 20);
        bytes += size;
        entries += line->at("entries").get<std::uint64_t>();
        nodes.Next();
        EXPECT_TRUE(nodes.Current() == nullptr || size >= 64u << 10);
    }
    EXPECT_EQ(entries, kMany);
    EXPECT_GT(bytes / count, 128u << 10);
    EXPECT_LT(bytes / count, 400u << 10);
}

TEST(Tree, SeeksToTheFirstEntryAtOrAfterAPath) {
    for (std::size_t entries : std::vector<std::size_t>{40, 3000, kMany}) {
        Forest forest(true);
        TreeCursor cursor = forest.Cursor(forest.Write(entries));
        auto seek = [&](const std::string &path) {
            cursor.Seek(path);
            return cursor.Current() == nullptr ? std::string("end") : cursor.Path();
        };
        EXPECT_EQ(seek(""), Forest::PathOf(0));
        EXPECT_EQ(seek("zzz"), "end");
        cursor.Next();
        EXPECT_EQ(cursor.Current(), nullptr);
        EXPECT_EQ(seek("a"), Forest::PathOf(0));
        SeededRandom random(entries);
        for (int n = 0; n < 40; n++) {
            std::size_t i = random.Below(entries);
            EXPECT_EQ(seek(Forest::PathOf(i)), Forest::PathOf(i));
            EXPECT_EQ(seek(Forest::PathOf(i) + "!"), i + 1 < entries ? Forest::PathOf(i + 1) : "end");
            if (i + 2 < entries) {
                cursor.Seek(Forest::PathOf(i));
                cursor.Next();
                cursor.Next();
                EXPECT_EQ(cursor.Path(), Forest::PathOf(i + 2));
            }
        }
        for (std::size_t i = 0; i < entries; i += 1 + entries / 30)
            EXPECT_EQ(seek(Forest::PathOf(i)), Forest::PathOf(i));    // forward, as a merge does
    }
}

TEST(Tree, OneChangedEntryStoresOnePathOfNodes) {
    Forest forest(true);
    TreeRoot base = forest.Write(kMany);
    std::uint64_t whole = forest.stored;
    auto reuse = [&] { return NodeReuse(forest.sample.Reader(), base, [](const FrameRef &) { return true; }); };
    TreeRoot same = forest.Write(kMany, nullptr, reuse());
    EXPECT_EQ(ToJson(same), ToJson(base));
    EXPECT_EQ(forest.stored, 0u);
    TreeRoot changed = forest.Write(
        kMany,
        [](std::size_t i, Json &entry) {
            if (i == 14'321) entry["owner"] = "other";
        },
        reuse());
    EXPECT_GT(forest.stored, 0u);
    EXPECT_LT(forest.stored, whole / 20);
    TreeCursor cursor = forest.Cursor(changed);
    cursor.Seek(Forest::PathOf(14'320));
    EXPECT_EQ(cursor.Current()->at("owner"), "app");
    cursor.Next();
    EXPECT_EQ(cursor.Current()->at("owner"), "other");
    TreeRoot shorter = forest.Write(
        kMany,
        [](std::size_t i, Json &entry) {
            if (i == 27'000) entry = nullptr;
        },
        reuse());
    EXPECT_LT(forest.stored, whole / 20);
    TreeCursor after = forest.Cursor(shorter);
    after.Seek(Forest::PathOf(27'000));
    EXPECT_EQ(after.Path(), Forest::PathOf(27'001));
}

TEST(Tree, StoresAfreshWhatMayNotBeReferenced) {
    Forest forest(false);
    TreeRoot base = forest.Write(5'000);
    std::uint64_t whole = forest.stored;
    TreeRoot again =
        forest.Write(5'000, nullptr, NodeReuse(forest.sample.Reader(), base, [](const FrameRef &) { return false; }));
    EXPECT_GT(forest.stored, whole * 9 / 10);
    EXPECT_NE(ToJson(again), ToJson(base));
}

TEST(Tree, MemoryDoesNotGrowWithTheNumberOfEntries) {
    Forest forest(false);
    TreeRoot base = forest.Write(5'000);    // warms up what is allocated once
    std::uint64_t before = BytesInUse(), most = before;
    TreeRoot root = forest.Write(
        40'000,
        [&](std::size_t i, Json &entry) {
            entry.erase("pad");
            if (i % 4'000 == 0) most = std::max(most, BytesInUse());
        },
        NodeReuse(forest.sample.Reader(), base, [](const FrameRef &) { return true; }));
    TreeCursor cursor = forest.Cursor(root);
    for (std::size_t i = 0; cursor.Current() != nullptr; cursor.Next(), i++)
        if (i % 4'000 == 0) most = std::max(most, BytesInUse());
    EXPECT_LT(most - before, (16u << 20) + forest.stored);    // the store itself is memory here
}

TEST(Tree, WithNodesInWrongPlacesIsRefused) {
    Forest forest(false);
    TreeRoot root = forest.Write(3000);
    ASSERT_GT(root.frames.size(), 1u);
    std::swap(root.frames[0], root.frames[1]);
    auto walk = [&](const TreeRoot &wrong) {
        return Thrown([&] {
            TreeCursor cursor = forest.Cursor(wrong);
            while (cursor.Current() != nullptr) cursor.Next();
        });
    };
    EXPECT_EQ(walk(root), Code::kCorrupt);
    TreeRoot twice = forest.Write(kMany);
    twice.level = 0;    // inner nodes taken for leaves
    EXPECT_EQ(walk(twice), Code::kCorrupt);
    twice.level = 2;
    EXPECT_EQ(walk(twice), Code::kCorrupt);
    auto packs = forest.Packs();
    for (const char *node : {"", "no line", "[]\n", "{\"path\":7}\n", "{\"path\":\"a\"}\n{\"path\":\"a\"}\n",
                             "{\"path\":\"b\"}\n{\"path\":\"a\"}\n"}) {
        TreeRoot one{0, {packs->Append(AsBytes(node))}};
        packs->Finish();
        EXPECT_EQ(walk(one), Code::kCorrupt) << node;
    }
}

}    // namespace
}    // namespace ark::test
