#include "wal/push_ahead.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "unit/wal/directory_sample.h"

namespace ark::test {
namespace {

std::string Segment(std::size_t number) { return SegmentName{{1}, 0, static_cast<std::uint32_t>(number)}.Text(); }

// Stores nothing: notes what it was given, fails where it is told to, and stops where a test wants to look.
class Pushes {
public:
    SegmentResult Push(const WalFileName &name, const std::filesystem::path &) {
        std::unique_lock lock(mutex_);
        order_.push_back(name.Text());
        most_at_once_ = std::max(most_at_once_, ++at_once_);
        news_.notify_all();
        news_.wait(lock, [&] { return open_ || name.Text() == passes_; });
        at_once_--;
        if (failing_.contains(name.Text())) throw Error(Code::kUnavailable, "could not store " + name.Text());
        return {};
    }
    void Close(std::string passes = {}) {
        std::scoped_lock lock(mutex_);
        open_ = false;
        passes_ = std::move(passes);
    }
    void Open() {
        std::scoped_lock lock(mutex_);
        open_ = true;
        news_.notify_all();
    }
    void WaitFor(std::size_t begun) {
        std::unique_lock lock(mutex_);
        news_.wait(lock, [&] { return order_.size() >= begun; });
    }
    void Fail(const std::string &name, bool fails = true) {
        std::scoped_lock lock(mutex_);
        if (fails)
            failing_.insert(name);
        else
            failing_.erase(name);
    }
    std::vector<std::string> order() {
        std::scoped_lock lock(mutex_);
        return order_;
    }
    std::size_t Times(const std::string &name) {
        std::scoped_lock lock(mutex_);
        return static_cast<std::size_t>(std::ranges::count(order_, name));
    }
    std::size_t most_at_once() const { return most_at_once_; }

private:
    std::mutex mutex_;
    std::condition_variable news_;
    std::vector<std::string> order_;
    std::set<std::string> failing_;
    std::string passes_;
    std::size_t at_once_ = 0, most_at_once_ = 0;
    bool open_ = true;
};

class PushAheadTest : public ::testing::Test {
protected:
    PushAheadTest() : directory(sample.Open()), spool(directory.WalDirectory(), "file:///one") {}

    void AddReady(std::size_t from, std::size_t to) {
        for (std::size_t i = from; i <= to; i++) sample.AddSegment(Segment(i), i, true);
    }
    std::unique_ptr<PushAhead> Make(std::size_t threads = 3, std::size_t most_ahead = 5) {
        return std::make_unique<PushAhead>(
            [this](const WalFileName &name, const std::filesystem::path &file) { return pushes.Push(name, file); },
            directory, spool, PushAhead::Limits{threads, most_ahead}, SilentLog());
    }
    PushAhead::Answer Ask(PushAhead &ahead, const std::string &text, bool look_ahead = true) {
        WalFileName name = ParseWalFileName(text);
        PushAhead::Answer answer = ahead.Ask(name, directory.WalFile(name), look_ahead);
        std::filesystem::remove(directory.WalDirectory() / "archive_status" /
                                (text + ".ready"));    // as the server does
        return answer;
    }

    DirectorySample sample;
    DataDirectory directory;
    WalSpool spool;
    Pushes pushes;
};

TEST_F(PushAheadTest, AnswersLaterRequestsWithoutTheStore) {
    AddReady(1, 4);
    auto ahead = Make();
    EXPECT_FALSE(Ask(*ahead, Segment(1)).was_ahead);
    EXPECT_EQ(ahead->Finish(), 3u);
    for (std::size_t i = 2; i <= 4; i++) EXPECT_TRUE(Ask(*ahead, Segment(i)).was_ahead) << i;
    for (std::size_t i = 1; i <= 4; i++) EXPECT_EQ(pushes.Times(Segment(i)), 1u) << i;
}

TEST_F(PushAheadTest, StoresNoMoreAheadThanItMay) {
    AddReady(1, 20);
    auto ahead = Make();
    Ask(*ahead, Segment(1));
    ahead->Finish();
    EXPECT_EQ(pushes.order().size(), 6u);
    EXPECT_LE(pushes.most_at_once(), 3u);
    for (std::size_t i = 2; i <= 20; i++) Ask(*ahead, Segment(i));
    ahead->Finish();
    EXPECT_EQ(pushes.order().size(), 20u);
}

TEST_F(PushAheadTest, GoesOnBetweenTwoRequests) {
    AddReady(1, 4);
    auto ahead = Make();
    pushes.Close(Segment(1));
    EXPECT_FALSE(Ask(*ahead, Segment(1)).was_ahead) << "it does not wait for those behind it";
    pushes.WaitFor(4);
    pushes.Open();
    ahead->Finish();
    AddReady(5, 5);
    EXPECT_TRUE(Ask(*ahead, Segment(2)).was_ahead);
    pushes.WaitFor(5);
}

TEST_F(PushAheadTest, WaitsForOneThatIsOnItsWay) {
    AddReady(1, 2);
    auto ahead = Make();
    pushes.Close(Segment(1));
    Ask(*ahead, Segment(1));
    pushes.WaitFor(2);
    std::thread later([&] { pushes.Open(); });
    EXPECT_TRUE(Ask(*ahead, Segment(2)).was_ahead);
    later.join();
    EXPECT_EQ(pushes.Times(Segment(2)), 1u);
}

TEST_F(PushAheadTest, OneThatFailsAheadIsTriedAgainWhenItIsAskedFor) {
    AddReady(1, 3);
    auto ahead = Make(1);
    pushes.Fail(Segment(2));
    Ask(*ahead, Segment(1));
    ahead->Finish();
    EXPECT_EQ(pushes.Times(Segment(3)), 0u) << "what stood in its way stands in theirs";
    EXPECT_EQ(ErrorOf([&] { Ask(*ahead, Segment(2)); }).message, "could not store " + Segment(2));
    pushes.Fail(Segment(2), false);
    EXPECT_FALSE(Ask(*ahead, Segment(2)).was_ahead);
    ahead->Finish();
    EXPECT_TRUE(Ask(*ahead, Segment(3)).was_ahead);
}

TEST_F(PushAheadTest, TellsWhatTheOneOnItsWayMet) {
    AddReady(1, 2);
    auto ahead = Make();
    pushes.Fail(Segment(2));
    pushes.Close(Segment(1));
    Ask(*ahead, Segment(1));
    pushes.WaitFor(2);
    std::thread later([&] { pushes.Open(); });
    EXPECT_EQ(ErrorOf([&] { Ask(*ahead, Segment(2)); }).code, Code::kUnavailable);
    later.join();
}

TEST_F(PushAheadTest, KnowsWhatAnEarlierProcessStored) {
    AddReady(1, 4);
    {
        auto ahead = Make();
        Ask(*ahead, Segment(1));
        ahead->Finish();
    }
    auto ahead = Make();
    EXPECT_TRUE(Ask(*ahead, Segment(2)).was_ahead);
    AddReady(5, 5);
    ahead->Finish();
    EXPECT_TRUE(Ask(*ahead, Segment(3)).was_ahead);
    EXPECT_TRUE(Ask(*ahead, Segment(4)).was_ahead);
    Ask(*ahead, Segment(5));
    EXPECT_EQ(pushes.order().size(), 5u);
}

TEST_F(PushAheadTest, LooksAheadForSegmentsAndWhereItMay) {
    AddReady(1, 3);
    auto ahead = Make();
    Ask(*ahead, "000000010000000000000001.00000028.backup");
    Ask(*ahead, Segment(1), false);
    EXPECT_EQ(ahead->Finish(), 0u);
    EXPECT_EQ(pushes.order().size(), 2u);
}

TEST_F(PushAheadTest, AnswersEvenIfTheSpoolCannotBeWritten) {
    AddReady(1, 3);
    sample.Write(directory.WalDirectory() / "ark_spool", {});    // a file where the folder would be
    auto ahead = Make();
    Ask(*ahead, Segment(1));
    ahead->Finish();
    EXPECT_TRUE(Ask(*ahead, Segment(2)).was_ahead);
    EXPECT_TRUE(Ask(*ahead, Segment(3)).was_ahead);
}

TEST_F(PushAheadTest, BeginsAnewOnAnotherTimeline) {
    AddReady(1, 3);
    auto ahead = Make();
    Ask(*ahead, Segment(1));
    ahead->Finish();
    std::string second = "000000020000000000000003", third = "000000020000000000000004";
    sample.AddSegment(second, 1, true);
    sample.AddSegment(third, 1, true);
    EXPECT_FALSE(Ask(*ahead, second).was_ahead);
    ahead->Finish();
    EXPECT_TRUE(Ask(*ahead, third).was_ahead);
}

}    // namespace
}    // namespace ark::test
