#include "wal/segment_object.h"

#include "unit/wal/wal_sample.h"

namespace ark {
namespace {

using namespace test;

class SegmentObject : public testing::TestWithParam<bool> {
protected:
    WalSample sample{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, SegmentObject, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(SegmentObject, ComesBackAsItWas) {
    for (const Bytes &file : {ShortSegment(), LongSegment(), Bytes(16 << 20)}) {
        std::string name = SegmentName::OfNumber({1}, 5000 + file.size() % 97, WalSegmentSize(file.size())).Text();
        SegmentResult result = sample.Write(file, name);
        EXPECT_EQ(result.outcome, SegmentOutcome::kStored);
        EXPECT_EQ(result.stored_bytes, sample.Load(WalSample::ObjectName(name)).size());
        EXPECT_LT(result.stored_bytes, file.size() / 2) << "it is compressed";
        EXPECT_EQ(sample.Read(name), file);
    }
}

TEST_P(SegmentObject, AnyCompressionAndAnyBytesComeBack) {
    Bytes file(1 << 20);
    sample.random.Fill(file);
    std::uint64_t number = 1;
    for (const char *compression : {"zstd:1", "zstd:9", "gzip:1", "none"}) {
        MemorySource source(file);
        SegmentFacts facts = WalSample::Facts(SegmentName::OfNumber({1}, number++, WalSegmentSize(1 << 20)).Text());
        facts.compression = ParseCompression(compression);
        WriteSegment(*sample.repository, *sample.keys, sample.key, facts, source, sample.random);
        EXPECT_EQ(sample.Read(facts.name.Text()), file) << compression;
    }
}

TEST_P(SegmentObject, SmallFilesAreObjectsToo) {
    for (const auto &[name, text] : {std::pair<std::string, std::string>{"00000002.history", "1\t0/3000000\tx\n"},
                                     {"00000003.history", ""},
                                     {kSegmentText + ".00000028.backup", "START WAL LOCATION: …\n"}}) {
        EXPECT_EQ(sample.Write(AsBytes(text), name).outcome, SegmentOutcome::kStored);
        EXPECT_EQ(sample.Read(name), ToBytes(text));
        EXPECT_EQ(sample.Stat(name)->Start(), std::nullopt);
    }
    sample.Write(ShortSegment(), kSegmentText + ".partial");
    EXPECT_EQ(sample.Read(kSegmentText), std::nullopt) << "a partial segment never stands for the segment";
}

TEST_P(SegmentObject, TheHeaderSaysWhatTheFileIs) {
    sample.Write(ShortSegment());
    SegmentInfo info = sample.Stat().value();
    EXPECT_EQ(info.name.Text(), kSegmentText);
    EXPECT_EQ(info.epoch, 1u);
    EXPECT_EQ(info.system_identifier, kSampleCluster.system_identifier);
    EXPECT_EQ(info.length, ShortSegment().size());
    EXPECT_EQ(info.Start().value().Text(), "A/C300000");
    EXPECT_EQ(info.generation, GetParam() ? 1u : 0u);
    EXPECT_EQ(info.digest == Sha256Hex(ShortSegment()), !GetParam()) << "a digest of plain bytes is keyed";
}

TEST_P(SegmentObject, WhatIsNotThereIsAnAnswerAndNoError) {
    EXPECT_EQ(sample.Stat(), std::nullopt);
    EXPECT_EQ(sample.Read(), std::nullopt);
}

TEST_P(SegmentObject, TheSameFileAgainIsSuccess) {
    sample.Write(ShortSegment());
    Bytes before = sample.Load(WalSample::ObjectName());
    SegmentResult again = sample.Write(ShortSegment());
    EXPECT_EQ(again.outcome, SegmentOutcome::kSameAlready);
    EXPECT_EQ(again.stored_bytes, 0u);
    EXPECT_EQ(sample.Load(WalSample::ObjectName()), before);
}

TEST_P(SegmentObject, AnotherContentIsAConflictThatNamesBoth) {
    std::string first = sample.Write(ShortSegment(1)).info.digest;
    Bytes before = sample.Load(WalSample::ObjectName());
    Error error = ErrorOf([&] { sample.Write(ShortSegment(2)); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_NE(error.message.find(kSegmentText), std::string::npos);
    EXPECT_NE(error.detail.find(first), std::string::npos);
    sample.Write(ShortSegment(2), "000000010000000A000000C4");
    EXPECT_NE(error.detail.find(sample.Stat("000000010000000A000000C4")->digest), std::string::npos);
    EXPECT_FALSE(error.hint.empty());
    EXPECT_EQ(ErrorOf([&] { sample.Write(LongSegment()); }).code, Code::kConflict);
    EXPECT_EQ(sample.Load(WalSample::ObjectName()), before);
    EXPECT_EQ(sample.Read(), ShortSegment(1));
}

TEST_P(SegmentObject, ANameTakenByADamagedObjectIsNoSuccess) {
    sample.Write(ShortSegment());
    Bytes object = sample.Load(WalSample::ObjectName());
    sample.Replace(WalSample::ObjectName(), ByteView(object).first(300));
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment()); }).code, Code::kCorrupt);
}

TEST_P(SegmentObject, AnEarlierEpochsFilesAreOurs) {
    sample.Write(ShortSegment());
    sample.repository->SetEpoch(3);
    SegmentResult result = sample.Write(ShortSegment());
    EXPECT_EQ(result.outcome, SegmentOutcome::kSameAlready);
    EXPECT_EQ(result.info.epoch, 1u);
    Error error = ErrorOf([&] { sample.Write(ShortSegment(2)); });
    EXPECT_NE(error.detail.find("epoch 1"), std::string::npos);
    EXPECT_NE(error.detail.find("epoch 3"), std::string::npos);
}

TEST_P(SegmentObject, WhoWasTakenOverStopsWhateverTheContent) {
    sample.repository->SetEpoch(2);
    sample.Write(ShortSegment());
    sample.repository->SetEpoch(1);
    for (std::uint64_t seed : {1, 2}) {
        Error error = ErrorOf([&] { sample.Write(ShortSegment(seed)); });
        EXPECT_EQ(error.code, Code::kConflict);
        EXPECT_NE(error.detail.find("taken over"), std::string::npos);
    }
}

TEST_P(SegmentObject, NothingIsWrittenWithoutAnEpochOrForAnotherCluster) {
    sample.repository->SetEpoch(0);
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment()); }).code, Code::kInternal);
    sample.repository->SetEpoch(1);
    MemorySource source(ShortSegment());
    SegmentFacts facts = WalSample::Facts();
    facts.system_identifier = "7301234567890123457";
    EXPECT_EQ(
        ErrorOf([&] { WriteSegment(*sample.repository, *sample.keys, sample.key, facts, source, sample.random); }).code,
        Code::kConflict);
    DomainKey other{"cluster", 0, std::nullopt};
    if (!GetParam()) other = {"cluster", 1, Key(AsBytes("0123456789abcdef0123456789abcdef"))};
    EXPECT_EQ(ErrorOf([&] {
                  WriteSegment(*sample.repository, *sample.keys, other, WalSample::Facts(), source, sample.random);
              }).code,
              Code::kInternal);
    EXPECT_EQ(sample.Stat(), std::nullopt);
}

TEST_P(SegmentObject, LengthsThatNoSegmentHasAreRefused) {
    for (std::size_t size : {0u, 1u, 1u << 19, (1u << 20) - 1, (1u << 20) + 1, 3u << 20})
        EXPECT_EQ(ErrorOf([&] { sample.Write(Bytes(size)); }).code, Code::kInvalidArgument) << size;
    EXPECT_EQ(ErrorOf([&] { sample.Write(Bytes(16 << 20), "000000010000000A00000100"); }).code, Code::kInvalidArgument)
        << "a name that this size cannot have";
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment(), "00000001FFFFFFFF00000FFF"); }).code, Code::kInvalidArgument);
    EXPECT_EQ(sample.Stat(), std::nullopt);
}

TEST_P(SegmentObject, SegmentsOfATimelineAreListedInOrder) {
    const std::vector<std::string> names{"000000010000000000000002", "0000000100000000000000FF",
                                         "000000010000000100000000"};
    for (std::size_t i : {2, 0, 1}) sample.Write(ShortSegment(), names[i]);
    sample.Write(ShortSegment(), "000000010000000000000003.partial");
    sample.Write(AsBytes("x"), "000000010000000000000002.00000028.backup");
    sample.Write(ShortSegment(), "000000020000000000000002");
    sample.Write(AsBytes("x"), "00000002.history");
    std::vector<std::string> found;
    ListSegments(*sample.repository, {1}, [&](const SegmentName &name, const ObjectInfo &info) {
        EXPECT_GT(info.size, 0u);
        found.push_back(name.Text());
        return true;
    });
    EXPECT_EQ(found, names);
    int visited = 0;
    ListSegments(*sample.repository, {1}, [&](const SegmentName &, const ObjectInfo &) { return ++visited < 2; });
    EXPECT_EQ(visited, 2);
    ListSegments(*sample.repository, {3}, [&](const SegmentName &, const ObjectInfo &) { return ++visited < 9; });
    EXPECT_EQ(visited, 2) << "timeline 3 has none";
    sample.Replace("wal/00000001/strange", AsBytes("x"));
    EXPECT_EQ(ErrorOf([&] { ListSegments(*sample.repository, {1}, [](auto &...) { return true; }); }).code,
              Code::kCorrupt);
}

TEST(SegmentKeys, ANewGenerationKnowsTheFilesOfTheOldOne) {
    WalSample sample(true);
    sample.Write(ShortSegment());
    sample.keys->NewGeneration("cluster", sample.random);
    sample.key = sample.Domain();
    EXPECT_EQ(sample.key.generation, 2u);
    EXPECT_EQ(sample.Write(ShortSegment()).outcome, SegmentOutcome::kSameAlready);
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment(2)); }).code, Code::kConflict);
    sample.Write(ShortSegment(2), "000000010000000A000000C4");
    EXPECT_EQ(sample.Stat("000000010000000A000000C4")->generation, 2u);
    EXPECT_EQ(sample.Read(), ShortSegment());
    EXPECT_EQ(sample.Read("000000010000000A000000C4"), ShortSegment(2));
}

TEST(SegmentKeys, AnotherKeyReadsNothing) {
    WalSample sample(true);
    sample.Write(ShortSegment());
    KeyRing wrong(sample.repository, Key(AsBytes("another key, also of 32 bytes...")));
    EXPECT_EQ(ErrorOf([&] { sample.ReadWith(wrong); }).code, Code::kPermissionDenied);
    EXPECT_EQ(ErrorOf([&] { StatSegment(*sample.repository, wrong, ParseWalFileName(kSegmentText)); }).code,
              Code::kPermissionDenied);
}

}    // namespace
}    // namespace ark
