#include "wal/store_rounds.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "support/fake_clock.h"
#include "unit/wal/directory_sample.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

class Rounds : public ::testing::Test {
protected:
    // What each store says when it is asked; the name of an error's code makes it that fault.
    bool Ask(std::vector<AskedStore> stores, const std::function<std::string(std::size_t)> &says) {
        StoreRounds rounds(std::move(stores), spool_, clock_, ticker_, SilentLog());
        asked_.clear();
        bool found = rounds.Ask([&](std::size_t store) {
            asked_ += std::to_string(store);
            std::string said = says(store);
            if (said == "found" || said == "not") return said == "found";
            throw Error(CodeFromName(said), "store " + std::to_string(store));
        });
        doubt_ = rounds.doubt() ? std::string(CodeName(rounds.doubt()->code)) + " " + rounds.doubt()->message : "";
        return found;
    }
    bool Ask(const std::vector<std::string> &says, std::vector<AskedStore> stores = {{"a"}, {"b"}}) {
        return Ask(std::move(stores), [&](std::size_t store) { return says[store]; });
    }
    Duration Slept() const {
        Duration sum{0};
        for (Duration one : clock_.Sleeps()) sum += one;
        return sum;
    }

    DirectorySample sample_;
    WalSpool spool_{sample_.path() / "pg_wal", "file:///a,file:///b"};
    FakeClock clock_;
    FlagTicker ticker_;
    std::string asked_, doubt_;
};

TEST_F(Rounds, TheFirstThatHasItIsEnough) {
    EXPECT_TRUE(Ask({"found", "found"}));
    EXPECT_EQ(asked_, "0");
    EXPECT_TRUE(Ask({"not", "found"}));
    EXPECT_EQ(asked_, "01");
    EXPECT_FALSE(Ask({"not", "not"}));
    EXPECT_EQ(doubt_, "");
    EXPECT_EQ(Slept(), 0s);
}

TEST_F(Rounds, OneThatIsAwayCostsOneAttemptAMinute) {
    EXPECT_TRUE(Ask({"unavailable", "found"}));
    EXPECT_EQ(asked_, "01");
    for (int segment = 0; segment < 100; segment++) {
        EXPECT_TRUE(Ask({"unavailable", "found"}));
        EXPECT_EQ(asked_, "1");
    }
    EXPECT_EQ(Slept(), 0s);
    clock_.Advance(61s);
    EXPECT_TRUE(Ask({"found", "found"}));
    EXPECT_EQ(asked_, "0") << "it is tried again";
    EXPECT_TRUE(Ask({"found", "found"}));
    EXPECT_EQ(asked_, "0") << "and preferred again";
}

TEST_F(Rounds, OneThatIsAwayIsAskedBeforeItsSilenceProvesAnything) {
    spool_.NoteAway("a", clock_.Now());
    EXPECT_TRUE(Ask({"found", "not"}));
    EXPECT_EQ(asked_, "10");
    EXPECT_EQ(Slept(), 0s);
    int tries = 0;
    EXPECT_TRUE(Ask({{"a"}, {"b"}}, [&](std::size_t store) {
        return store == 1 ? "not" : tries++ < 5 ? "unavailable" : "found";
    })) << "it comes back";
    EXPECT_GT(Slept(), 1s);
    EXPECT_EQ(asked_, "01" + std::string(5, '0')) << "the other has said what it has to say";
}

TEST_F(Rounds, SilenceIsADoubtInTheEnd) {
    EXPECT_FALSE(Ask({"unavailable", "not"}));
    EXPECT_EQ(doubt_, "unavailable store 0");
    EXPECT_GE(Slept(), 15min);
    EXPECT_LT(Slept(), 16min);
    EXPECT_FALSE(Ask({"not", "unavailable"}));
    EXPECT_EQ(doubt_, "unavailable store 1");
}

TEST_F(Rounds, AllThatAreAwayAreTriedInTurn) {
    int rounds = 0;
    EXPECT_TRUE(
        Ask({{"a"}, {"b"}}, [&](std::size_t store) { return store == 1 && ++rounds == 3 ? "found" : "unavailable"; }));
    EXPECT_EQ(asked_, "010101");
    EXPECT_LT(Slept(), 5s);
}

TEST_F(Rounds, AFaultIsADoubtAtOnce) {
    for (const char *fault : {"not_found", "permission_denied", "corrupt", "invalid_argument", "internal"}) {
        EXPECT_TRUE(Ask({fault, "found"}));
        EXPECT_FALSE(Ask({fault, "not"}));
        EXPECT_EQ(doubt_, std::string(fault) + " store 0");
        EXPECT_EQ(asked_, "01") << fault;
    }
    EXPECT_EQ(Slept(), 0s);
}

TEST_F(Rounds, OneThatIsNotRequiredIsNotWaitedFor) {
    EXPECT_FALSE(Ask({"not", "unavailable"}, {{"a"}, {"b", false}}));
    EXPECT_EQ(doubt_, "");
    EXPECT_FALSE(Ask({"not", "corrupt"}, {{"a"}, {"b", false}}));
    EXPECT_EQ(doubt_, "");
    EXPECT_EQ(Slept(), 0s);
    EXPECT_TRUE(Ask({"not", "found"}, {{"a"}, {"b", false}})) << "but it is asked";
}

TEST_F(Rounds, OneAloneIsAskedOnceAndTriesAgainByItself) {
    EXPECT_FALSE(Ask({"unavailable"}, {{"a"}}));
    EXPECT_EQ(doubt_, "unavailable store 0");
    EXPECT_FALSE(Ask({"not"}, {{"a"}}));
    EXPECT_EQ(asked_, "0") << "and never passed over";
    EXPECT_EQ(doubt_, "");
    EXPECT_EQ(Slept(), 0s);
}

TEST_F(Rounds, ACancellationIsNoAnswer) {
    EXPECT_THROW(Ask({"cancelled", "found"}), Error);
    EXPECT_EQ(asked_, "0");
    EXPECT_THROW(Ask({{"a"}, {"b"}},
                     [&](std::size_t) {
                         ticker_.Cancel();
                         return "unavailable";
                     }),
                 Error);
    EXPECT_EQ(asked_, "0");
}

TEST_F(Rounds, AClockThatIsSetBackHidesNoStore) {
    spool_.NoteAway("a", clock_.Now() + 1h);
    EXPECT_TRUE(Ask({"found", "found"}));
    EXPECT_EQ(asked_, "0");
}

}    // namespace
}    // namespace ark::test
