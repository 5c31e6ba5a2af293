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
        table.name = name;
        LoadPlan::Large large{&table, {}, chunks * chunk_bytes, 0};
        for (std::size_t i = 0; i < chunks; i++) large.chunks.push_back({name + std::to_string(i), chunk_bytes});
        plan.large.push_back(std::move(large));
        return table;
    }
    static std::string Path(const std::optional<LoadUnit> &unit) { return unit ? unit->chunk.path : "none"; }

    LoadPlan plan;
};

TEST_F(Queue, GivesEachConnectionATableOfItsOwnFirst) {
    Add("small", 1, 10);
    Add("large", 3, 100);
    LoadQueue queue(plan);
    auto first = queue.Take();
    EXPECT_EQ(Path(first), "large0");
    EXPECT_EQ(Path(queue.Take()), "small0");
    EXPECT_EQ(Path(queue.Take()), "large1") << "helps, when there is no other";
    queue.Done(*first);
    EXPECT_EQ(Path(queue.Take()), "large2");
    EXPECT_EQ(Path(queue.Take()), "none");
}

TEST_F(Queue, GivesBatchesOfSmallTablesLast) {
    LoadTable &tiny = plan.tables.emplace_back();
    plan.batches.push_back({&tiny});
    Add("large", 1, 100);
    LoadQueue queue(plan);
    EXPECT_EQ(Path(queue.Take()), "large0");
    auto batch = queue.Take();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->tables, std::vector<LoadTable *>{&tiny});
    EXPECT_TRUE(batch->chunk.path.empty());
    EXPECT_FALSE(queue.Take());
}

TEST_F(Queue, FreezesOnlyWhatIsLoadedWhole) {
    Add("pieces", 1, 100);
    LoadTable &whole = Add("whole", 1, 50);
    plan.large.back().chunks.front().path = "table/s/whole/data/";
    LoadTable &root = Add("through root", 1, 10);
    root.target.through_root = true;
    plan.large.back().chunks.front().path = "table/s/root/data/";
    LoadQueue queue(plan);
    EXPECT_FALSE(queue.Take()->frozen);
    auto unit = queue.Take();
    EXPECT_EQ(unit->tables.front(), &whole);
    EXPECT_TRUE(unit->frozen);
    EXPECT_FALSE(queue.Take()->frozen);
}

}    // namespace
}    // namespace ark
