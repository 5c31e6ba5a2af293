#include "physical/piece_restore.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pgdata/crc32c.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kUnit = 8 << 10;
constexpr std::uint64_t kLength = 70 * kUnit + 100;    // more than one frame's worth, and a short unit

// A piece of which every third unit lies in another frame than its neighbours, as later backups make them.
class PieceRestoreTest : public ::testing::TestWithParam<bool> {
protected:
    PieceRestoreTest() {
        Bytes often, seldom;
        for (std::uint64_t i = 0; i * kUnit < kLength; i++) {
            ByteView unit = ByteView(content).subspan(i * kUnit, UnitLength(i, kLength, kUnit));
            piece.units += key.Digest(unit).substr(0, kUnitDigits);
            bool is_seldom = i % 3 == 2;
            Bytes &frame = is_seldom ? seldom : often;
            piece.map.push_back({1, is_seldom ? 0u : i < 30 ? 1u : 2u, 0});
            if (piece.map.back().frame == 2 && frames[1].empty()) frames[1] = std::exchange(often, {});
            piece.map.back().first = frame.size() / kUnit;
            Append(frame, unit);
        }
        frames[0] = seldom;
        frames[2] = often;
        for (std::size_t i = 0; i < 3; i++) {
            FrameRef ref;
            ref.frame = i;
            ref.size = frames[i].size();
            piece.frames.push_back(ref);
        }
    }

    // What the file holds after what is wanted was taken.
    void Finish(PieceRestore &restore) {
        for (const FrameRef &ref : restore.WantedFrames()) {
            EXPECT_FALSE(restore.HasAll());
            restore.Take(frames[ref.frame], [&](std::uint64_t at, ByteView bytes) {
                written += bytes.size();
                std::ranges::copy(bytes, file.begin() + static_cast<std::ptrdiff_t>(at));
            });
        }
        EXPECT_TRUE(restore.HasAll());
        EXPECT_EQ(file, content);
        EXPECT_EQ(restore.Crc(), Crc32c(content));
    }
    void Compare(PieceRestore &restore) {
        restore.Compare(key, [&](std::uint64_t at, MutableBytes to) {
            std::ranges::copy(MutableBytes(file).subspan(at, to.size()), to.begin());
        });
    }

    DomainKey key{"cluster", 1,
                  GetParam() ? std::optional(Key(AsBytes("0123456789abcdef0123456789abcdef"))) : std::nullopt};
    Bytes content = SampleText(kLength, 1), file = Bytes(kLength);
    Bytes frames[3];
    Piece piece;
    std::uint64_t written = 0;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, PieceRestoreTest, ::testing::Bool());

TEST_P(PieceRestoreTest, IsWrittenFromItsFrames) {
    PieceRestore restore(piece, kLength, kUnit);
    EXPECT_EQ(restore.BytesToWrite(), kLength);
    EXPECT_EQ(restore.WantedFrames().size(), 3u);
    Finish(restore);
    EXPECT_EQ(written, kLength);
}

TEST_P(PieceRestoreTest, WhatIsThereIsLeft) {
    file = content;
    PieceRestore restore(piece, kLength, kUnit);
    Compare(restore);
    EXPECT_EQ(restore.BytesToWrite(), 0u);
    EXPECT_TRUE(restore.WantedFrames().empty());
    Finish(restore);
}

TEST_P(PieceRestoreTest, OnlyWhatDiffersIsWritten) {
    file = content;
    for (std::uint64_t unit : {2, 40, 41, 70}) file[unit * kUnit + 50] ^= std::byte{1};
    PieceRestore restore(piece, kLength, kUnit);
    Compare(restore);
    EXPECT_EQ(restore.BytesToWrite(), 3 * kUnit + 100);
    EXPECT_EQ(restore.WantedFrames().size(), 2u) << "nothing of the middle frame";
    Finish(restore);
    EXPECT_EQ(written, 3 * kUnit + 100);
}

TEST_P(PieceRestoreTest, AFileOfZerosIsWrittenAnew) {
    PieceRestore restore(piece, kLength, kUnit);
    Compare(restore);
    EXPECT_EQ(restore.BytesToWrite(), kLength);
    Finish(restore);
}

}    // namespace
}    // namespace ark::test
