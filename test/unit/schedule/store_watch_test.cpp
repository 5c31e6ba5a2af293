#include "schedule/store_watch.h"

#include <gtest/gtest.h>

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using Verdict = StoreWatch::Verdict;

struct Watched {
    Verdict After(std::chrono::seconds time, bool named, std::uint64_t flushed, std::uint64_t stored) {
        now += time;
        return watch.Look(now, named, flushed, stored, patience);
    }
    StoreWatch watch;
    SteadyPoint now{1h};
    Duration patience = 30s;
};

TEST(StoreWatch, PutsInWhatKeepsUp) {
    Watched it;
    EXPECT_EQ(it.After(0s, false, 100, 0), Verdict::kNothing);
    EXPECT_EQ(it.After(1s, false, 100, 0), Verdict::kNothing) << "nothing is shipped";
    EXPECT_EQ(it.After(1s, false, 150, 99), Verdict::kNothing);
    EXPECT_EQ(it.After(1s, false, 200, 100), Verdict::kPutIn);
}

TEST(StoreWatch, GivesUpAfterItsPatienceAndNotBefore) {
    Watched it;
    it.After(0s, true, 100, 100);
    EXPECT_EQ(it.After(1s, true, 200, 100), Verdict::kNothing);
    EXPECT_FALSE(it.watch.behind());
    EXPECT_EQ(it.After(29s, true, 300, 199), Verdict::kNothing);
    EXPECT_TRUE(it.watch.behind());
    EXPECT_EQ(it.After(1s, true, 300, 199), Verdict::kTakeOut);
    EXPECT_EQ(it.After(1s, true, 300, 199), Verdict::kTakeOut) << "until it is done";
}

TEST(StoreWatch, WhatIsSlowButMovesIsWaitedFor) {
    Watched it;
    std::uint64_t flushed = 100;
    it.After(0s, true, flushed, 100);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(it.After(20s, true, flushed + 100, flushed), Verdict::kNothing);
        flushed += 100;
    }
}

TEST(StoreWatch, AnIdleServerIsNeverBehind) {
    Watched it;
    it.After(0s, true, 100, 100);
    for (int i = 0; i < 100; i++) EXPECT_EQ(it.After(1s, true, 100, 100), Verdict::kNothing);
}

TEST(StoreWatch, AServerThatStartsNamedHasItsPatienceFromThen) {
    Watched it;
    EXPECT_EQ(it.After(0s, true, 100, 0), Verdict::kNothing);
    EXPECT_EQ(it.After(29s, true, 100, 0), Verdict::kNothing);
    EXPECT_EQ(it.After(1s, true, 100, 0), Verdict::kTakeOut);
    EXPECT_EQ(it.After(1s, false, 100, 0), Verdict::kNothing);
    EXPECT_EQ(it.After(3600s, false, 100, 100), Verdict::kNothing) << "it took longer than commits would wait";
    EXPECT_EQ(it.After(1s, false, 100, 100), Verdict::kPutIn);
}

TEST(StoreWatch, APatienceOfNothingIsForEver) {
    Watched it;
    it.patience = 0s;
    it.After(0s, true, 100, 0);
    EXPECT_EQ(it.After(86400s, true, 100, 0), Verdict::kNothing);
    it.After(1s, false, 100, 0);
    EXPECT_EQ(it.After(86400s, false, 100, 100), Verdict::kPutIn);
}

}    // namespace
}    // namespace ark::test
