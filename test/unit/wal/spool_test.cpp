#include "wal/spool.h"

#include <gtest/gtest.h>

#include <fstream>

#include "unit/wal/directory_sample.h"

namespace ark::test {
namespace {

class Spool : public ::testing::Test {
protected:
    WalFileName Name(const std::string &text = "000000010000000000000003") { return ParseWalFileName(text); }
    void Fetch(const std::string &name) { sample.Write(spool.FetchedFile(Name(name)), AsBytes(name)); }

    DirectorySample sample;
    WalSpool spool{sample.path() / "pg_wal", "file:///one"};
};

TEST_F(Spool, AMarkAnswersOnceAndForTheSameFileOnly) {
    std::filesystem::path file = sample.AddSegment("000000010000000000000003");
    EXPECT_FALSE(spool.TakePushed(Name(), file));
    spool.MarkPushed(Name(), file);
    EXPECT_TRUE(spool.TakePushed(Name(), file));
    EXPECT_FALSE(spool.TakePushed(Name(), file)) << "it was taken";
    spool.MarkPushed(Name(), file);
    sample.AddSegment("000000010000000000000003", 2);    // another file of that name
    EXPECT_FALSE(spool.TakePushed(Name(), file));
    EXPECT_FALSE(spool.TakePushed(Name(), file));
}

TEST_F(Spool, AMarkOfAnotherStoreIsNone) {
    std::filesystem::path file = sample.AddSegment("000000010000000000000003");
    WalSpool other(sample.path() / "pg_wal", "file:///other");
    other.MarkPushed(Name(), file);
    EXPECT_FALSE(spool.TakePushed(Name(), file));
    EXPECT_TRUE(other.TakePushed(Name(), file));
}

TEST_F(Spool, AMarkOfAFileThatIsGoneIsNone) {
    std::filesystem::path file = sample.AddSegment("000000010000000000000003");
    spool.MarkPushed(Name(), file);
    std::filesystem::remove(file);
    EXPECT_FALSE(spool.TakePushed(Name(), file));
    spool.MarkPushed(Name(), file);
    EXPECT_FALSE(spool.TakePushed(Name(), file));
}

TEST_F(Spool, HandsOutWhatWasFetched) {
    std::filesystem::path to = sample.path() / "pg_wal" / "RECOVERYXLOG";
    EXPECT_FALSE(spool.TakeFetched(Name(), to));
    Fetch("000000010000000000000003");
    EXPECT_TRUE(spool.IsFetched(Name()));
    EXPECT_TRUE(spool.TakeFetched(Name(), to));
    EXPECT_EQ(ReadWholeFile(to), "000000010000000000000003");
    EXPECT_FALSE(spool.TakeFetched(Name(), to));
    Fetch("000000010000000000000003");
    EXPECT_THROW(spool.TakeFetched(Name(), sample.path() / "no" / "such"), Error);
}

TEST_F(Spool, ForgetsWhatRecoveryHasPassed) {
    for (const char *name : {"000000010000000000000003", "000000010000000000000004", "000000010000000000000005"})
        Fetch(name);
    spool.ForgetFetchedBefore(ParseSegmentName("000000010000000000000005"));
    EXPECT_FALSE(spool.IsFetched(Name("000000010000000000000004")));
    EXPECT_TRUE(spool.IsFetched(Name("000000010000000000000005")));
    spool.ForgetFetched();
    EXPECT_FALSE(spool.IsFetched(Name("000000010000000000000005")));
}

TEST_F(Spool, KnowsWhatIsBeingFetched) {
    EXPECT_FALSE(spool.IsBeingFetched(Name()));
    sample.Write(spool.FetchedFile(Name()).string() + ".123.part", {});
    EXPECT_TRUE(spool.IsBeingFetched(Name()));
    EXPECT_FALSE(spool.IsFetched(Name()));
}

TEST_F(Spool, OneProcessFetchesAhead) {
    std::optional<Fd> lock = spool.LockFetching();
    ASSERT_TRUE(lock);
    EXPECT_FALSE(WalSpool(sample.path() / "pg_wal", "file:///one").LockFetching());
    lock.reset();
    EXPECT_TRUE(spool.LockFetching());
}

TEST_F(Spool, BelievesForAMinuteThatAStoreIsAway) {
    TimePoint at = ParseTime("2026-01-16T08:00:00Z");
    EXPECT_FALSE(spool.IsAway("nas", at));
    spool.NoteAway("nas", at);
    EXPECT_TRUE(spool.IsAway("nas", at + std::chrono::seconds(59)));
    EXPECT_FALSE(spool.IsAway("eu", at));
    EXPECT_FALSE(spool.IsAway("nas", at + std::chrono::seconds(60)));
    EXPECT_FALSE(spool.IsAway("nas", at - std::chrono::seconds(1))) << "the clock was set back";
    EXPECT_TRUE(WalSpool(sample.path() / "pg_wal", "file:///one").IsAway("nas", at)) << "every process knows it";
    EXPECT_FALSE(WalSpool(sample.path() / "pg_wal", "file:///other").IsAway("nas", at));
    spool.ForgetAway("nas");
    EXPECT_FALSE(spool.IsAway("nas", at));
}

TEST_F(Spool, DoesNotBringBackADirectoryThatIsGone) {
    std::filesystem::remove_all(sample.path() / "pg_wal");
    EXPECT_THROW(spool.FetchedFile(Name()), Error);
    spool.MarkPushed(Name(), "nothing");
    spool.NoteAsked(Name().segment);
    EXPECT_FALSE(std::filesystem::exists(sample.path() / "pg_wal"));
}

}    // namespace
}    // namespace ark::test
