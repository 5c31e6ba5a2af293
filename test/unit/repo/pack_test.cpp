#include <gtest/gtest.h>

#include <atomic>

#include "repo/frame_reader.h"
#include "repo/pack_format.h"
#include "storage/retry.h"
#include "support/fault_storage.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

struct Written {
    std::vector<FrameRef> refs;
    std::vector<Bytes> plain;
    std::vector<PackInfo> packs;
};

PackSettings Small(const char *compression = "zstd") {
    PackSettings settings;
    settings.compression = ParseCompression(compression);
    settings.target_size = 300 << 10;
    settings.part_size = 64 << 10;
    return settings;
}

Written WriteFrames(Sample &sample, std::size_t frames, std::size_t size, PackSettings settings = Small()) {
    Written out;
    PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random,
                      [&](PackInfo info) { out.packs.push_back(std::move(info)); });
    for (std::size_t i = 0; i < frames; i++) {
        out.plain.push_back(SampleText(size, i));
        out.refs.push_back(writer.Append(out.plain.back()));
    }
    writer.Finish();
    return out;
}

class Packs : public testing::TestWithParam<std::tuple<bool, const char *>> {};

TEST_P(Packs, GiveBackEveryFrame) {
    auto [encrypted, compression] = GetParam();
    Sample sample(encrypted);
    Written written = WriteFrames(sample, 40, 60'000, Small(compression));
    EXPECT_GT(written.packs.size(), 1u);
    auto reader = sample.Reader();
    for (std::size_t i = 0; i < written.refs.size(); i++) EXPECT_EQ(reader->Read(written.refs[i]), written.plain[i]);
}

TEST_P(Packs, AreWhatTheyWereReportedToBe) {
    auto [encrypted, compression] = GetParam();
    Sample sample(encrypted);
    Written written = WriteFrames(sample, 40, 60'000, Small(compression));
    for (const PackInfo &info : written.packs) {
        Bytes object = sample.Load(layout::Pack(info.pack));
        EXPECT_EQ(object.size(), info.size);
        EXPECT_EQ(Sha256Hex(object), info.sha256);
        PackHeader header = ParsePackHeader(object, *sample.repository, info.pack);
        EXPECT_EQ(header.generation, encrypted ? 1u : 0u);
        auto trailer = ParseTrailer(ByteView(object).last(kTrailerSize));
        ASSERT_TRUE(trailer);
        std::size_t footer_at = object.size() - kTrailerSize - trailer->footer, at = header.length;
        auto frames = ParseFooter(ByteView(object).subspan(footer_at, trailer->footer), *trailer, info.pack);
        ASSERT_EQ(frames.size(), trailer->frames);
        for (std::size_t i = 0; i < frames.size(); i++) {
            EXPECT_EQ(Sha256(ByteView(object).subspan(at, frames[i].stored)), frames[i].digest);
            auto ref = std::find_if(written.refs.begin(), written.refs.end(),
                                    [&](const FrameRef &r) { return r.pack == info.pack && r.frame == i; });
            ASSERT_NE(ref, written.refs.end());
            EXPECT_EQ(ref->at, at);
            EXPECT_EQ(ref->size, frames[i].size);
            at += frames[i].stored;
        }
        EXPECT_EQ(at, footer_at);
    }
}

// The digest in the list of packs covers every byte; a frame is refused by itself when any byte of it is altered.
TEST_P(Packs, DetectEveryFlippedByteOfEachFrameAndEveryTruncation) {
    auto [encrypted, compression] = GetParam();
    Sample sample(encrypted);
    Written written = WriteFrames(sample, 3, 120, Small(compression));
    ASSERT_EQ(written.packs.size(), 1u);
    std::string name = layout::Pack(written.packs[0].pack);
    Bytes object = sample.Load(name);
    for (std::size_t i = 0; i < object.size(); i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{0x20};
        EXPECT_NE(Sha256Hex(altered), written.packs[0].sha256);
        sample.Replace(name, altered);
        for (std::size_t f = 0; f < written.refs.size(); f++) {
            const FrameRef &ref = written.refs[f];
            Buffer back;
            auto thrown = Thrown([&] { back = sample.Reader()->Read(ref); });
            bool inside = i >= ref.at && i < ref.at + ref.stored;
            EXPECT_TRUE(thrown || back == written.plain[f])
                << i << " " << f;    // a header's spare bit may change nothing
            EXPECT_TRUE(!inside || !encrypted || thrown == Code::kCorrupt) << i << " " << f;
        }
    }
    for (std::size_t length = 0; length < object.size(); length++) {
        sample.Replace(name, ByteView(object).first(length));
        for (std::size_t f = 0; f < written.refs.size(); f++) {
            Buffer back;
            auto thrown = Thrown([&] { back = sample.Reader()->Read(written.refs[f]); });
            bool cut = length < written.refs[f].at + written.refs[f].stored;
            EXPECT_TRUE(cut ? thrown == Code::kCorrupt : back == written.plain[f]) << length;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Repo, Packs, testing::Combine(testing::Bool(), testing::Values("zstd", "gzip", "none")));

TEST(Pack, SwappedPacksAndFramesAreRefused) {
    for (bool encrypted : {false, true}) {
        Sample sample(encrypted);
        Written one = WriteFrames(sample, 2, 5000), two = WriteFrames(sample, 2, 5000);
        Bytes a = sample.Load(layout::Pack(one.packs[0].pack)), b = sample.Load(layout::Pack(two.packs[0].pack));
        sample.Replace(layout::Pack(one.packs[0].pack), b);
        sample.Replace(layout::Pack(two.packs[0].pack), a);
        EXPECT_EQ(Thrown([&] { sample.Reader()->Read(one.refs[0]); }), Code::kCorrupt);
        sample.Replace(layout::Pack(one.packs[0].pack), a);
        FrameRef wrong = one.refs[0];    // frame 1's bytes under frame 0's name
        wrong.at = one.refs[1].at;
        wrong.stored = one.refs[1].stored;
        EXPECT_EQ(Thrown([&] { sample.Reader()->Read(wrong); }), Code::kCorrupt);
        wrong = one.refs[1];
        wrong.digest = one.refs[0].digest;
        EXPECT_EQ(Thrown([&] { sample.Reader()->Read(wrong); }), Code::kCorrupt);
    }
}

TEST(Pack, OfAnEncryptedPathIsRefusedWhenItsHeaderSaysThatItIsNotEncrypted) {
    Sample sample(true);
    Written written = WriteFrames(sample, 1, 500);
    std::string text(AsText(sample.Load(layout::Pack(written.packs[0].pack))));
    text.replace(text.find("\"generation\":1"), 14, "\"generation\":0");
    sample.Replace(layout::Pack(written.packs[0].pack), AsBytes(text));
    EXPECT_EQ(Thrown([&] { sample.Reader()->Read(written.refs[0]); }), Code::kCorrupt);
}

TEST(Pack, HoldsAFrameLargerThanItsTarget) {
    Sample sample(true);
    PackSettings settings = Small("none");
    Written written = WriteFrames(sample, 3, 2'000'000, settings);
    EXPECT_EQ(written.packs.size(), 3u);
    for (std::size_t i = 0; i < 3; i++) EXPECT_EQ(sample.Reader()->Read(written.refs[i]), written.plain[i]);
}

TEST(Pack, HoldsEmptyFrames) {
    for (const char *compression : {"zstd", "gzip", "none"})
        for (bool encrypted : {false, true}) {
            Sample sample(encrypted);
            Written written = WriteFrames(sample, 2, 0, Small(compression));
            EXPECT_EQ(sample.Reader()->Read(written.refs[1]).size(), 0u);
        }
}

TEST(Pack, EndsAtTheMostFramesItMayHave) {
    Sample sample(false);
    PackSettings settings;
    settings.compression = ParseCompression("none");
    Written out;
    PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random,
                      [&](PackInfo info) { out.packs.push_back(std::move(info)); });
    FrameRef last;
    for (std::size_t i = 0; i < kMostFrames + 1; i++) last = writer.Append(AsBytes("x"), std::string(64, '0'));
    writer.Finish();
    EXPECT_EQ(out.packs.size(), 2u);
    EXPECT_EQ(last.frame, 0u);
}

TEST(Pack, WriterThatIsDroppedLeavesNothing) {
    Sample sample(false);
    {
        PackSettings settings = Small("none");
        settings.target_size = 64 << 20;
        PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random,
                          [](PackInfo) { FAIL(); });
        for (std::uint64_t i = 0; i < 10; i++) writer.Append(SampleText(100'000, i));
    }
    std::size_t packs = 0;
    sample.repository->List("packs/", [&](const ObjectInfo &) { return ++packs > 0; });
    EXPECT_EQ(packs, 0u);
}

// What is being sent is part of what may be held: a frame that alone is more must not wait for itself.
TEST(Pack, AFrameLargerThanTheQueueIsFollowedByOthers) {
    Sample sample(false);
    PackSettings settings = Small("none");
    std::size_t larger = (settings.parts_queued + 1) * settings.part_size + 1000;
    ASSERT_LT(larger, settings.target_size);
    PackWriter writer(sample.repository, sample.Domain(), kBackup, settings, sample.random, [](PackInfo) {});
    std::vector<FrameRef> refs;
    for (int i = 0; i < 3; i++) {
        refs.push_back(writer.Append(SampleText(larger, i)));
        for (int after = 0; after < 3; after++) writer.Append(SampleText(70'000, after));
    }
    writer.Finish();
    for (int i = 0; i < 3; i++) EXPECT_EQ(sample.Reader()->Read(refs[i]), SampleText(larger, i));
}

TEST(Pack, FailureOfAnUploadReachesItsWriterAndEndsIt) {
    Sample sample(true);
    auto faulty = std::make_shared<FaultStorage>(sample.storage, [](std::uint64_t, Verb verb, std::string_view name) {
        return verb == Verb::kPutBlock && name.find("/packs/") != std::string_view::npos ? Fault::kDiskFull
                                                                                         : Fault::kNone;
    });
    auto repository = Repository::Open(faulty, kSampleCluster);
    repository->SetEpoch(1);
    PackWriter writer(repository, sample.Domain(), kBackup, Small("none"), sample.random, [](PackInfo) { FAIL(); });
    auto thrown = Thrown([&] {
        for (std::uint64_t i = 0; i < 100; i++) writer.Append(SampleText(100'000, i));
    });
    EXPECT_EQ(thrown, Code::kUnavailable);
    EXPECT_EQ(Thrown([&] { writer.Append(AsBytes("more")); }), Code::kInternal);
    EXPECT_EQ(Thrown([&] { writer.Finish(); }), Code::kInternal);
}

// Whatever single operation fails: either the writer throws, or every frame it gave out can be read.
TEST(Pack, NoFailureOfOneOperationIsTakenForSuccess) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter, Fault::kShortRead, Fault::kCorrupt}) {
        for (std::uint64_t nth = 1;; nth++) {
            Sample sample(true);
            sample.Domain();
            auto faulty = std::make_shared<FaultStorage>(sample.storage, NoFault());
            FaultRule fail = FailNth(nth, fault);
            std::atomic<std::uint64_t> count{0};
            faulty =
                std::make_shared<FaultStorage>(sample.storage, [&](std::uint64_t, Verb verb, std::string_view name) {
                    return name.find("/packs/") == std::string_view::npos ? Fault::kNone : fail(++count, verb, name);
                });
            auto repository = Repository::Open(faulty, kSampleCluster);
            repository->SetEpoch(1);
            std::vector<FrameRef> refs;
            std::size_t proven = 0;
            bool threw = Thrown([&] {
                             PackWriter writer(repository, sample.Domain(), kBackup, Small("none"), sample.random,
                                               [&](PackInfo) { proven++; });
                             for (std::uint64_t i = 0; i < 8; i++)
                                 refs.push_back(writer.Append(SampleText(100'000, i)));
                             writer.Finish();
                         }).has_value();
            for (std::uint64_t i = 0; !threw && i < 8; i++)
                EXPECT_EQ(sample.Reader()->Read(refs[i]), SampleText(100'000, i)) << nth;
            if (faulty->faults() == 0) break;
        }
    }
}

// The name is taken when the upload is tried: by our own earlier try with the same bytes, or by something else.
// An export that gives way must not wait for the store before it lets go of its locks; what it goes on with is the same writer.
TEST(PackWriterTest, AWaitForASlowStoreCanBeGivenUpAndTheWriterGoesOn) {
    std::atomic<bool> takes{true};
    FakeClock clock;
    auto slow =
        std::make_shared<FaultStorage>(MakeMemoryStorage(clock), [&](std::uint64_t, Verb verb, std::string_view) {
            if (verb == Verb::kPutBlock) takes.wait(false);
            return Fault::kNone;
        });
    Sample sample(false, slow);
    PackWriter writer(sample.repository, sample.Domain(), kBackup, Small("none"), sample.random, [](PackInfo) {});
    FlagTicker stop;
    stop.Cancel();
    writer.StopWith(&stop);
    takes = false;
    std::vector<FrameRef> refs;
    std::optional<Code> thrown;
    while (!thrown && refs.size() < 1000)
        thrown = Thrown([&] { refs.push_back(writer.Append(SampleText(60'000, refs.size()))); });
    EXPECT_EQ(thrown, Code::kCancelled);
    EXPECT_LT(refs.size(), 20u);
    writer.StopWith(nullptr);
    takes = true;
    takes.notify_all();
    for (int i = 0; i < 10; i++) refs.push_back(writer.Append(SampleText(60'000, refs.size())));
    writer.Finish();
    auto reader = sample.Reader();
    for (std::size_t i = 0; i < refs.size(); i++) EXPECT_EQ(reader->Read(refs[i]), SampleText(60'000, i));
}

class LosesTheAnswer : public FaultStorage {
public:
    LosesTheAnswer(StoragePtr inner, bool spoil)
        : FaultStorage(inner, NoFault()), inner_(std::move(inner)), spoil_(spoil) {}
    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        if (name.find("/packs/") == std::string_view::npos) return inner_->Put(name, source, mode);
        inner_->Put(name, source, mode);
        if (spoil_) {
            MemorySource other("other bytes");
            inner_->Put(name, other, PutMode::kUnconditional);
        }
        throw Error(Code::kAlreadyExists, "the object exists");    // what a driver's retry meets
    }

private:
    StoragePtr inner_;
    bool spoil_;
};

TEST(Pack, ThatExistsAfterALostAnswerIsComparedByteByByte) {
    for (std::size_t frames : {1, 20}) {
        for (bool spoil : {false, true}) {
            Sample sample(true);
            sample.Domain();
            auto repository = Repository::Open(std::make_shared<LosesTheAnswer>(sample.storage, spoil), kSampleCluster);
            repository->SetEpoch(1);
            std::size_t proven = 0;
            PackWriter writer(repository, sample.Domain(), kBackup, Small("none"), sample.random,
                              [&](PackInfo) { proven++; });
            auto thrown = Thrown([&] {
                for (std::size_t i = 0; i < frames; i++) writer.Append(SampleText(100'000, i));
                writer.Finish();
            });
            EXPECT_EQ(thrown, spoil ? std::optional(Code::kAlreadyExists) : std::nullopt);
            EXPECT_EQ(proven > 0, !spoil);
        }
    }
}

TEST(Pack, SmallOnesCanBeSentAgain) {
    Sample sample(false);
    std::atomic<int> fails{2};
    auto faulty = std::make_shared<FaultStorage>(sample.storage, [&](std::uint64_t, Verb verb, std::string_view) {
        return verb == Verb::kPutBlock && fails-- > 0 ? Fault::kBefore : Fault::kNone;
    });
    RetrySettings quick;
    auto policy = std::make_shared<RetryPolicy>(quick, sample.clock, sample.random, NeverCancelled());
    auto repository = Repository::Open(MakeRetryStorage(faulty, policy), kSampleCluster);
    repository->SetEpoch(1);
    std::vector<FrameRef> refs;
    PackWriter writer(repository, sample.Domain(), kBackup, Small(), sample.random, [](PackInfo) {});
    refs.push_back(writer.Append(AsBytes("rows")));
    writer.Finish();
    EXPECT_EQ(AsText(sample.Reader()->Read(refs[0])), "rows");
}

}    // namespace
}    // namespace ark::test
