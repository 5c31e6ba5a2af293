#include "physical/read_piece.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "pgdata/page.h"
#include "support/fake_clock.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kUnit = 8 << 10;

class ReadPieceTest : public ::testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        session = sample.Begin();
        packs = session->NewPackWriter({});
    }
    std::filesystem::path File() const { return directory.path() / "16384"; }
    void Write(ByteView bytes) { WriteFileAtomically(File(), bytes); }
    PieceRequest Request(std::uint64_t length) {
        PieceRequest request;
        request.file = File();
        request.relative = "base/5/16384";
        request.path = "file/base/5/16384#0000000000";
        request.length = length;
        request.unit = kUnit;
        return request;
    }
    Piece Read(const PieceRequest &request) {
        Piece piece;
        EXPECT_EQ(ReadPiece(request, *session, *packs, counters, NeverCancelled(), piece), PieceOutcome::kRead);
        return piece;
    }
    // What a restore would write.
    Bytes Restored(const Piece &piece, std::uint64_t length) {
        packs->Finish();
        Bytes out;
        for (const UnitRun &run : piece.map) {
            Buffer frame = sample.Reader()->Read(piece.frames[run.frame]);
            for (std::uint64_t i = 0; i < run.units; i++) {
                std::uint64_t at = (run.first + i) * kUnit, left = length - out.size();
                Append(out, ByteView(frame).subspan(at, std::min(kUnit, left)));
            }
        }
        return out;
    }

    Sample sample{GetParam()};
    TemporaryDirectory directory;
    std::unique_ptr<BackupSession> session;
    std::unique_ptr<PackWriter> packs;
    PhysicalCounters counters;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, ReadPieceTest, ::testing::Bool());

TEST_P(ReadPieceTest, BringsEveryByte) {
    Bytes file = SampleText(700'001, 1);
    Write(file);
    Piece piece = Read(Request(file.size()));
    EXPECT_EQ(piece.frames.size(), 3u) << "of 256 KiB at most";
    EXPECT_EQ(Restored(piece, file.size()), file);
    EXPECT_EQ(counters.read_bytes, file.size());
}

TEST_P(ReadPieceTest, ReadsNoFasterThanItMay) {
    FakeClock clock;
    RateLimit rate(100'000, clock, NeverCancelled());
    Bytes file = SampleText(1'000'000, 1);
    Write(file);
    PieceRequest request = Request(file.size());
    request.rate = &rate;
    SteadyPoint begun = clock.Steady();
    request.base = Read(request);
    EXPECT_GE(clock.Steady() - begun, std::chrono::seconds(9));
    begun = clock.Steady();
    Piece again = Read(request);
    EXPECT_GE(clock.Steady() - begun, std::chrono::seconds(9)) << "also where nothing is stored";
    EXPECT_EQ(Restored(again, file.size()), file);
}

TEST_P(ReadPieceTest, StoresWhatChangedAndNothingElse) {
    Bytes file = SampleText(100 * kUnit, 1);
    Write(file);
    PieceRequest request = Request(file.size());
    request.base = Read(request);
    std::fill_n(file.begin() + 3 * kUnit, 10, std::byte{'!'});
    std::fill_n(file.begin() + 70 * kUnit, 10, std::byte{'!'});
    Write(file);
    Piece changed = Read(request);
    EXPECT_EQ(counters.reused_bytes, 98 * kUnit);
    std::uint64_t stored = 0;
    for (const FrameRef &frame : changed.frames) {
        bool known =
            std::ranges::any_of(request.base->frames, [&](const FrameRef &of) { return of.digest == frame.digest; });
        if (!known) stored += frame.size;
    }
    EXPECT_EQ(stored, 2 * kUnit);
    EXPECT_EQ(Restored(changed, file.size()), file);
}

TEST_P(ReadPieceTest, AFileThatGrewOrWasCutShortIsCompared) {
    Bytes file = SampleText(20 * kUnit + 100, 1);
    Write(file);
    PieceRequest request = Request(file.size());
    request.base = Read(request);
    Bytes longer = file;
    Append(longer, SampleText(5 * kUnit, 2));
    Write(longer);
    PieceRequest grown = Request(longer.size());
    grown.base = request.base;
    Piece piece = Read(grown);
    EXPECT_EQ(counters.reused_bytes, 20 * kUnit) << "the last unit was short";
    Bytes half(file.begin(), file.begin() + 10 * kUnit + 7);
    Write(half);
    Piece cut = Read(request);    // the file had its old length when it was looked at
    Bytes padded = half;
    padded.resize(file.size());
    EXPECT_EQ(Restored(cut, file.size()), padded) << "with zeros, as far as it was announced";
    EXPECT_EQ(Restored(piece, longer.size()), longer);
}

TEST_P(ReadPieceTest, AFileThatIsGoneIsSaid) {
    Piece piece;
    EXPECT_EQ(ReadPiece(Request(kUnit), *session, *packs, counters, NeverCancelled(), piece),
              PieceOutcome::kFileIsGone);
}

TEST_P(ReadPieceTest, ReadsAPieceFurtherBack) {
    Bytes file = SampleText(kPieceSize + 3 * kUnit, 3);
    Write(file);
    PieceRequest request = Request(3 * kUnit);
    request.number = 1;
    EXPECT_EQ(Restored(Read(request), 3 * kUnit), Bytes(file.begin() + kPieceSize, file.end()));
}

class Pages : public ReadPieceTest {
protected:
    // Pages with an LSN and a checksum; `block` is the first one's.
    Bytes Make(std::uint32_t pages, std::uint32_t block, std::uint64_t lsn) {
        Bytes file = SampleText(pages * 8192, 5);
        for (std::uint32_t i = 0; i < pages; i++) {
            std::byte *page = file.data() + i * 8192;
            PutLittleEndian(page, static_cast<std::uint32_t>(lsn >> 32));
            PutLittleEndian(page + 4, static_cast<std::uint32_t>(lsn));
            PutLittleEndian(page + 8, PageChecksum({page, 8192}, block + i));
        }
        return file;
    }
    PieceRequest Checked(std::uint64_t length, std::uint32_t first) {
        PieceRequest request = Request(length);
        request.pages.first_block = first;
        request.pages.start = {1000};
        request.pages.flushed = [] { return Lsn{2000}; };
        return request;
    }
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, Pages, ::testing::Bool());

TEST_P(Pages, GoodOnesAndNewOnesAreNotTold) {
    Bytes file = Make(40, 131072, 500);
    std::fill_n(file.begin() + 7 * 8192, 8192, std::byte{0});
    Write(file);
    Read(Checked(file.size(), 131072));
    EXPECT_EQ(counters.bad_pages, 0u);
    Read(Checked(file.size(), 0));
    EXPECT_EQ(counters.bad_pages, 39u) << "as pages of another place";
}

TEST_P(Pages, ABadOneIsToldAndStoredAsItIs) {
    Bytes file = Make(40, 0, 500);
    file[11 * 8192 + 5000] ^= std::byte{4};
    Write(file);
    Piece piece = Read(Checked(file.size(), 0));
    EXPECT_EQ(counters.bad_pages, 1u);
    ASSERT_EQ(counters.first_bad.size(), 1u);
    EXPECT_EQ(counters.first_bad[0].block, 11u);
    EXPECT_EQ(counters.first_bad[0].path, "base/5/16384");
    EXPECT_EQ(Restored(piece, file.size()), file);
}

TEST_P(Pages, OneThatIsReplayedIsGood) {
    for (auto [lsn, bad] : {std::pair(999u, 1u), std::pair(1000u, 0u), std::pair(2000u, 0u), std::pair(2001u, 1u)}) {
        Bytes file = Make(2, 0, lsn);
        file[8192 + 5000] ^= std::byte{4};
        Write(file);
        counters.bad_pages = 0;
        Read(Checked(file.size(), 0));
        EXPECT_EQ(counters.bad_pages, bad) << "LSN " << lsn;
    }
}

}    // namespace
}    // namespace ark::test
