#include "logical/frame_pipe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/fault_storage.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

class FramePipeTest : public testing::Test {
protected:
    FramePipe::Frame Filled(std::size_t length, std::byte with) {
        FramePipe::Frame frame;
        frame.buffer.Resize(length);
        std::ranges::fill(frame.buffer.bytes(), with);
        frame.length = length;
        frame.rows = length;
        frame.reusable = &none_;
        frame.to = &stored_;
        return frame;
    }
    static PackSettings Uncompressed() {
        PackSettings settings;
        settings.compression.kind = CompressionKind::kNone;
        return settings;
    }

    std::atomic<bool> full_{false}, stalled_{false};
    Sample sample_{false, std::make_shared<FaultStorage>(
                              MakeMemoryStorage(), [this](std::uint64_t, Verb verb, std::string_view name) {
                                  bool of_pack = name.find("/packs/") != std::string_view::npos;
                                  if (!of_pack || verb != Verb::kPutBlock) return Fault::kNone;
                                  stalled_.wait(true);
                                  return full_ ? Fault::kDiskFull : Fault::kNone;
                              })};
    std::unique_ptr<BackupSession> session_ = sample_.Begin();
    Compaction compaction_;
    StoreCounters counters_;
    FrameStore store_{*session_, Uncompressed(), compaction_, counters_};
    Candidates none_;
    std::vector<FrameRef> stored_;
};

TEST_F(FramePipeTest, KeepsTheOrderOfSmallUsualAndHugeFrames) {
    std::vector<std::size_t> lengths;
    FramePipe pipe(store_);
    for (std::size_t i = 0; i < 40; i++) {
        lengths.push_back(i % 7 == 3 ? 100 + i : i == 20 ? 20 << 20 : (1 << 20) + i);
        pipe.Put(Filled(lengths.back(), std::byte(i)));
    }
    pipe.Flush();
    store_.packs().Finish();
    ASSERT_EQ(stored_.size(), lengths.size());
    for (std::size_t i = 0; i < lengths.size(); i++) {
        EXPECT_EQ(stored_[i].size, lengths[i]);
        EXPECT_EQ(stored_[i].rows, lengths[i]);
        EXPECT_EQ(sample_.Reader()->Read(stored_[i]), Bytes(lengths[i], std::byte(i)));
    }
}

TEST_F(FramePipeTest, GivesMemoryBackWhenItsFrameIsStored) {
    FramePipe pipe(store_);
    EXPECT_EQ(pipe.Put(Filled(100, std::byte{1})).bytes().size(), 100u);    // stored at once
    for (int i = 0; i < 3; i++) pipe.Put(Filled(1 << 20, std::byte{2}));
    // One waits, one is being stored: the first of the three is through.
    EXPECT_GE(counters_.plain_bytes.load(), 100u + (1u << 20));
    pipe.Flush();
    EXPECT_EQ(counters_.plain_bytes.load(), 100u + (3u << 20));
}

// A disk that is full shows when a part is written, frames after the one that filled it.
TEST_F(FramePipeTest, ThrowsWhatAnEarlierFrameMetAndStoresNoMore) {
    full_ = true;
    FramePipe pipe(store_);
    auto met = Thrown([&] {
        for (int i = 0; i < 200; i++) pipe.Put(Filled(1 << 20, std::byte{1}));
    });
    EXPECT_EQ(met, Code::kUnavailable);
    EXPECT_EQ(Thrown([&] { pipe.Flush(); }), Code::kUnavailable);
    std::size_t stored = stored_.size();
    EXPECT_EQ(Thrown([&] { pipe.Put(Filled(10, std::byte{1})); }), Code::kUnavailable);
    EXPECT_EQ(stored_.size(), stored);
}

// A reader whose server went away must let go, however slow the store is: here it takes nothing at all.
TEST_F(FramePipeTest, GivingUpDoesNotWaitForTheStore) {
    stalled_ = true;
    {
        FramePipe pipe(store_);
        PackSettings settings;
        std::size_t accepted =
            (settings.parts_queued + 2) * settings.part_size >> 20;    // frames, before a wait begins
        for (std::size_t i = 0; i < accepted + 2; i++) pipe.Put(Filled(1 << 20, std::byte{1}));
    }
    stalled_ = false;
    stalled_.notify_all();
    store_.packs().Finish();
    ASSERT_FALSE(stored_.empty());
    EXPECT_EQ(sample_.Reader()->Read(stored_.back()), Bytes(1 << 20, std::byte{1}));
}

TEST_F(FramePipeTest, AStoreCanBeUsedAgainAfterAPipeThatWasGivenUp) {
    {
        FramePipe given_up(store_);
        for (int i = 0; i < 3; i++) given_up.Put(Filled(1 << 20, std::byte{1}));
    }
    std::size_t before = stored_.size();
    FramePipe pipe(store_);
    pipe.Put(Filled(1 << 20, std::byte{2}));
    pipe.Flush();
    store_.packs().Finish();
    ASSERT_EQ(stored_.size(), before + 1);
    EXPECT_EQ(sample_.Reader()->Read(stored_.back()), Bytes(1 << 20, std::byte{2}));
}

}    // namespace
}    // namespace ark::test
