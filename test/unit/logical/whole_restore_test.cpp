#include <gtest/gtest.h>

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

class Queue : public ::testing::Test {
protected:
    LoadTable &Add(const std::string &name, std::size_t chunks, std::uint64_t chunk_bytes) {
        LoadTable &table = plan.tables.emplace_back();
        table.schema = "s";
        table.name = name;
        table.bytes = chunks * chunk_bytes;
        plan.bytes += table.bytes;
        LargeTable large{&table, {}, table.bytes, 0};
        for (std::size_t i = 0; i < chunks; i++) large.chunks.push_back({name + std::to_string(i), chunk_bytes});
        plan.large.push_back(std::move(large));
        return table;
    }
    static std::string Path(const std::optional<LoadUnit> &unit) { return unit ? unit->chunk.path : "none"; }

    LoadPlan plan;
};

TEST_F(Queue, GivesEachConnectionATableOfItsOwnFirstAndThenLetsItHelp) {
    Add("small", 2, 10);
    Add("large", 4, 100);
    LoadQueue queue(plan, 2);
    auto first = queue.Take();
    EXPECT_EQ(Path(first), "large0");
    EXPECT_FALSE(first->frozen);
    EXPECT_EQ(Path(queue.Take()), "table/s/small/data/");
    EXPECT_EQ(Path(queue.Take()), "large1") << "helps, when there is no other";
    queue.Done(*first);
    EXPECT_EQ(Path(queue.Take()), "large2");
    EXPECT_EQ(Path(queue.Take()), "large3");
    EXPECT_EQ(Path(queue.Take()), "none");
}

TEST_F(Queue, GivesBatchesOfSmallTablesLast) {
    LoadTable &tiny = plan.tables.emplace_back();
    plan.batches.push_back({&tiny});
    Add("large", 2, 100);
    LoadQueue queue(plan, 2);
    EXPECT_EQ(Path(queue.Take()), "large0");
    EXPECT_EQ(Path(queue.Take()), "large1");
    auto batch = queue.Take();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->tables, std::vector<LoadTable *>{&tiny});
    EXPECT_TRUE(batch->chunk.path.empty());
    EXPECT_FALSE(batch->frozen);
    EXPECT_FALSE(queue.Take());
}

TEST_F(Queue, LoadsTablesWholeAsLongAsTheOthersHaveEnoughToDo) {
    for (const char *name : {"a", "b", "c"}) Add(name, 3, 100).chunks_left = 3;
    LoadQueue queue(plan, 2);
    auto first = queue.Take(), second = queue.Take(), third = queue.Take();
    EXPECT_TRUE(first->frozen);
    EXPECT_EQ(first->tables.front()->chunks_left, 1u);
    EXPECT_TRUE(second->frozen);
    EXPECT_FALSE(third->frozen) << "both would rather share the last";
    EXPECT_EQ(third->tables.front()->chunks_left, 3u);
}

TEST_F(Queue, LoadsEveryTableWholeOverOneConnection) {
    Add("large", 3, 100);
    Add("small", 1, 50);
    LoadQueue queue(plan, 1);
    EXPECT_TRUE(queue.Take()->frozen);
    EXPECT_TRUE(queue.Take()->frozen);
}

TEST_F(Queue, EmptiesNoTableWhoseRowsGoElsewhere) {
    Add("partition", 1, 10).target.through_root = true;
    LoadQueue queue(plan, 1);
    auto unit = queue.Take();
    EXPECT_EQ(Path(unit), "partition0");
    EXPECT_FALSE(unit->frozen);
}

}    // namespace
}    // namespace ark
