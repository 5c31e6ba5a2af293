#include "wal/stored_history.h"

#include <gtest/gtest.h>

#include "unit/wal/wal_sample.h"

namespace ark::test {
namespace {

struct StoredHistoryTest : ::testing::Test {
    WalSample store{true};
    void Store(std::uint32_t timeline, const std::string &text) {
        store.Write(ToBytes(text), WalFileName::OfHistory({timeline}).Text());
    }
};

TEST_F(StoredHistoryTest, AreReadByTheirNumbers) {
    Store(2, "1\t0/5000000\tpromoted\n");
    Store(3, "1\t0/3000000\tpromoted\n");
    EXPECT_EQ(StoredHistory(*store.repository, *store.keys, {2}).Begin(), ParseLsn("0/5000000"));
    EXPECT_TRUE(StoredHistory(*store.repository, *store.keys, {7}).switches().empty());
    EXPECT_EQ(NewestTimeline(*store.repository, {1}).value, 3u);
    std::vector<TimelineHistory> younger = YoungerHistories(*store.repository, *store.keys, {1});
    ASSERT_EQ(younger.size(), 2u);
    EXPECT_EQ(LeftByYoungest(younger, {1}), ParseLsn("0/3000000"));
    EXPECT_EQ(LeftByYoungest(younger, {2}), std::nullopt);
    EXPECT_EQ(YoungerHistories(*store.repository, *store.keys, {2}).size(), 1u);
}

TEST_F(StoredHistoryTest, AnotherTimelineOfTheSameNumberIsAConflict) {
    auto check = [&](const std::string &text) {
        CheckOwnTimeline(*store.repository, *store.keys, TimelineHistory::Parse({2}, text));
    };
    check("1\t0/5000000\tpromoted\n");    // it is not there yet
    Store(2, "1\t0/5000000\tpromoted\n");
    check("1\t0/5000000\tno matter why\n");
    Error error = ErrorOf([&] { check("1\t0/5000028\tpromoted\n"); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_EQ(error.detail,
              "The one in the store left timeline 1 at 0/5000000, this server's left timeline 1 at 0/5000028.");
}

}    // namespace
}    // namespace ark::test
