#include <gtest/gtest.h>

#include <thread>

#include "logical/whole/dump_contents.h"
#include "logical/whole/load_plan.h"

namespace ark {
namespace {

TEST(DumpContents, NamesTheRolesThatGrantsGiveTo) {
    EXPECT_EQ(GranteesOf("REVOKE ALL ON TABLE public.t FROM bob;\nGRANT SELECT ON TABLE public.t TO bob;\n"
                         "GRANT SELECT(\"a TO b\") ON TABLE public.t TO \"Odd \"\"name\"\" TO x\" WITH GRANT OPTION;\n"
                         "GRANT USAGE ON SCHEMA s TO PUBLIC;\n"),
              (std::vector<std::string>{"bob", "Odd \"name\" TO x"}));
    EXPECT_EQ(GranteesOf("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES  TO \"Bob\"\"\";\n"),
              (std::vector<std::string>{"Bob\""}));
    EXPECT_TRUE(GranteesOf("").empty());
}

TocEntry Entry(std::int32_t id, const char *description, std::string tag, DumpSection section,
               std::vector<std::int32_t> dependencies = {}) {
    TocEntry entry;
    entry.dump_id = id;
    entry.description = description;
    entry.tag = std::move(tag);
    entry.section = section;
    entry.schema = "s";
    entry.dependencies = std::move(dependencies);
    return entry;
}

TEST(IndexEntries, AreThoseThatNeedTheirTableAlone) {
    constexpr DumpSection kPre = DumpSection::kPreData, kPost = DumpSection::kPostData;
    IndexEntries entries;
    for (const TocEntry &entry :
         {Entry(1, "TABLE", "a", kPre), Entry(2, "COMMENT", "a", DumpSection::kNone), Entry(3, "TABLE", "b", kPre),
          Entry(4, "MATERIALIZED VIEW", "m", kPre), Entry(20, "FUNCTION", "f()", kPre),
          Entry(5, "TABLE DATA", "a", DumpSection::kData, {1}), Entry(6, "CONSTRAINT", "a_pkey", kPost, {1}),
          Entry(7, "COMMENT", "a_pkey", DumpSection::kNone, {6}), Entry(8, "INDEX", "a_i", kPost, {9, 1}),
          Entry(10, "INDEX", "a_after", kPost, {1, 8}), Entry(11, "INDEX", "b_i", kPost, {3}),
          Entry(12, "INDEX", "m_i", kPost, {4}), Entry(15, "INDEX", "a_f", kPost, {1, 20}),
          Entry(13, "TRIGGER", "t", kPost, {1}), Entry(14, "FK CONSTRAINT", "f", kPost, {1, 6})})
        entries.Add(entry);
    EXPECT_EQ(entries.Of("s", "a"), (std::vector<std::int32_t>{6, 8}));
    EXPECT_EQ(entries.Of("s", "b"), (std::vector<std::int32_t>{11}));
    EXPECT_TRUE(entries.Of("s", "m").empty());
    EXPECT_TRUE(entries.Of("other", "a").empty());
    EXPECT_EQ(entries.Rest({}, {}), (std::vector<std::int32_t>{6, 7, 8, 10, 11, 12, 15, 13, 14}));
    EXPECT_EQ(entries.Rest({11}, {6, 8}), (std::vector<std::int32_t>{11, 7, 10, 12, 15, 13, 14}));
}

class Queue : public ::testing::Test {
protected:
    LoadTable &Add(const std::string &name, std::size_t chunks, std::uint64_t chunk_bytes) {
        LoadTable &table = plan.tables.emplace_back();
        table.schema = "s";
        table.name = name;
        table.bytes = chunks * chunk_bytes;
        plan.bytes += table.bytes;
        LargeTable large{.table = &table, .chunks = {}, .bytes_left = table.bytes};
        for (std::size_t i = 0; i < chunks; i++) large.chunks.push_back({name + std::to_string(i), chunk_bytes});
        table.chunks_left = chunks;
        plan.large.push_back(std::move(large));
        return table;
    }
    static std::string First(const std::optional<LoadUnit> &unit) {
        return !unit ? "none" : unit->chunks.empty() ? "batch" : unit->chunks.front();
    }

    IndexGroup &AddIndexes(std::vector<LoadTable *> of, std::uint64_t work) {
        IndexGroup &group = plan.indexes.emplace_back();
        group.work = work;
        group.tables_left = of.size();
        for (LoadTable *table : of) table->indexes = &group;
        return group;
    }

    LoadPlan plan;
    FlagTicker ticker;
};

TEST_F(Queue, GivesEachConnectionATableOfItsOwnAndFreezesItWhileTheOthersAreBusyToo) {
    Add("large", 5, 100);
    Add("small", 2, 100);
    LoadQueue queue(plan, 2);
    auto large = queue.Take(ticker), small = queue.Take(ticker);
    EXPECT_EQ(First(large), "large0");
    EXPECT_EQ(First(small), "small0");
    EXPECT_TRUE(large->frozen && small->frozen);
    EXPECT_EQ(large->chunks.size(), 5u) << "as far as it goes";
    EXPECT_TRUE(queue.More(*large)) << "another chunk of the small one is left";
    EXPECT_TRUE(queue.More(*small));
    EXPECT_FALSE(queue.More(*small)) << "it has no more";
    EXPECT_FALSE(queue.More(*large)) << "the other connection comes soon";
    queue.Done(*large);
    queue.Done(*small);
    auto shared = queue.Take(ticker);
    EXPECT_EQ(First(shared), "large2");
    EXPECT_FALSE(shared->frozen) << "it is not empty any more";
    EXPECT_EQ(First(queue.Take(ticker)), "large3");
    EXPECT_EQ(First(queue.Take(ticker)), "large4");
    EXPECT_EQ(First(queue.Take(ticker)), "none");
}

TEST_F(Queue, SharesTheOnlyLargeTableFromTheBeginning) {
    Add("large", 3, 100);
    LoadQueue queue(plan, 2);
    auto first = queue.Take(ticker), second = queue.Take(ticker);
    EXPECT_EQ(First(first), "large0");
    EXPECT_EQ(First(second), "large1");
    EXPECT_FALSE(first->frozen || second->frozen);
}

TEST_F(Queue, EndsATransactionThatAnotherConnectionWaitsFor) {
    Add("one", 10000, 1);
    Add("two", 10000, 1);
    LoadQueue queue(plan, 3);
    auto one = queue.Take(ticker), two = queue.Take(ticker);
    EXPECT_TRUE(one->frozen && two->frozen);
    std::optional<LoadUnit> next;
    std::jthread waiter([&] { next = queue.Take(ticker); });
    while (queue.More(*one)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GT(one->of->chunks.size(), 0u) << "it was ended before its time";
    queue.Done(*one);
    waiter.join();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->of, one->of);
    EXPECT_FALSE(next->frozen);
}

TEST_F(Queue, DoesNotWaitForATransactionThatWillNotEnd) {
    Add("large", 3, 100);
    Add("small", 1, 200);
    LoadQueue queue(plan, 2);
    auto large = queue.Take(ticker), small = queue.Take(ticker);
    queue.Done(*small);
    ticker.Cancel();
    EXPECT_THROW(queue.Take(ticker), Error);
}

TEST_F(Queue, GivesBatchesOfSmallTablesLastButBeforeAWait) {
    LoadTable &tiny = plan.tables.emplace_back();
    tiny.bytes = 150;
    plan.batches.push_back({&tiny});
    Add("large", 2, 100);
    LoadQueue queue(plan, 2);
    auto large = queue.Take(ticker);
    EXPECT_TRUE(large->frozen);
    auto batch = queue.Take(ticker);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->tables, std::vector<LoadTable *>{&tiny});
    EXPECT_EQ(First(batch), "batch");
    EXPECT_FALSE(batch->frozen);
    EXPECT_FALSE(queue.More(*large)) << "the batch is given out, what is left is to be shared";
    queue.Done(*large);
    EXPECT_EQ(First(queue.Take(ticker)), "large1");
    EXPECT_FALSE(queue.Take(ticker));
}

TEST_F(Queue, BuildsIndexesBesideAnotherConnectionThatLoads) {
    LoadTable &tiny = plan.tables.emplace_back();
    tiny.bytes = 10;
    plan.batches.push_back({&tiny});
    LoadTable &large = Add("large", 9, 100), &small = Add("small", 1, 100);
    IndexGroup &of_large = AddIndexes({&large}, 500), &of_small = AddIndexes({&small, &tiny}, 200);
    LoadQueue queue(plan, 2);
    auto first = queue.Take(ticker), second = queue.Take(ticker);
    queue.Done(*second);
    auto batch = queue.Take(ticker);
    EXPECT_EQ(First(batch), "batch");
    queue.Done(*batch);
    auto indexes = queue.Take(ticker);
    ASSERT_TRUE(indexes && indexes->indexes);
    EXPECT_EQ(indexes->indexes, &of_small) << "all its tables are loaded";
    EXPECT_TRUE(queue.More(*first)) << "the other connection is busy with the indexes";
    queue.Done(*indexes);
    EXPECT_FALSE(queue.More(*first)) << "its own indexes keep nobody busy";
    queue.Done(*first);
    for (auto unit = queue.Take(ticker); unit; unit = queue.Take(ticker)) {
        EXPECT_FALSE(unit->indexes) << "nobody works beside it";
        queue.Done(*unit);
    }
    EXPECT_EQ(queue.IndexesLeft(), std::vector<const IndexGroup *>{&of_large});
}

TEST_F(Queue, BuildsNoIndexWhileATableOfTheGroupIsBeingLoaded) {
    LoadTable &one = Add("one", 2, 100), &two = Add("two", 1, 1);
    IndexGroup &group = AddIndexes({&one, &two}, 10);
    LoadQueue queue(plan, 3);
    auto one_0 = queue.Take(ticker), two_0 = queue.Take(ticker), one_1 = queue.Take(ticker);
    ASSERT_EQ(First(one_1), "one1");
    queue.Done(*two_0);
    queue.Done(*one_0);
    EXPECT_FALSE(queue.Take(ticker)) << "a connection still loads the last chunk";
    EXPECT_FALSE(group.given);
}

TEST_F(Queue, LoadsEveryTableWholeOverOneConnection) {
    Add("large", 3, 100);
    Add("small", 1, 50);
    LoadQueue queue(plan, 1);
    auto large = queue.Take(ticker);
    EXPECT_TRUE(large->frozen);
    EXPECT_TRUE(queue.More(*large));
    EXPECT_TRUE(queue.More(*large));
    EXPECT_FALSE(queue.More(*large));
    queue.Done(*large);
    EXPECT_TRUE(queue.Take(ticker)->frozen);
    EXPECT_FALSE(queue.Take(ticker));
}

TEST_F(Queue, EmptiesNoTableWhoseRowsGoElsewhere) {
    Add("partition", 1, 10).target.through_root = true;
    LoadQueue queue(plan, 1);
    auto unit = queue.Take(ticker);
    EXPECT_EQ(First(unit), "partition0");
    EXPECT_FALSE(unit->frozen);
}

}    // namespace
}    // namespace ark
