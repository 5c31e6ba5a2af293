// Uploads that go wrong on the way: lost answers, files that change, and salts that are never used twice.
#include "base/encoding.h"
#include "storage/retry.h"
#include "support/fault_storage.h"
#include "unit/wal/wal_sample.h"
#include "wal/segment_source.h"

namespace ark {
namespace {

using namespace test;

// The first Put below wal/ meets the fault.
FaultRule FirstSegmentPut(Fault fault) {
    auto met = std::make_shared<bool>(false);
    return [=](std::uint64_t, Verb verb, std::string_view name) {
        if (verb != Verb::kPut || name.find("/wal/") == std::string_view::npos || *met) return Fault::kNone;
        *met = true;
        return fault;
    };
}

class SegmentUpload : public testing::TestWithParam<bool> {
protected:
    StoragePtr Retrying(StoragePtr inner) {
        return MakeRetryStorage(std::move(inner),
                                std::make_shared<RetryPolicy>(RetrySettings{}, clock, random, NeverCancelled()));
    }
    FakeClock clock;
    SeededRandom random{9};
    StoragePtr memory = MakeMemoryStorage(clock);
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, SegmentUpload, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(SegmentUpload, ALostAnswerIsFoundToBeOurs) {
    WalSample sample(GetParam(),
                     Retrying(std::make_shared<FaultStorage>(memory, FirstSegmentPut(Fault::kAfter), clock)));
    SegmentResult result = sample.Write(ShortSegment());
    EXPECT_EQ(result.outcome, SegmentOutcome::kStored);
    EXPECT_EQ(result.info.salt, sample.Stat()->salt);
    EXPECT_EQ(sample.Read(), ShortSegment());
    EXPECT_EQ(sample.Write(ShortSegment()).outcome, SegmentOutcome::kSameAlready);
}

TEST_P(SegmentUpload, ALostAnswerWithoutARetryIsSettledByTheNextCall) {
    WalSample sample(GetParam(), std::make_shared<FaultStorage>(memory, FirstSegmentPut(Fault::kAfter), clock));
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment()); }).code, Code::kUnavailable);
    EXPECT_EQ(sample.Write(ShortSegment()).outcome, SegmentOutcome::kSameAlready);
    EXPECT_EQ(sample.Read(), ShortSegment());
}

TEST_P(SegmentUpload, AnyOneFaultOnTheWayIsRetried) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        bool met = true;
        for (std::uint64_t nth = 1; met; nth++) {
            StoragePtr inner = MakeMemoryStorage(clock);
            auto faulty = std::make_shared<FaultStorage>(inner, FailNth(nth, fault), clock);
            WalSample sample(GetParam(), Retrying(faulty));
            EXPECT_EQ(sample.Write(ShortSegment()).outcome, SegmentOutcome::kStored) << nth;
            EXPECT_EQ(sample.Read(), ShortSegment()) << nth;
            met = faulty->faults() > 0;
            ASSERT_LT(nth, 1000u);
        }
    }
}

TEST_P(SegmentUpload, AStoreOutOfReachIsNeverAnAbsentSegment) {
    auto down = std::make_shared<bool>(false);
    WalSample sample(
        GetParam(),
        std::make_shared<FaultStorage>(
            memory, [=](std::uint64_t, Verb, std::string_view) { return *down ? Fault::kBefore : Fault::kNone; },
            clock));
    sample.Write(ShortSegment());
    *down = true;
    EXPECT_EQ(ErrorOf([&] { sample.Read(); }).code, Code::kUnavailable);
    EXPECT_EQ(ErrorOf([&] { sample.Stat(); }).code, Code::kUnavailable);
    EXPECT_EQ(ErrorOf([&] { sample.Write(ShortSegment()); }).code, Code::kUnavailable);
    *down = false;
    EXPECT_EQ(sample.Read(), ShortSegment());
}

TEST_P(SegmentUpload, AReaderThatEndsEarlyOrLiesIsSeen) {
    for (Fault fault : {Fault::kShortRead, Fault::kCorrupt}) {
        for (std::uint64_t skip : {0, 1, 2}) {    // a later read finds the end
            auto reads = std::make_shared<std::uint64_t>(0);
            auto armed = std::make_shared<bool>(false);
            auto faulty = std::make_shared<FaultStorage>(
                MakeMemoryStorage(clock),
                [=](std::uint64_t, Verb verb, std::string_view name) {
                    if (!*armed || verb != Verb::kReadBlock || name.find("/wal/") == std::string_view::npos)
                        return Fault::kNone;
                    return (*reads)++ == skip ? fault : Fault::kNone;
                },
                clock);
            WalSample sample(GetParam(), faulty);
            sample.Write(ShortSegment());
            *armed = true;
            EXPECT_TRUE(Thrown([&] { sample.Read(); })) << skip;
            EXPECT_EQ(faulty->faults(), 1u) << skip;
        }
    }
}

// Another file at each pass.
class ChangingSource : public Source {
public:
    ChangingSource(Bytes first, Bytes second) : files_{std::move(first), std::move(second)} {}
    std::size_t Read(MutableBytes to) override {
        const Bytes &file = files_[pass_ > 0];
        std::size_t n = std::min(to.size(), file.size() - at_);
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(at_), n, to.begin());
        at_ += n;
        return n;
    }
    bool Rewind() override {
        at_ = 0;
        pass_++;
        return true;
    }

private:
    Bytes files_[2];
    int pass_ = 0;
    std::size_t at_ = 0;
};

TEST_P(SegmentUpload, AFileThatChangesMeanwhileIsNotStored) {
    WalSample sample(GetParam());
    Bytes altered = ShortSegment(), longer = ShortSegment(), shorter = ShortSegment();
    altered.back() ^= std::byte{1};
    longer.push_back(std::byte{0});
    shorter.pop_back();
    for (const Bytes &second : {altered, longer, shorter, Bytes()}) {
        ChangingSource source(ShortSegment(), second);
        EXPECT_EQ(ErrorOf([&] {
                      WriteSegment(*sample.repository, *sample.keys, sample.key, WalSample::Facts(), source,
                                   sample.random);
                  }).code,
                  Code::kConflict);
        EXPECT_EQ(sample.Stat(), std::nullopt);
    }
}

Bytes All(Source &source, std::size_t block) {
    Bytes out, piece(block);
    while (std::size_t n = source.Read(piece)) Append(out, ByteView(piece).first(n));
    return out;
}

// As of the first, whose bytes are not there any more.
SegmentInfo Unmade(SegmentInfo info) {
    info.length = 0;
    info.digest.clear();
    info.salt.clear();
    return info;
}

TEST_P(SegmentUpload, AShortFileIsReadOnceAndSentAgainAsItWas) {
    WalSample sample(GetParam());
    SegmentInfo info = sample.Write(ShortSegment()).info;
    MemorySource plain(ShortSegment());
    SegmentSource source(*sample.repository, sample.key, Unmade(info), {CompressionKind::kZstd, 1}, plain,
                         sample.random);
    std::byte more;
    EXPECT_EQ(plain.Read({&more, 1}), 0u) << "all of it is read";
    EXPECT_EQ(source.info().digest, info.digest);
    EXPECT_EQ(source.info().length, ShortSegment().size());
    EXPECT_EQ(source.file_digest(), Sha256(ShortSegment()));
    Bytes first = All(source, 1000);
    EXPECT_EQ(source.Digest(), Sha256(first));
    ASSERT_TRUE(source.Rewind());
    EXPECT_EQ(All(source, 1 << 20), first);
    EXPECT_EQ(source.size(), first.size());
    EXPECT_TRUE(source.Used(source.info().salt));
    EXPECT_FALSE(source.Used(info.salt));
    sample.Replace(WalSample::ObjectName(), first);
    EXPECT_EQ(sample.Read(), ShortSegment());
}

// Promises another length than it has.
class LyingSource : public MemorySource {
public:
    LyingSource(const Bytes &bytes, std::uint64_t size) : MemorySource(bytes), size_(size) {}
    std::optional<std::uint64_t> Size() const override { return size_; }

private:
    std::uint64_t size_;
};

TEST_P(SegmentUpload, AShortFileThatGrowsOrShrinksMeanwhileIsNotStored) {
    WalSample sample(GetParam());
    const Bytes file = ShortSegment();
    for (std::uint64_t promised : {file.size() - 1, file.size() + 1}) {
        LyingSource source(file, promised);
        EXPECT_EQ(ErrorOf([&] {
                      WriteSegment(*sample.repository, *sample.keys, sample.key, WalSample::Facts(), source,
                                   sample.random);
                  }).code,
                  Code::kConflict);
        EXPECT_EQ(sample.Stat(), std::nullopt);
    }
}

TEST_P(SegmentUpload, EveryPassTakesItsOwnSalt) {
    WalSample sample(GetParam());
    SegmentInfo info = sample.Write(ShortSegment()).info;
    ChangingSource plain(ShortSegment(), ShortSegment());    // its length is not known before
    SegmentSource source(*sample.repository, sample.key, Unmade(info), {CompressionKind::kZstd, 1}, plain,
                         sample.random);
    std::string first_salt = source.info().salt;
    Bytes first = All(source, 1000);
    EXPECT_EQ(source.size(), first.size());
    ASSERT_TRUE(source.Rewind());
    Bytes second = All(source, 1 << 20);
    EXPECT_EQ(source.size(), second.size());
    EXPECT_NE(source.info().salt, first_salt);
    EXPECT_NE(first_salt, info.salt);
    EXPECT_TRUE(source.Used(first_salt));
    EXPECT_TRUE(source.Used(source.info().salt));
    EXPECT_FALSE(source.Used(info.salt));
    for (const Bytes &object : {first, second}) {
        sample.Replace(WalSample::ObjectName(), object);
        EXPECT_EQ(sample.Read(), ShortSegment());
    }
    std::size_t middle = first.size() / 2;
    EXPECT_EQ(std::equal(first.begin() + static_cast<std::ptrdiff_t>(middle), first.end() - kCheckLineSize,
                         second.begin() + static_cast<std::ptrdiff_t>(middle)),
              !GetParam())
        << "the ciphertext is another";
}

// A reader written from the page alone.
TEST_P(SegmentUpload, TheObjectIsWhatThePageSays) {
    WalSample sample(GetParam());
    sample.Write(LongSegment());
    Bytes object = sample.Load("wal/00000001/" + kSegmentText);
    std::string_view text = AsText(object);
    std::size_t line = text.find('\n') + 1;
    Json header = Json::parse(text.substr(0, line));
    EXPECT_EQ(header["kind"], "wal");
    EXPECT_EQ(header["id"], "wal/00000001/" + kSegmentText);
    EXPECT_EQ(header["timeline"], 1);
    EXPECT_EQ(header["start"], "A/18600000");
    EXPECT_EQ(header["length"], 2 << 20);
    Bytes salt = HexDecode(header["salt"].get<std::string>()), domain;
    if (GetParam()) domain = Bytes(sample.key.key->bytes().begin(), sample.key.key->bytes().end());
    Sha256Digest seal = Sha256(AsBytes(text.substr(0, line))), digest = Sha256(LongSegment());
    if (GetParam()) {
        seal = HmacSha256(Hkdf(domain, salt, "pg_ark wal header 1").bytes(), AsBytes(text.substr(0, line)));
        digest = HmacSha256(Hkdf(domain, {}, "pg_ark digest 1").bytes(), digest);
    }
    EXPECT_EQ(text.substr(line, 70), "seal " + HexEncode(seal) + "\n");
    EXPECT_EQ(header["digest"], HexEncode(digest));
    Bytes file;
    std::size_t at = line + 70;
    for (int frame = 0; file.size() < LongSegment().size(); frame++) {
        auto stored = GetBigEndian<std::uint32_t>(object.data() + at);
        auto size = GetBigEndian<std::uint32_t>(object.data() + at + 4);
        Bytes piece(object.begin() + static_cast<std::ptrdiff_t>(at + 8),
                    object.begin() + static_cast<std::ptrdiff_t>(at + 8 + stored));
        at += 8 + stored;
        if (GetParam()) {
            Bytes opened;
            GcmOpen(Hkdf(domain, salt, "pg_ark wal 1"), NumberNonce(static_cast<std::uint64_t>(frame)),
                    "pg_ark|1|" + sample.repository->id() + "|cluster|wal|wal/00000001/" + kSegmentText + "|" +
                        std::to_string(frame),
                    piece, opened);
            piece = opened;
        }
        Bytes plain;
        Decompressor(CompressionKind::kZstd).Decompress(piece, size, plain);
        Append(file, plain);
    }
    EXPECT_EQ(file, LongSegment());
    EXPECT_EQ(text.substr(at), "sha256 " + Sha256Hex(ByteView(object).first(at)) + "\n");
}

}    // namespace
}    // namespace ark
