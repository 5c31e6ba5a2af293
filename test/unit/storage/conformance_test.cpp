// One suite for every store: what storage.h promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "store_kinds.h"
#include "support/pattern_source.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class Conformance : public ::testing::TestWithParam<StoreKind> {
protected:
    void SetUp() override {
        if (!GetParam().make)
            GTEST_SKIP() << "set ARK_TEST_S3_ENDPOINT, ARK_TEST_S3_CA, ARK_TEST_S3_BUCKET and AWS keys";
        store_ = GetParam().make();
    }

    Storage &storage() { return store_->storage(); }

    ObjectInfo Put(std::string_view name, std::string_view text, PutMode mode = PutMode::kCreate) {
        MemorySource source(text);
        return storage().Put(name, source, mode);
    }
    std::string Get(std::string_view name, Range range = {}) {
        auto reader = storage().Open(name, range);
        if (!reader) return "(missing)";
        return std::string(AsText(ReadAll(*reader)));
    }
    std::vector<std::string> Names(std::string_view prefix = "") {
        std::vector<std::string> names;
        storage().List(prefix, [&](const ObjectInfo &object) {
            names.push_back(object.name);
            return true;
        });
        return names;
    }
    Code Refusal(const std::function<void()> &act) {
        try {
            act();
        } catch (const Error &error) {
            EXPECT_FALSE(error.message.empty());
            return error.code;
        }
        ADD_FAILURE() << "no error";
        return Code::kInternal;
    }
    // Runs `act` for 0..count-1 in 8 threads.
    void InThreads(std::size_t count, const std::function<void(std::size_t)> &act) {
        std::atomic<std::size_t> next{0};
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; i++)
            threads.emplace_back([&] {
                try {
                    for (std::size_t k; (k = next++) < count;) act(k);
                } catch (const Error &error) {
                    ADD_FAILURE() << error.message << ": " << error.detail;
                }
            });
    }

    std::unique_ptr<StoreUnderTest> store_;
};

TEST_P(Conformance, MissingObjects) {
    EXPECT_EQ(storage().Open("nothing/here", {}), nullptr);
    EXPECT_EQ(storage().Stat("nothing/here"), std::nullopt);
    EXPECT_EQ(ReadObject(storage(), "nothing"), std::nullopt);
    EXPECT_THAT(Names(), IsEmpty());
    EXPECT_THAT(Names("nothing/"), IsEmpty());
}

TEST_P(Conformance, EmptyObject) {
    EXPECT_EQ(Put("a/empty", "").size, 0u);
    EXPECT_EQ(Get("a/empty"), "");
    EXPECT_EQ(Get("a/empty", {5, 5}), "");
    EXPECT_EQ(storage().Stat("a/empty").value().size, 0u);
    EXPECT_THAT(Names(), ElementsAreArray({"a/empty"}));
}

TEST_P(Conformance, Ranges) {
    Put("ten", "0123456789");
    EXPECT_EQ(Get("ten"), "0123456789");
    EXPECT_EQ(Get("ten", {0, 10}), "0123456789");
    EXPECT_EQ(Get("ten", {0, 1}), "0");
    EXPECT_EQ(Get("ten", {3, 4}), "3456");
    EXPECT_EQ(Get("ten", {9, 1}), "9");
    EXPECT_EQ(Get("ten", {4, std::nullopt}), "456789");
    EXPECT_EQ(Get("ten", {8, 100}), "89");
    EXPECT_EQ(Get("ten", {10, 1}), "");
    EXPECT_EQ(Get("ten", {1000, 1}), "");
    EXPECT_EQ(Get("ten", {1000, std::nullopt}), "");
    EXPECT_EQ(Get("ten", {3, 0}), "");
    EXPECT_EQ(Get("ten", {3, std::numeric_limits<std::uint64_t>::max()}), "3456789");
}

TEST_P(Conformance, CreateLeavesWhatIsThere) {
    Put("name", "old bytes");
    EXPECT_EQ(Refusal([&] { Put("name", "other bytes"); }), Code::kAlreadyExists);
    EXPECT_EQ(Get("name"), "old bytes");
    PatternSource big(20 << 20, 1);    // so large that S3 takes it in parts
    EXPECT_EQ(Refusal([&] { storage().Put("name", big, PutMode::kCreate); }), Code::kAlreadyExists);
    EXPECT_EQ(Get("name"), "old bytes");
    EXPECT_EQ(store_->Leftovers(), 0u);
}

TEST_P(Conformance, UnconditionalReplaces) {
    Put("name", "a longer old text", PutMode::kUnconditional);
    ObjectInfo info = Put("name", "new", PutMode::kUnconditional);
    EXPECT_EQ(info.size, 3u);
    EXPECT_EQ(Get("name"), "new");
    EXPECT_EQ(storage().Stat("name").value().size, 3u);
}

TEST_P(Conformance, PutNewSettlesWhatIsThereAlready) {
    EXPECT_TRUE(PutNew(storage(), "k", AsBytes("value")));
    EXPECT_FALSE(PutNew(storage(), "k", AsBytes("value")));
    for (std::string_view other : {"valuf", "valu", "values", ""})
        EXPECT_EQ(Refusal([&] { PutNew(storage(), "k", AsBytes(other)); }), Code::kAlreadyExists) << other;
    EXPECT_EQ(Get("k"), "value");
}

TEST_P(Conformance, ReadObjectRefusesWhatIsTooLong) {
    Put("ten", "0123456789");
    EXPECT_EQ(AsText(ReadObject(storage(), "ten", 10).value()), "0123456789");
    EXPECT_EQ(Refusal([&] { ReadObject(storage(), "ten", 9); }), Code::kCorrupt);
}

TEST_P(Conformance, LargeStreamedObject) {
    constexpr std::uint64_t kSize = 40'000'001;
    for (bool knows_size : {false, true}) {
        std::string name = knows_size ? "large/known" : "large/unknown";
        PatternSource source(kSize, 42, knows_size), again(kSize, 42);
        EXPECT_EQ(storage().Put(name, source, PutMode::kCreate).size, kSize);
        EXPECT_EQ(storage().Stat(name).value().size, kSize);
        auto reader = storage().Open(name, {});
        ASSERT_NE(reader, nullptr);
        EXPECT_EQ(DigestOf(*reader), DigestOf(again));
        auto middle = storage().Open(name, {20'000'000, 100'000});
        Bytes part = ReadAll(*middle);
        ASSERT_EQ(part.size(), 100'000u);
        for (std::size_t i = 0; i < part.size(); i += 997) ASSERT_EQ(part[i], PatternByte(42, 20'000'000 + i));
    }
    EXPECT_EQ(store_->Leftovers(), 0u);
}

TEST_P(Conformance, OddNamesListedInOrderOfBytes) {
    std::vector<std::string> names{"a-b",
                                   "a.b",
                                   "a/c",
                                   "a/c.d/e",
                                   "a/c-d",
                                   "a0",
                                   "A",
                                   "Z",
                                   "plus+sign",
                                   "percent%",
                                   "percent%2Fslash",
                                   "%41",
                                   "space here",
                                   " leading space",
                                   "trailing space ",
                                   "trailing.",
                                   ".hidden",
                                   ".tmp/x",
                                   "deep/.tmp/..x",
                                   "..dots",
                                   "...",
                                   "lost+found/x",
                                   "lost+found2",
                                   "amp&equals=question?hash#",
                                   "quotes'\"`",
                                   "back\\slash",
                                   "star*",
                                   "(paren)[bracket]{brace}",
                                   "<less>&amp;",
                                   "caret^pipe|tilde~",
                                   "colon:semi;comma,at@dollar$bang!",
                                   "new\nline",
                                   "tab\there",
                                   "\x01\x7f",
                                   "\xC3\xBC"
                                   "ber",
                                   "\xE6\x97\xA5\xE6\x9C\xAC/\xE8\xAA\x9E",
                                   "u\xCC\x88",
                                   "\xF0\x90\x8D\x88",
                                   "x/" + std::string(255, 'n'),
                                   "y/" + std::string(100, 'a') + "/" + std::string(200, 'b')};
    InThreads(names.size(), [&](std::size_t i) { Put(names[i], "content of " + names[i]); });
    std::ranges::sort(names);
    EXPECT_THAT(Names(), ElementsAreArray(names));
    for (const std::string &name : names) {
        EXPECT_EQ(Get(name), "content of " + name);
        EXPECT_EQ(storage().Stat(name).value().name, name);
    }
    storage().Remove(names);
    EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(Conformance, Prefixes) {
    std::vector<std::string> names{"ab", "ab.c", "abc", "abd/e", "abd/f/g", "abe", "b/c"};
    for (const std::string &name : names) Put(name, name);
    for (std::string prefix :
         {"",   "a",   "ab",   "ab.", "abc", "abd", "abd/", "abd/f", "abd/f/",  "abd/f/g", "abd/f/gg", "b",
          "b/", "b/c", "b/c/", "c",   "/",   "a//", "../",  "ab/",   "abd/../", "abd/./",  "abd//"}) {
        std::vector<std::string> expected;
        std::ranges::copy_if(names, std::back_inserter(expected),
                             [&](const std::string &name) { return name.starts_with(prefix); });
        EXPECT_THAT(Names(prefix), ElementsAreArray(expected)) << prefix;
    }
}

TEST_P(Conformance, FoldersAreListedWithoutWhatLiesInThem) {
    for (std::string name : {"a.1/x", "a-b/x", "a/b/c", "a/d", "a/b-c/x", "a+ä b/x", "single", "z/1", "z/2/3"})
        Put(name, name);
    EXPECT_THAT(storage().Folders(""), testing::ElementsAre("a", "a+ä b", "a-b", "a.1", "z"));
    EXPECT_THAT(storage().Folders("a/"), testing::ElementsAre("b", "b-c"));
    EXPECT_THAT(storage().Folders("z/"), testing::ElementsAre("2"));
    EXPECT_THAT(storage().Folders("z/2/"), IsEmpty());
    EXPECT_THAT(storage().Folders("absent/"), IsEmpty());
}

TEST_P(Conformance, MoreFoldersThanFitOnAPage) {
    std::vector<std::string> names, folders;
    for (int i = 0; i < 1200; i++) {
        folders.push_back("f" + std::to_string(i));
        names.push_back("all/" + folders.back() + "/x");
        if (i < 3) names.push_back("all/" + folders.back() + "/y");
    }
    InThreads(names.size(), [&](std::size_t i) { Put(names[i], ""); });
    std::ranges::sort(folders);
    EXPECT_THAT(storage().Folders("all/"), ElementsAreArray(folders));
    storage().Remove(names);
}

TEST_P(Conformance, ListStopsWhenToldTo) {
    for (std::string name : {"p/1", "p/2", "p/3/x", "p/4"}) Put(name, "");
    for (std::size_t most = 1; most <= 4; most++) {
        std::vector<std::string> seen;
        storage().List("p/", [&](const ObjectInfo &object) {
            seen.push_back(object.name);
            return seen.size() < most;
        });
        EXPECT_EQ(seen.size(), most);
        EXPECT_EQ(seen.front(), "p/1");
    }
}

TEST_P(Conformance, ListPassesTheVisitorsErrorOnOnce) {
    Put("one", "");
    Put("two", "");
    int visits = 0;
    EXPECT_EQ(Refusal([&] {
                  storage().List("", [&](const ObjectInfo &) -> bool {
                      visits++;
                      throw Error(Code::kUnavailable, "the visitor's own trouble");
                  });
              }),
              Code::kUnavailable);
    EXPECT_EQ(visits, 1);
}

TEST_P(Conformance, ListOf2500Names) {
    std::vector<std::string> names;
    for (int i = 0; i < 2500; i++)
        names.push_back("many/" + std::to_string(i * 7919 % 2500) + (i % 3 == 0 ? "/x" : ".y"));
    InThreads(names.size(), [&](std::size_t i) { Put(names[i], std::string(i % 10, 'x')); });
    std::ranges::sort(names);
    EXPECT_THAT(Names("many/"), ElementsAreArray(names));
    storage().Remove(names);
    EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(Conformance, RemoveOfWhatIsAbsentIsSuccess) {
    Put("here/a", "a");
    Put("here/b", "b");
    storage().Remove({"nowhere", "here/a", "here", "here/a/b", "not/at/all", "here/a"});
    EXPECT_THAT(Names(), ElementsAreArray({"here/b"}));
    storage().Remove({});
    storage().Remove({"here/b"});
    EXPECT_THAT(Names(), IsEmpty());
    Put("here/a", "again");    // the folder is gone and comes back
    EXPECT_EQ(Get("here/a"), "again");
}

TEST_P(Conformance, OfEightThreadsOneCreates) {
    for (int round = 0; round < 5; round++) {
        std::string name = "race/" + std::to_string(round);
        std::atomic<int> winners{0}, losers{0}, winner{-1};
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 8; i++)
                threads.emplace_back([&, i] {
                    PatternSource source(100'000, static_cast<std::uint64_t>(i));
                    try {
                        storage().Put(name, source, PutMode::kCreate);
                        winners++;
                        winner = i;
                    } catch (const Error &error) {
                        EXPECT_EQ(error.code, Code::kAlreadyExists) << error.message << ": " << error.detail;
                        losers++;
                    }
                });
        }
        ASSERT_EQ(winners, 1);
        EXPECT_EQ(losers, 7);
        PatternSource expected(100'000, static_cast<std::uint64_t>(winner.load()));
        auto reader = storage().Open(name, {});
        ASSERT_NE(reader, nullptr);
        EXPECT_EQ(DigestOf(*reader), DigestOf(expected));
    }
    EXPECT_EQ(store_->Leftovers(), 0u);
}

TEST_P(Conformance, PutsAndRemovesOfOneFolderDoNotDisturbEachOther) {
    InThreads(200, [&](std::size_t i) {
        std::string name = "shared/deep/folder/" + std::to_string(i);
        Put(name, name);
        EXPECT_EQ(Get(name), name);
        storage().Remove({name});
    });
    EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(Conformance, CancelledUploadLeavesNothing) {
    for (std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{30} << 20}) {
        PatternSource source(40 << 20, 1);
        source.When(at, [&] { store_->ticker().Set(true); });
        EXPECT_EQ(Refusal([&] { storage().Put("cancelled/object", source, PutMode::kCreate); }), Code::kCancelled)
            << at;
        store_->ticker().Set(false);
        EXPECT_THAT(Names(), IsEmpty());
        EXPECT_EQ(store_->Leftovers(), 0u);
    }
}

TEST_P(Conformance, SourceThatThrowsLeavesNothing) {
    for (std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{30} << 20}) {
        for (Code code : {Code::kCorrupt, Code::kUnavailable}) {
            PatternSource source(40 << 20, 1);
            int throws = 0;
            source.When(at, [&] {
                throws++;
                throw Error(code, "the source broke");
            });
            EXPECT_EQ(Refusal([&] { storage().Put("broken/object", source, PutMode::kCreate); }), code);
            EXPECT_EQ(throws, 1);
            EXPECT_EQ(storage().Stat("broken/object"), std::nullopt);
            EXPECT_THAT(Names(), IsEmpty());
            EXPECT_EQ(store_->Leftovers(), 0u);
        }
    }
}

TEST_P(Conformance, SizesAndTimes) {
    TimePoint before = SystemClock().Now() - 10s;
    ObjectInfo put = Put("times/a", "12345");
    TimePoint after = SystemClock().Now() + 10s;
    ObjectInfo stat = storage().Stat("times/a").value(), listed;
    storage().List("times/", [&](const ObjectInfo &object) {
        listed = object;
        return true;
    });
    for (const ObjectInfo &info : {put, stat, listed}) {
        EXPECT_EQ(info.name, "times/a");
        EXPECT_EQ(info.size, 5u);
    }
    for (const ObjectInfo &info : {stat, listed}) {
        EXPECT_GE(info.modified, before);
        EXPECT_LE(info.modified, after);
    }
}

TEST_P(Conformance, BadNamesAreRefused) {
    for (std::string name :
         {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."), std::string(".."),
          std::string("a/../b"), std::string("./a"), std::string("a\0b", 3), std::string("\xff"), std::string(256, 'x'),
          std::string(450, 'x') + "/" + std::string(450, 'y')}) {
        EXPECT_EQ(Refusal([&] { Put(name, ""); }), Code::kInvalidArgument);
        EXPECT_EQ(Refusal([&] { storage().Open(name, {}); }), Code::kInvalidArgument);
        EXPECT_EQ(Refusal([&] { storage().Stat(name); }), Code::kInvalidArgument);
        EXPECT_EQ(Refusal([&] { storage().Remove({name}); }), Code::kInvalidArgument);
    }
}

INSTANTIATE_TEST_SUITE_P(Stores, Conformance, ::testing::ValuesIn(StoreKinds()),
                         [](const auto &param) { return param.param.name; });

}    // namespace
}    // namespace ark::test
