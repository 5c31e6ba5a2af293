#include "repo/frame_reader.h"

#include <gtest/gtest.h>

#include "repo/read_ahead.h"
#include "support/fault_storage.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

// Remembers the ranges that were asked for.
class Watched : public FaultStorage {
public:
    explicit Watched(StoragePtr inner) : FaultStorage(std::move(inner), NoFault()) {}
    std::unique_ptr<::ark::Reader> Open(std::string_view name, Range range) override {
        std::lock_guard lock(mutex);
        if (range.length != kHeaderLimit)
            lengths.push_back(range.length.value_or(0));
        else
            headers++;
        return FaultStorage::Open(name, range);
    }
    std::mutex mutex;
    std::vector<std::uint64_t> lengths;
    std::size_t headers = 0;
};

struct Frames : testing::TestWithParam<bool> {
    Frames() : sample(GetParam()), watched(std::make_shared<Watched>(sample.storage)) {
        PackSettings settings;
        settings.compression = ParseCompression("none");
        settings.target_size = 20 << 20;
        PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random, [](PackInfo) {});
        for (std::uint64_t i = 0; i < 100; i++) refs.push_back(writer.Append(SampleText(300'000 + i, i)));
        writer.Finish();
        auto repository = Repository::Open(watched, kSampleCluster);
        auto keys = std::make_shared<KeyRing>(repository, sample.kek);
        if (GetParam()) keys->Get("cluster", 1);
        watched->lengths.clear();
        watched->headers = 0;
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
    std::shared_ptr<Watched> watched;
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
    EXPECT_LE(watched->lengths.size(), 5u);    // 30 MB in pieces of at most 8 MiB, two packs
    EXPECT_EQ(watched->headers, 2u);           // one a pack
    for (std::uint64_t length : watched->lengths) EXPECT_LE(length, 8u << 20);
}

TEST_P(Frames, AcrossALargeGapAreReadApart) {
    ReadAndCompare({refs[0], refs[1], refs[5]}, 0);
    EXPECT_EQ(watched->lengths, (std::vector<std::uint64_t>{refs[0].stored + refs[1].stored, refs[5].stored}));
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
    EXPECT_LE(visited, 50u);
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
    FrameRef ref{kBackup + "/" + std::string(64, 'a'), 3, 1049011, 214007, 1048311, std::string(64, 'b'), 9};
    Json json = ToJson(ref);
    FrameRef back = FrameRefFromJson(json);
    EXPECT_EQ(ToJson(back), json);
    json["digest"] = "no";
    EXPECT_EQ(Thrown([&] { FrameRefFromJson(json); }), Code::kCorrupt);
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
