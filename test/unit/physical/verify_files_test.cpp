#include "physical/verify_files.h"

#include <gtest/gtest.h>

#include "physical/base_files.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kUnit = 8 << 10;

class VerifyFiles : public ::testing::Test {
protected:
    // A file of three units in one frame, as a backup has it.
    VerifyFiles() {
        PieceBuilder builder;
        for (int i = 0; i < 3; i++)
            builder.Add(key.Digest(ByteView(content).subspan(i * kUnit, kUnit)).substr(0, kUnitDigits));
        FrameRef frame;
        frame.pack = "20261128T000000Z-00000000/" + std::string(64, 'a');
        frame.size = content.size();
        frame.stored = 1;
        frame.digest = std::string(64, 'd');
        builder.Filled(frame);
        piece = PieceEntry(PiecePath("file/x", 0), builder.Finish(), kUnit);
    }
    std::string Piece(const Json &entry, ByteView plain) {
        verifier->Frame(entry, FrameRef(), plain);
        return verifier->EntryDone(entry);
    }

    DomainKey key;
    Bytes content = SampleText(3 * kUnit, 1);
    Json file = FileEntry("file/x", {.size = 3 * kUnit}, kUnit), piece;
    Json after{{"path", "stop/backup_label"}};
    std::unique_ptr<EntryVerifier> verifier = MakeFileVerifier(DomainKey());
};

TEST_F(VerifyFiles, AWholeFileIsFine) {
    EXPECT_EQ(verifier->EntryDone({{"path", "file/"}}), "");
    EXPECT_EQ(verifier->EntryDone(file), "");
    EXPECT_EQ(Piece(piece, content), "");
    EXPECT_EQ(verifier->EntryDone(after), "");
}

TEST_F(VerifyFiles, AUnitThatIsNotItselfIsSeen) {
    verifier->EntryDone(file);
    content[2 * kUnit + 1] ^= std::byte{1};
    EXPECT_EQ(Piece(piece, content), "unit 2 is not what its digest says");
}

TEST_F(VerifyFiles, AMissingPieceIsSeen) {
    verifier->EntryDone(file);
    EXPECT_EQ(verifier->EntryDone(after), "\"file/x\" before it has 0 pieces, too few for 24576 bytes");
}

TEST_F(VerifyFiles, APieceOfNothingIsSeen) {
    EXPECT_NE(Piece(piece, content), "");
    verifier->EntryDone(file);
    EXPECT_EQ(Piece(piece, content), "");
    EXPECT_NE(Piece(piece, content), "") << "twice";
}

TEST_F(VerifyFiles, AMapThatCannotBeRightIsSeen) {
    verifier->EntryDone(file);
    piece["map"] = Json::parse("[[2,0,0]]");
    EXPECT_NE(Piece(piece, content).find("does not cover"), std::string::npos);
}

}    // namespace
}    // namespace ark::test
