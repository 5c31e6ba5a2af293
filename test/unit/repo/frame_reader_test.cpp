#include "repo/frame_reader.h"

#include <gtest/gtest.h>

#include "repo/frame_stream.h"
#include "repo/read_ahead.h"
#include "unit/repo/sample.h"
#include "unit/repo/watched_storage.h"

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

struct Frames : testing::TestWithParam<bool> {
    Frames() : sample(GetParam()), watched(std::make_shared<WatchedStorage>(sample.storage)) {
        PackSettings settings;
        settings.compression = ParseCompression("none");
        settings.target_size = 20 << 20;
        PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random, [](PackInfo) {});
        for (std::uint64_t i = 0; i < 100; i++) refs.push_back(writer.Append(SampleText(300'000 + i, i)));
        writer.Finish();
        auto repository = Repository::Open(watched, kSampleCluster);
        auto keys = std::make_shared<KeyRing>(repository, sample.kek);
        if (GetParam()) keys->Get("cluster", 1);
        watched->Forget();
        reader = std::make_shared<FrameReader>(repository, keys);
    }
    void ReadAndCompare(const std::vector<FrameRef> &wanted, std::size_t ahead) {
        std::size_t i = 0;
        reader->ReadAll(wanted, ahead, [&](const FrameRef &ref, ByteView plain) {
            ASSERT_EQ(ref.digest, wanted[i++].digest);
            EXPECT_EQ(sample.Domain().Digest(plain), ref.digest);
        });
        EXPECT_EQ(i, wanted.size());
    }

    Sample sample;
    std::shared_ptr<WatchedStorage> watched;
    std::vector<FrameRef> refs;
    std::shared_ptr<FrameReader> reader;
};

TEST_P(Frames, AreVisitedInTheOrderAskedFor) {
    for (std::size_t ahead : {0, 1, 4}) ReadAndCompare(refs, ahead);
    std::vector<FrameRef> backwards(refs.rbegin(), refs.rend());
    ReadAndCompare(backwards, 3);
    ReadAndCompare({}, 3);
}

TEST_P(Frames, OfNeighboursShareARequest) {
    ReadAndCompare(refs, 1);
    EXPECT_LE(watched->lengths().size(), 5u);    // 30 MB in pieces of at most 8 MiB, two packs
    EXPECT_EQ(watched->headers(), 2u);           // one a pack
    for (std::uint64_t length : watched->lengths()) EXPECT_LE(length, 8u << 20);
}

TEST_P(Frames, AcrossALargeGapAreReadApart) {
    ReadAndCompare({refs[0], refs[1], refs[5]}, 0);
    EXPECT_EQ(watched->lengths(), (std::vector<std::uint64_t>{refs[0].stored + refs[1].stored, refs[5].stored}));
}

TEST_P(Frames, DamageStopsTheVisitAtItsPlace) {
    std::string name = layout::Pack(refs[50].pack);
    Bytes object = sample.Load(name);
    object[refs[50].at + 1000] ^= std::byte{1};
    sample.Replace(name, object);
    std::size_t visited = 0;
    try {
        reader->ReadAll(refs, 3, [&](const FrameRef &, ByteView) { visited++; });
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code, Code::kCorrupt);
        EXPECT_NE(e.message.find("frame 50"), std::string::npos) << e.message;
        EXPECT_NE(e.message.find(refs[50].pack), std::string::npos);
    }
    EXPECT_EQ(visited, 50u);
}

// A frame that is known by its stored bytes: they are compared with its digest, and what comes out of them with its own checksum.
TEST_P(Frames, KnownByTheirStoredBytesComeBackAndAreProven) {
    PackSettings settings;
    settings.compression = ParseCompression("zstd");
    PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random, [](PackInfo) {});
    Bytes first = SampleText(200'000, 1), second = SampleText(100, 2);
    FrameRef one = writer.AppendDigestStored(first), two = writer.AppendDigestStored(second);
    FrameRef plain = writer.Append(first);
    writer.Finish();
    EXPECT_TRUE(one.of_stored);
    EXPECT_FALSE(plain.of_stored);
    EXPECT_EQ(reader->Read(one), ByteView(first));
    EXPECT_EQ(reader->Read(FrameRefFromJson(ToJson(two))), ByteView(second));
    FrameRef other = one;
    other.digest = two.digest;
    EXPECT_EQ(Thrown([&] { reader->Read(other); }), Code::kCorrupt);
    other = one;
    other.of_stored = false;
    EXPECT_EQ(Thrown([&] { reader->Read(other); }), Code::kCorrupt);
    std::string name = layout::Pack(one.pack);
    const Bytes object = sample.Load(name);
    for (std::uint64_t at : {one.at, one.at + one.stored / 2, one.at + one.stored - 1}) {
        Bytes damaged = object;
        damaged[at] ^= std::byte{1};
        sample.Replace(name, damaged);
        EXPECT_EQ(Thrown([&] { reader->Read(one); }), Code::kCorrupt) << at;
        EXPECT_EQ(reader->Read(two), ByteView(second));
    }
}

FrameStream::Source Wanting(std::vector<FrameRef> refs) {
    return [refs = std::move(refs), at = std::size_t{0}]() mutable {
        return at < refs.size() ? std::optional(WantedFrame{refs[at], at++}) : std::nullopt;
    };
}

TEST_P(Frames, OfAStreamAreTakenBehindThoseThatCannotBeRead) {
    std::string name = layout::Pack(refs[50].pack);
    Bytes object = sample.Load(name);
    for (std::size_t bad : {50, 53}) object[refs[bad].at + 1000] ^= std::byte{1};
    sample.Replace(name, object);
    refs[60].size = UINT64_MAX;
    for (std::size_t ahead : {0, 3}) {
        FrameStream stream(*reader, Wanting(refs), ahead);
        for (std::size_t i = 0; i < refs.size(); i++) {
            if (i == 50 || i == 53 || i == 60) {
                EXPECT_EQ(Thrown([&] { stream.Take(); }), Code::kCorrupt) << i;
                continue;
            }
            std::optional<TakenFrame> frame = stream.Take();
            ASSERT_TRUE(frame) << i;
            EXPECT_EQ(frame->of, i);
            EXPECT_EQ(sample.Domain().Digest(frame->plain), refs[i].digest) << i;
        }
        EXPECT_FALSE(stream.Take());
        EXPECT_FALSE(stream.Take());
    }
}

TEST_P(Frames, OfTwoPacksByTurnsShareRequests) {
    std::vector<FrameRef> by_turns;
    for (std::size_t i = 0; i < 25; i++) by_turns.insert(by_turns.end(), {refs[i], refs[75 + i]});
    ASSERT_NE(refs[24].pack, refs[75].pack);
    ReadAndCompare(by_turns, 2);
    EXPECT_EQ(watched->lengths().size(), 4u);    // 15 MB: two windows, two packs
}

TEST_P(Frames, WantedAgainAndAgainAreReadOnce) {
    ReadAndCompare(std::vector<FrameRef>(20, refs[7]), 2);    // a hole of a large object
    EXPECT_EQ(watched->lengths(), (std::vector<std::uint64_t>{refs[7].stored}));
}

TEST_P(Frames, ErrorOfTheSourceEndsTheStream) {
    for (std::size_t ahead : {0, 2}) {
        std::size_t next = 0;
        FrameStream stream(
            *reader,
            [&]() -> std::optional<WantedFrame> {
                if (next == 70) throw Error(Code::kNotFound, "no more");
                return WantedFrame{refs[next++]};
            },
            ahead);
        std::size_t taken = 0;
        EXPECT_EQ(Thrown([&] {
                      while (stream.Take()) taken++;
                  }),
                  Code::kNotFound);
        EXPECT_LE(taken, 70u);
        EXPECT_FALSE(stream.Take());
    }
}

TEST_P(Frames, ErrorOfTheVisitorEndsTheReading) {
    EXPECT_EQ(Thrown([&] {
                  reader->ReadAll(refs, 3, [](const FrameRef &, ByteView) { throw Error(Code::kCancelled, "enough"); });
              }),
              Code::kCancelled);
    ReadAndCompare(refs, 3);    // and the reader goes on working
}

TEST_P(Frames, OfAMissingPackAreNotFound) {
    sample.repository->Remove({layout::Pack(refs[0].pack)});
    EXPECT_EQ(Thrown([&] { reader->Read(refs[0]); }), Code::kNotFound);
    EXPECT_EQ(Thrown([&] { reader->ReadAll(refs, 2, [](const FrameRef &, ByteView) {}); }), Code::kNotFound);
}

TEST_P(Frames, ImpossibleReferencesAreRefusedBeforeAnythingIsRead) {
    for (auto spoil : std::vector<std::function<void(FrameRef &)>>{
             [](FrameRef &r) { r.size = UINT64_MAX; }, [](FrameRef &r) { r.stored = UINT64_MAX; },
             [](FrameRef &r) { r.at = UINT64_MAX - 5; }, [](FrameRef &r) { r.pack = "../x"; }}) {
        std::vector<FrameRef> wrong = refs;
        spoil(wrong[60]);
        EXPECT_EQ(Thrown([&] { reader->ReadAll(wrong, 2, [](const FrameRef &, ByteView) {}); }), Code::kCorrupt);
        EXPECT_EQ(Thrown([&] { reader->Read(wrong[60]); }), Code::kCorrupt);
    }
}

INSTANTIATE_TEST_SUITE_P(Repo, Frames, testing::Bool());

TEST(FrameRef, SurvivesJson) {
    for (bool of_stored : {false, true}) {
        FrameRef ref{
            kBackup + "/" + std::string(64, 'a'), 3, 1049011, 214007, 1048311, std::string(64, 'b'), of_stored, 9};
        Json json = ToJson(ref);
        FrameRef back = FrameRefFromJson(json);
        EXPECT_EQ(back.of_stored, of_stored);
        EXPECT_EQ(ToJson(back), json);
        json[of_stored ? "stored_digest" : "digest"] = "no";
        EXPECT_EQ(Thrown([&] { FrameRefFromJson(json); }), Code::kCorrupt);
    }
    EXPECT_EQ(Thrown([&] { FrameRefFromJson(Json::array()); }), Code::kCorrupt);
    EXPECT_EQ(Thrown([&] { FrameRefFromJson(nullptr); }), Code::kCorrupt);
}

TEST(ReadAhead, MakesNoMoreThanAllowedBeforeItIsTaken) {
    std::atomic<int> made{0};
    int next = 0;
    ReadAhead<int, int> pipeline(
        3, [&]() -> std::optional<int> { return next < 50 ? std::optional(next++) : std::nullopt; },
        [&](const int &task) {
            made++;
            return task * 2;
        });
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(pipeline.Take(), i * 2);
        EXPECT_LE(made, i + 1 + 3);
    }
    EXPECT_EQ(pipeline.Take(), std::nullopt);
    EXPECT_EQ(pipeline.Take(), std::nullopt);
}

}    // namespace
}    // namespace ark::test
