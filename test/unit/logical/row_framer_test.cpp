#include <gtest/gtest.h>

#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/random.h"
#include "logical/frame_cutter.h"
#include "logical/row_framer.h"

namespace ark {
namespace {

struct Framed {
    std::vector<std::string> frames;
    std::vector<std::uint64_t> rows;
    RowsDigest digest;

    std::set<std::string> Digests() const {
        std::set<std::string> digests;
        for (const std::string &frame : frames) digests.insert(Sha256Hex(AsBytes(frame)));
        return digests;
    }
};

// Feeds rows in pieces as large as the framer offers, as libpq does.
Framed Frame(const std::vector<std::string> &rows) {
    Framed framed;
    RowFramer framer([&](ByteView frame, std::uint64_t count) {
        framed.frames.emplace_back(AsText(frame));
        framed.rows.push_back(count);
    });
    for (const std::string &row : rows)
        for (std::size_t at = 0; at < row.size();) {
            MutableBytes space = framer.Space();
            std::size_t part = std::min(space.size(), row.size() - at);
            std::memcpy(space.data(), row.data() + at, part);
            framer.Added(part);
            at += part;
        }
    framer.Finish();
    framed.digest = framer.digest();
    EXPECT_EQ(framer.rows(), rows.size());
    return framed;
}

std::vector<std::string> RandomRows(std::size_t count, std::size_t width, std::uint64_t seed = 1) {
    SeededRandom random(seed);
    std::vector<std::string> rows;
    for (std::size_t i = 0; i < count; i++) {
        std::string row = random.Hex(width / 4 + random.Below(width / 4));
        row.resize(std::max<std::size_t>(row.size(), 1));
        rows.push_back(row + "\n");
    }
    return rows;
}

TEST(RowFramer, GivesBackAllRowsInOrder) {
    std::vector<std::string> rows = RandomRows(30'000, 200);
    std::string all, framed_all;
    for (const std::string &row : rows) all += row;
    Framed framed = Frame(rows);
    std::uint64_t counted = 0;
    for (const std::string &frame : framed.frames) framed_all += frame;
    for (std::uint64_t count : framed.rows) counted += count;
    EXPECT_EQ(all, framed_all);
    EXPECT_EQ(counted, rows.size());
    for (const std::string &frame : framed.frames) EXPECT_EQ(frame.back(), '\n');
}

TEST(RowFramer, CutsFramesOfAboutAMegabyteWhateverTheRowsWidth) {
    for (std::size_t width : {24u, 400u, 80'000u}) {
        std::vector<std::string> rows = RandomRows((24u << 20) / (width * 3 / 4), width, width);
        Framed framed = Frame(rows);
        for (std::size_t i = 0; i + 1 < framed.frames.size(); i++) {
            EXPECT_GE(framed.frames[i].size(), kFrameMinimum);
            EXPECT_LE(framed.frames[i].size(), kFrameMaximum);
        }
        double mean = 24.0 / static_cast<double>(framed.frames.size());
        EXPECT_GT(mean, 0.6) << width;
        EXPECT_LT(mean, 1.6) << width;
    }
}

TEST(RowFramer, AnInsertedRowMovesOnlyTheCutsBesideIt) {
    std::vector<std::string> rows = RandomRows(40'000, 600);
    Framed before = Frame(rows);
    rows.insert(rows.begin() + 20'000, "a new row\n");
    Framed after = Frame(rows);
    std::set<std::string> known = before.Digests();
    std::size_t fresh = 0;
    for (const std::string &digest : after.Digests()) fresh += known.contains(digest) ? 0 : 1;
    EXPECT_GE(before.frames.size(), 10u);
    EXPECT_GE(fresh, 1u);
    EXPECT_LE(fresh, 3u);
}

// An UPDATE of a range: the rows leave their place and come again, changed, at the end of the heap.
TEST(RowFramer, ARangeOfRowsThatMovesToTheEndChangesOnlyItsFramesAndTheSeam) {
    std::vector<std::string> rows = RandomRows(100'000, 1200);
    std::set<std::string> known = Frame(rows).Digests();
    auto first = rows.begin() + 40'000, end = first + 1'000;
    std::vector<std::string> moved(first, end);
    rows.erase(first, end);
    std::string seam = rows[39'999] + rows[40'000];
    std::size_t old_rows = rows.size();
    for (const std::string &row : moved) rows.push_back("changed " + row);

    Framed after = Frame(rows);
    std::size_t fresh = 0, row = 0;
    for (std::size_t i = 0; i < after.frames.size(); i++) {
        row += after.rows[i];
        if (known.contains(Sha256Hex(AsBytes(after.frames[i])))) continue;
        fresh += after.frames[i].size();
        EXPECT_TRUE(row > old_rows || after.frames[i].find(seam) != std::string::npos) << i;
    }
    EXPECT_GT(known.size(), 60u);
    EXPECT_LE(fresh, std::size_t{1'000} * 900 + 2 * kFrameMaximum);
}

TEST(RowFramer, EqualRowsNeverCutByContentEndAtTheLimit) {
    std::string row = "0\n";
    while (CutAfterRow(kFrameMinimum, AsBytes(row))) row.insert(0, "0");
    Framed framed = Frame(std::vector<std::string>((9u << 20) / row.size(), row));
    ASSERT_EQ(framed.frames.size(), 3u);
    EXPECT_GT(framed.frames[0].size(), kFrameMaximum - row.size());
    EXPECT_LE(framed.frames[0].size(), kFrameMaximum);
}

TEST(RowFramer, ARowLargerThanAFrameIsAFrameByItself) {
    std::string huge(30 << 20, 'x');
    huge += '\n';
    Framed framed = Frame({"small\n", huge, "after\n", "\n"});
    ASSERT_EQ(framed.frames.size(), 3u);
    EXPECT_EQ(framed.frames[0], "small\n");
    EXPECT_EQ(framed.frames[1].size(), huge.size());
    EXPECT_EQ(framed.frames[2], "after\n\n");
    EXPECT_EQ(framed.rows, (std::vector<std::uint64_t>{1, 1, 2}));
}

TEST(RowFramer, RefusesToEndInsideARow) {
    RowFramer framer([](ByteView, std::uint64_t) {});
    std::memcpy(framer.Space().data(), "half", 4);
    framer.Added(4);
    EXPECT_THROW(framer.Finish(), Error);
}

TEST(RowsDigest, DoesNotDependOnOrderAndSeesEveryChange) {
    RowsDigest one, other, changed, parts, part;
    EXPECT_EQ(one.AddRows(AsBytes("1\ta\n2\tb\n3\tc\n")), 3u);
    other.AddRows(AsBytes("3\tc\n1\ta\n2\tb\n"));
    changed.AddRows(AsBytes("3\tc\n1\tb\n2\ta\n"));
    parts.AddRows(AsBytes("2\tb\n"));
    part.AddRows(AsBytes("3\tc\n1\ta\n"));
    parts.Add(part);
    EXPECT_EQ(one.Hex(), other.Hex());
    EXPECT_EQ(one.Hex(), parts.Hex());
    EXPECT_NE(one.Hex(), changed.Hex());
    EXPECT_EQ(RowsDigest().Hex(), std::string(32, '0'));
    EXPECT_THROW(part.AddRows(AsBytes("no end")), Error);
}

TEST(RowsDigest, IsXxh3OfTheRowWithItsNewline) {
    // XXH128 of the two bytes "a\n": a stranger's reader must find the same.
    RowsDigest digest;
    digest.AddRow(AsBytes("a\n"));
    EXPECT_EQ(digest.Hex(), "5c73e7e3dcbb0395e841f27363849a18");
}

}    // namespace
}    // namespace ark
