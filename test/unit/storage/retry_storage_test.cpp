#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory_storage.h"
#include "storage/retry.h"
#include "support/fake_clock.h"
#include "support/fault_storage.h"
#include "support/pattern_source.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A source that cannot go back.
class OneWaySource : public PatternSource {
public:
    using PatternSource::PatternSource;
    bool Rewind() override { return false; }
};

class RetryStorageTest : public ::testing::Test {
protected:
    std::shared_ptr<FaultStorage> Faulty(FaultRule rule) {
        return std::make_shared<FaultStorage>(memory_, std::move(rule), clock_);
    }
    StoragePtr Retrying(StoragePtr inner) {
        return MakeRetryStorage(std::move(inner), std::make_shared<RetryPolicy>(RetrySettings{.deadline = 24h}, clock_,
                                                                                random_, NeverCancelled()));
    }
    StoragePtr Retrying(FaultRule rule) { return Retrying(Faulty(std::move(rule))); }
    void Fill(std::string_view name, std::uint64_t size) {
        PatternSource source(size, 1);
        memory_->Put(name, source, PutMode::kCreate);
    }
    static Error ErrorOf(const std::function<void()> &act) {
        try {
            act();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return Error(Code::kInternal, "");
    }

    FakeClock clock_;
    SeededRandom random_{3};
    StoragePtr memory_ = MakeMemoryStorage(clock_);
};

// What a caller does; returns everything it saw.
std::string UseEveryVerb(Storage &storage) {
    std::string seen;
    PatternSource source(700'000, 5);
    storage.Put("dir/a", source, PutMode::kCreate);
    MemorySource text(std::string_view("text"));
    storage.Put("dir/b", text, PutMode::kUnconditional);
    auto reader = storage.Open("dir/a", {100, 600'000});
    seen += Sha256Hex(ReadAll(*reader)) + "\n";
    seen += std::to_string(storage.Stat("dir/a").value().size) + "\n";
    storage.List("dir/", [&](const ObjectInfo &object) {
        seen += object.name + "\n";
        return true;
    });
    storage.Remove({"dir/a"});
    seen += storage.Stat("dir/a") ? "still there" : "gone";
    return seen;
}

TEST_F(RetryStorageTest, AFailureAtEveryOperationIsInvisible) {
    auto counted = Faulty(NoFault());
    std::string clean = UseEveryVerb(*Retrying(counted));
    std::uint64_t operations = counted->operations();
    ASSERT_GT(operations, 15u);
    for (std::uint64_t nth = 1; nth <= operations; nth++) {
        memory_ = MakeMemoryStorage(clock_);
        auto faulty = Faulty(FailNth(nth, Fault::kBefore));
        EXPECT_EQ(UseEveryVerb(*Retrying(faulty)), clean) << nth;
        EXPECT_EQ(faulty->faults(), 1u);
    }
}

TEST_F(RetryStorageTest, LostAnswersOfAllButCreationAreInvisible) {
    auto counted = Faulty(NoFault());
    std::string clean = UseEveryVerb(*Retrying(counted));
    for (std::uint64_t nth = 2; nth <= counted->operations(); nth++) {
        memory_ = MakeMemoryStorage(clock_);
        auto faulty = Faulty(FailNth(nth, Fault::kAfter));
        EXPECT_EQ(UseEveryVerb(*Retrying(faulty)), clean) << nth;
        EXPECT_EQ(faulty->faults(), 1u);
    }
}

TEST_F(RetryStorageTest, ALostAnswerOfACreationIsSettledByPutNew) {
    StoragePtr storage = Retrying(FailNth(1, Fault::kAfter));
    EXPECT_FALSE(PutNew(*storage, "manifest", AsBytes("mine")));    // taken: by these very bytes
    EXPECT_EQ(AsText(ReadObject(*memory_, "manifest").value()), "mine");
    Error error = ErrorOf([&] { PutNew(*storage, "manifest", AsBytes("other")); });
    EXPECT_EQ(error.code, Code::kAlreadyExists);
}

TEST_F(RetryStorageTest, APutWhoseSourceCannotGoBackIsTriedOnce) {
    auto faulty = Faulty(FailNth(2, Fault::kBefore));
    OneWaySource source(1'000'000, 1);
    EXPECT_EQ(ErrorOf([&] { Retrying(faulty)->Put("x", source, PutMode::kCreate); }).code, Code::kUnavailable);
    EXPECT_EQ(faulty->faults(), 1u);
    EXPECT_TRUE(clock_.Sleeps().empty());
    EXPECT_EQ(memory_->Stat("x"), std::nullopt);
}

TEST_F(RetryStorageTest, ASourceThatFailsToGoBackEndsThePut) {
    class Broken : public PatternSource {
    public:
        using PatternSource::PatternSource;
        bool Rewind() override { throw Error(Code::kUnavailable, "could not seek"); }
    };
    Broken source(1'000'000, 1);
    Error error = ErrorOf([&] { Retrying(FailNth(2, Fault::kBefore))->Put("x", source, PutMode::kCreate); });
    EXPECT_THAT(error.message, HasSubstr("could not reach the store"));
    EXPECT_EQ(memory_->Stat("x"), std::nullopt);
}

TEST_F(RetryStorageTest, AReaderGoesOnWhereItBroke) {
    Fill("big", 5'000'000);
    PatternSource expected(5'000'000, 1);
    auto faulty = Faulty([](std::uint64_t nth, Verb verb, std::string_view) {
        if (verb == Verb::kOpen) return nth % 5 == 0 ? Fault::kBefore : Fault::kNone;
        return nth % 3 == 0 ? Fault::kAfter : Fault::kNone;
    });
    auto reader = Retrying(faulty)->Open("big", {});
    EXPECT_EQ(DigestOf(*reader), DigestOf(expected));
    EXPECT_GT(faulty->faults(), 20u);
    Bytes more(10);
    EXPECT_EQ(reader->Read(more), 0u);
}

TEST_F(RetryStorageTest, AnObjectThatGoesWhileItIsReadIsAnError) {
    Fill("big", 1'000'000);
    auto reader = Retrying(FailNth(3, Fault::kBefore))->Open("big", {});
    Bytes block(1000);
    EXPECT_EQ(reader->Read(block), 1000u);
    memory_->Remove({"big"});
    Error error = ErrorOf([&] { reader->Read(block); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_THAT(error.message, HasSubstr("\"big\" disappeared"));
}

TEST_F(RetryStorageTest, AListingGoesOnWithoutRepeating) {
    for (int i = 0; i < 9; i++) Fill("n/" + std::to_string(i), 1);
    int lists = 0;
    auto rule = [&](std::uint64_t, Verb verb, std::string_view) {
        return verb == Verb::kList && ++lists < 4 ? Fault::kAfter : Fault::kNone;
    };
    std::vector<std::string> names;
    Retrying(rule)->List("n/", [&](const ObjectInfo &object) {
        names.push_back(object.name);
        return true;
    });
    EXPECT_THAT(names, ElementsAre("n/0", "n/1", "n/2", "n/3", "n/4", "n/5", "n/6", "n/7", "n/8"));
    EXPECT_EQ(lists, 4);
}

TEST_F(RetryStorageTest, OtherErrorsComeThroughAtOnce) {
    Fill("x", 10);
    StoragePtr storage = Retrying(FailFrom(1, Fault::kDenied));
    for (const std::function<void()> &act : std::vector<std::function<void()>>{
             [&] { storage->Stat("x"); }, [&] { storage->Open("x", {}); }, [&] { storage->Remove({"x"}); },
             [&] { storage->List("", [](const ObjectInfo &) { return true; }); }, [&] { PutNew(*storage, "y", {}); }})
        EXPECT_EQ(ErrorOf(act).code, Code::kPermissionDenied);
    EXPECT_TRUE(clock_.Sleeps().empty());
}

TEST_F(RetryStorageTest, ADiskThatStaysFullIsReportedAsThat) {
    Error error = ErrorOf([&] { PutNew(*Retrying(FailFrom(1, Fault::kDiskFull)), "y", {}); });
    EXPECT_EQ(error.Sqlstate(), "53100");
    EXPECT_THAT(error.message, HasSubstr("disk full"));
    EXPECT_THAT(error.detail, HasSubstr("attempts in 1 d 0 h"));
}

TEST_F(RetryStorageTest, AStallPassesTimeOnly) {
    Fill("x", 10);
    auto before = clock_.Now();
    EXPECT_TRUE(Retrying(FailNth(1, Fault::kStall))->Stat("x"));
    EXPECT_EQ(clock_.Now() - before, 1min);
}

// The faults that no retry may hide: a reader of packs proves bytes by digests.
TEST_F(RetryStorageTest, LyingReadsComeThroughAsTheyAre) {
    Fill("x", 100'000);
    PatternSource expected(100'000, 1);
    Sha256Digest right = DigestOf(expected);
    EXPECT_NE(DigestOf(*Retrying(FailNth(2, Fault::kCorrupt))->Open("x", {})), right);
    EXPECT_LT(ReadAll(*Retrying(FailNth(3, Fault::kShortRead))->Open("x", {})).size(), 100'000u);
    EXPECT_EQ(DigestOf(*Retrying(NoFault())->Open("x", {})), right);
}

TEST(FaultStorageTest, SameSeedSameFaults) {
    auto run = [](std::uint64_t seed) {
        std::string out;
        FaultStorage storage(MakeMemoryStorage(), FailSome(seed, 30, Fault::kBefore));
        for (int i = 0; i < 200; i++) try {
                storage.Stat("x");
                out += '.';
            } catch (const Error &) {
                out += 'F';
            }
        return out;
    };
    EXPECT_EQ(run(1), run(1));
    EXPECT_NE(run(1), run(2));
    auto faults = std::ranges::count(run(1), 'F');
    EXPECT_GT(faults, 30);
    EXPECT_LT(faults, 90);
}

}    // namespace
}    // namespace ark::test
