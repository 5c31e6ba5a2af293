#include "repo/header.h"

#include <gtest/gtest.h>

#include "unit/repo/sample.h"

namespace ark {
namespace {

const std::string kRepositoryId(32, 'a');
const std::string kName = "writers/0000000001";

std::string Sample(const std::string &format = "1", const std::string &required = "[]") {
    return R"({"magic":"pg_ark","kind":"writer","format":)" + format + R"(,"required":)" + required +
           R"(,"optional":["later"],"repository":")" + kRepositoryId + R"(","id":")" + kName +
           R"(","epoch":7,"unknown":{"x":1}})" + "\n{}";
}

std::optional<Code> Refusal(const std::string &object, layout::Kind kind = layout::Kind::kWriter,
                            const std::string &id = kName, const std::string &repository = kRepositoryId) {
    std::size_t length = 0;
    return test::Thrown([&] { ParseHeader(AsBytes(object), kind, id, repository, length); });
}

TEST(Header, ReadsBackWhatItWrote) {
    ObjectHeader header{layout::Kind::kPack, kRepositoryId, "packs/x", 3, {{"domain", "cluster"}, {"generation", 0}}};
    std::string line = FormatHeader(header);
    EXPECT_EQ(line, R"({"magic":"pg_ark","kind":"pack","format":1,"required":[],"optional":[],"repository":")" +
                        kRepositoryId + R"(","id":"packs/x","epoch":3,"domain":"cluster","generation":0})" + "\n");
    std::size_t length = 0;
    ObjectHeader back = ParseHeader(AsBytes(line + "frames"), layout::Kind::kPack, "packs/x", kRepositoryId, length);
    EXPECT_EQ(length, line.size());
    EXPECT_EQ(back.epoch, 3u);
    EXPECT_EQ(back.more, header.more);
}

TEST(Header, IgnoresMembersAndOptionalFeaturesItDoesNotKnow) { EXPECT_EQ(Refusal(Sample()), std::nullopt); }

TEST(Header, RefusesNewerFormatsAndFeatures) {
    EXPECT_EQ(Refusal(Sample("2")), Code::kUnsupported);
    EXPECT_EQ(Refusal(Sample("0")), Code::kUnsupported);
    EXPECT_EQ(Refusal(Sample("1", R"(["holograms"])")), Code::kUnsupported);
    EXPECT_EQ(Refusal(Sample("1", "[7]")), Code::kUnsupported);
    EXPECT_EQ(Refusal(Sample("1", R"("none")")), Code::kCorrupt);
}

TEST(Header, RefusesObjectsOfOtherPlaces) {
    EXPECT_EQ(Refusal(Sample(), layout::Kind::kKey), Code::kCorrupt);
    EXPECT_EQ(Refusal(Sample(), layout::Kind::kWriter, "writers/0000000002"), Code::kCorrupt);
    EXPECT_EQ(Refusal(Sample(), layout::Kind::kWriter, kName, std::string(32, 'b')), Code::kCorrupt);
}

TEST(Header, RefusesWhatIsNoHeader) {
    for (const std::string &object : {std::string(), std::string("{}"), std::string("{}\n"), std::string("\n"),
                                      std::string("[1]\n"), std::string("{\"magic\":1}\n"), std::string(100'000, '{'),
                                      std::string(5000, ' ') + "\n", std::string("\xff\xfe\n")})
        EXPECT_EQ(Refusal(object), Code::kCorrupt) << object.substr(0, 20);
}

TEST(Header, CheckLineDetectsEveryFlipAndTruncation) {
    Bytes object = ToBytes("{\"a\":1}\n{\"b\":2}\n");
    AppendCheckLine(object);
    EXPECT_EQ(AsText(WithoutCheckLine(object, "x")), "{\"a\":1}\n{\"b\":2}\n");
    for (std::size_t i = 0; i < object.size(); i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{1};
        EXPECT_THROW(WithoutCheckLine(altered, "x"), Error) << i;
        EXPECT_THROW(WithoutCheckLine(ByteView(object).first(i), "x"), Error) << i;
    }
}

}    // namespace
}    // namespace ark
