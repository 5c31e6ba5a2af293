// Objects that were altered, cut, swapped or forged: a reader says so, and never that it has read the file.
#include "base/encoding.h"
#include "unit/wal/wal_sample.h"

namespace ark {
namespace {

using namespace test;

const std::string kOtherText = "000000010000000A000000C4";

class SegmentDamage : public testing::TestWithParam<bool> {
protected:
    SegmentDamage() {
        sample.Write(ShortSegment());
        object = sample.Load(WalSample::ObjectName());
    }
    void Store(ByteView bytes) { sample.Replace(WalSample::ObjectName(), bytes); }
    std::size_t FrontSize() const {
        std::string_view text = AsText(object);
        return text.find('\n', text.find('\n') + 1) + 1;
    }
    // A reader fails with kCorrupt.
    void ExpectDamage(const std::string &what) {
        EXPECT_EQ(Thrown([&] { sample.Read(); }), Code::kCorrupt) << what;
    }
    static Bytes WithNewCheckLine(ByteView altered) {
        Bytes out(altered.begin(), altered.end() - kCheckLineSize);
        AppendCheckLine(out);
        return out;
    }

    WalSample sample{GetParam()};
    Bytes object;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, SegmentDamage, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(SegmentDamage, EveryAlteredByteOfTheFrontIsSeenWithoutReadingOn) {
    std::size_t front = FrontSize();
    for (std::size_t i = 0; i < front; i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{1};
        Store(altered);
        EXPECT_TRUE(Thrown([&] { sample.Stat(); })) << i;
        EXPECT_TRUE(Thrown([&] { sample.Read(); })) << i;
    }
}

TEST_P(SegmentDamage, AlteredBytesOfTheBodyAreSeen) {
    for (std::size_t i = FrontSize(); i < object.size(); i += 1000) {
        Bytes altered = object;
        altered[i] ^= std::byte{0x40};
        Store(altered);
        ExpectDamage("byte " + std::to_string(i));
        if (i % 7 != 0) continue;
        Store(WithNewCheckLine(altered));    // by somebody who knows the format
        if (i < object.size() - kCheckLineSize) ExpectDamage("byte " + std::to_string(i) + ", with a check line");
    }
    for (std::size_t i = object.size() - kCheckLineSize; i < object.size(); i++) {
        Bytes altered = object;
        altered[i] ^= std::byte{1};
        Store(altered);
        ExpectDamage("byte " + std::to_string(i));
    }
}

TEST_P(SegmentDamage, TruncatedAndLengthenedObjectsAreSeen) {
    for (std::size_t size = 0; size < object.size(); size += size < 1000 ? 37 : 4999) {
        Store(ByteView(object).first(size));
        ExpectDamage(std::to_string(size) + " bytes");
    }
    for (std::size_t cut : {std::size_t{1}, kCheckLineSize, kCheckLineSize + 1}) {
        Store(ByteView(object).first(object.size() - cut));
        ExpectDamage("without its last bytes");
    }
    Bytes longer = object;
    longer.push_back(std::byte{0});
    Store(longer);
    ExpectDamage("with a byte more");
    Bytes doubled = object;
    Append(doubled, ByteView(object).subspan(FrontSize()));
    Store(doubled);
    ExpectDamage("with its body twice");
}

TEST_P(SegmentDamage, AnObjectUnderAnotherNameIsRefused) {
    sample.Replace(WalSample::ObjectName(kOtherText), object);
    EXPECT_EQ(Thrown([&] { sample.Read(kOtherText); }), Code::kCorrupt);
    EXPECT_EQ(Thrown([&] { sample.Stat(kOtherText); }), Code::kCorrupt);
    EXPECT_EQ(Thrown([&] { sample.Write(ShortSegment(), kOtherText); }), Code::kCorrupt) << "and is no success";
    std::string text(AsText(object));
    text.replace(text.find(sample.repository->id()), 32, std::string(32, 'b'));
    Store(AsBytes(text));
    ExpectDamage("of another repository");
}

TEST_P(SegmentDamage, FramesOfAnotherObjectAreRefused) {
    sample.Write(ShortSegment(2), kOtherText);
    Bytes other = sample.Load(WalSample::ObjectName(kOtherText));
    std::size_t begin = std::string_view(AsText(other)).find('\n', AsText(other).find('\n') + 1) + 1;
    Bytes mixed(object.begin(), object.begin() + static_cast<std::ptrdiff_t>(FrontSize()));
    Append(mixed, ByteView(other).subspan(begin));
    Store(WithNewCheckLine(mixed));
    ExpectDamage("frames of another segment");
}

TEST_P(SegmentDamage, FramesInAnotherOrderAreRefused) {
    const std::string name = "000000030000000A000000C3";
    sample.Write(LongSegment(), name);
    Bytes two = sample.Load(WalSample::ObjectName(name));
    std::size_t begin = AsText(two).find('\n', AsText(two).find('\n') + 1) + 1;
    std::size_t first = kWalPrefixSize + GetBigEndian<std::uint32_t>(two.data() + begin);
    ByteView body = ByteView(two).subspan(begin, two.size() - begin - kCheckLineSize);
    Bytes swapped(two.begin(), two.begin() + static_cast<std::ptrdiff_t>(begin));
    Append(swapped, body.subspan(first));
    Append(swapped, body.first(first));
    AppendCheckLine(swapped);
    sample.Replace(WalSample::ObjectName(name), swapped);
    EXPECT_EQ(Thrown([&] { sample.Read(name); }), Code::kCorrupt);
}

// Who can write to the store but has no key cannot make an epoch, a digest or a length believed.
TEST(SegmentForgery, AHeaderCannotBeForgedWithoutTheKey) {
    WalSample sample(true);
    sample.Write(ShortSegment());
    const std::string original(AsText(sample.Load(WalSample::ObjectName())));
    std::string digest = sample.Stat()->digest;
    for (const auto &[from, to] : {std::pair<std::string, std::string>{"\"epoch\":1", "\"epoch\":2"},
                                   {digest, std::string(64, '0')},
                                   {"\"length\":1048576", "\"length\":2097152"}}) {
        std::string text = original.substr(0, original.size() - kCheckLineSize);
        text.replace(text.find(from), from.size(), to);
        std::size_t line = text.find('\n') + 1;
        text.replace(line, kSealLineSize, "seal " + Sha256Hex(AsBytes(text.substr(0, line))) + "\n");
        Bytes forged = ToBytes(text);
        AppendCheckLine(forged);
        sample.Replace(WalSample::ObjectName(), forged);
        EXPECT_EQ(Thrown([&] { sample.Stat(); }), Code::kCorrupt) << to;
        EXPECT_EQ(Thrown([&] { sample.Read(); }), Code::kCorrupt) << to;
    }
}

TEST(SegmentForgery, AFileWithoutEncryptionIsRefusedInAnEncryptedPath) {
    WalSample sample(true);
    SegmentInfo info;
    info.name = ParseWalFileName("00000002.history");
    info.epoch = 1;
    info.salt = std::string(64, '0');
    info.system_identifier = kSampleCluster.system_identifier;
    info.digest = Sha256Hex({});
    Bytes forged = ToBytes(FormatSegmentFront(*sample.repository, DomainKey{}, info));
    AppendCheckLine(forged);
    sample.Replace(layout::Wal(info.name), forged);
    EXPECT_EQ(Thrown([&] { sample.Read("00000002.history"); }), Code::kCorrupt);
}

}    // namespace
}    // namespace ark
