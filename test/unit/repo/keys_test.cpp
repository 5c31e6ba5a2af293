#include "repo/keys.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/file.h"
#include "support/fault_storage.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

std::string WriteKeyFile(const TemporaryDirectory &directory, const std::string &value, mode_t mode) {
    std::string path = directory.path() / "key";
    std::ofstream(path) << value;
    chmod(path.c_str(), mode);
    return path;
}

std::string Hex(const Key &key) { return HexEncode(key.bytes()); }

TEST(KeySource, ReadsAFileThatOnlyItsOwnerCanRead) {
    TemporaryDirectory directory;
    std::string path = WriteKeyFile(directory, kHex + "\n", 0600);
    EXPECT_EQ(Hex(LoadKey("file:" + path)), kHex);
    chmod(path.c_str(), 0400);
    EXPECT_EQ(Hex(LoadKey("file:" + path)), kHex);
    for (mode_t mode : {0640, 0604, 0660, 0777}) {
        chmod(path.c_str(), mode);
        EXPECT_EQ(Thrown([&] { LoadKey("file:" + path); }), Code::kPermissionDenied) << mode;
    }
    EXPECT_EQ(Thrown([&] { LoadKey("file:" + path + ".missing"); }), Code::kNotFound);
    EXPECT_EQ(Thrown([&] { LoadKey("file:" + directory.path().string()); }), Code::kInvalidArgument);
}

TEST(KeySource, RefusesAFileOfAnotherUser) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
    TemporaryDirectory directory;
    std::string path = WriteKeyFile(directory, kHex, 0600);
    ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
    EXPECT_EQ(Thrown([&] { LoadKey("file:" + path); }), Code::kPermissionDenied);
}

TEST(KeySource, ReadsTheEnvironmentInHexOrBase64) {
    setenv("ARK_TEST_KEY", Base64Encode(HexDecode(kHex)).c_str(), 1);
    EXPECT_EQ(Hex(LoadKey("env:ARK_TEST_KEY")), kHex);
    unsetenv("ARK_TEST_KEY");
    EXPECT_EQ(Thrown([] { LoadKey("env:ARK_TEST_KEY"); }), Code::kNotFound);
}

TEST(KeySource, TakesTheFirstLineThatACommandPrints) {
    EXPECT_EQ(Hex(LoadKey("command:printf '%s\\nmore\\n' " + kHex)), kHex);
    EXPECT_EQ(Hex(LoadKey("command:sh -c \"echo " + kHex + "\"")), kHex);
    EXPECT_EQ(Thrown([] { LoadKey("command:false"); }), Code::kUnavailable);
    EXPECT_EQ(Thrown([] { LoadKey("command:/no/such/program"); }), Code::kNotFound);
    EXPECT_EQ(Thrown([] { LoadKey("command:echo 'open"); }), Code::kInvalidArgument);
    EXPECT_EQ(Thrown([] { LoadKey("command:  "); }), Code::kInvalidArgument);
    EXPECT_EQ(Thrown([] { LoadKey("command:cat /dev/zero"); }), Code::kInvalidArgument);
}

TEST(KeySource, EndsACommandThatTakesTooLongWithAllItsChildren) {
    TemporaryDirectory directory;
    std::string pipe = directory.path() / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    Fd reader = OpenFile(pipe, O_RDONLY | O_NONBLOCK);
    EXPECT_EQ(
        Thrown([&] { LoadKey("command:sh -c 'sleep 3600 > " + pipe + " & sleep 3600'", std::chrono::seconds(1)); }),
        Code::kUnavailable);
    ASSERT_EQ(fcntl(reader.get(), F_SETFL, 0), 0);
    char any;
    EXPECT_EQ(read(reader.get(), &any, 1), 0);    // when nobody has it open for writing any more
}

TEST(KeySource, NeverRepeatsAValueInAnError) {
    for (const std::string &reference : {"raw:" + kHex, kHex, "command:echo " + kHex + "00"}) {
        try {
            LoadKey(reference);
            FAIL() << reference;
        } catch (const Error &e) {
            EXPECT_EQ((e.message + e.detail + e.hint).find(kHex), std::string::npos) << e.message;
            EXPECT_EQ(e.code, Code::kInvalidArgument);
        }
    }
    setenv("ARK_TEST_KEY", (kHex + "zz").c_str(), 1);
    try {
        LoadKey("env:ARK_TEST_KEY");
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ((e.message + e.detail + e.hint).find(kHex), std::string::npos);
        EXPECT_NE(e.message.find("env:ARK_TEST_KEY"), std::string::npos);
    }
    unsetenv("ARK_TEST_KEY");
}

TEST(Keys, AreWrappedAndUnwrapped) {
    Sample sample(true);
    DomainKey made = sample.Domain("database-16384");
    EXPECT_EQ(made.generation, 1u);
    KeyRing later(sample.repository, sample.kek);
    EXPECT_EQ(Hex(*later.Get("database-16384", 1).key), Hex(*made.key));
    EXPECT_EQ(Hex(*later.Newest("database-16384", false, sample.random).key), Hex(*made.key));
    EXPECT_EQ(Thrown([&] { later.Newest("cluster", false, sample.random); }), Code::kNotFound);
    EXPECT_EQ(Thrown([&] { later.Get("database-16384", 2); }), Code::kNotFound);
    EXPECT_NE(Hex(*sample.Domain("cluster").key), Hex(*made.key));
}

TEST(Keys, WrongKeyIsOneClearError) {
    Sample sample(true);
    sample.Domain();
    Key wrong(AsBytes("fedcba9876543210fedcba9876543210"));
    KeyRing other(sample.repository, wrong);
    try {
        other.Newest("cluster", true, sample.random);
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code, Code::kPermissionDenied);
        EXPECT_NE(e.detail.find(KeyFingerprint(*sample.kek)), std::string::npos);
        EXPECT_NE(e.detail.find(KeyFingerprint(wrong)), std::string::npos);
    }
    EXPECT_EQ(other.Wraps().size(), 1u);    // and nothing was made
}

TEST(Keys, AreAskedForWhereAPathIsEncryptedAndOnlyThere) {
    Sample encrypted(true), plain(false);
    EXPECT_EQ(Thrown([&] { KeyRing(encrypted.repository, std::nullopt); }), Code::kInvalidArgument);
    EXPECT_EQ(Thrown([&] { KeyRing(plain.repository, encrypted.kek); }), Code::kInvalidArgument);
    EXPECT_FALSE(plain.Domain().encrypted());
    EXPECT_EQ(plain.Domain().generation, 0u);
}

TEST(Keys, RefuseDataThatWasNotEncryptedInAnEncryptedPath) {
    Sample sample(true);
    EXPECT_EQ(Thrown([&] { sample.keys->Get("cluster", 0); }), Code::kCorrupt);
    Sample plain(false);
    EXPECT_EQ(Thrown([&] { plain.keys->Get("cluster", 1); }), Code::kCorrupt);
}

TEST(Keys, RotationAddsWrapsAndKeepsEveryDomainKey) {
    Sample sample(true);
    DomainKey one = sample.Domain("cluster"), two = sample.Domain("database-5");
    sample.keys->NewGeneration("database-5", sample.random);
    Key next(AsBytes("fedcba9876543210fedcba9876543210"));
    EXPECT_EQ(sample.keys->Rewrap(next, sample.random), 3u);
    EXPECT_EQ(sample.keys->Rewrap(next, sample.random), 0u);
    KeyRing rotated(sample.repository, next);
    EXPECT_EQ(Hex(*rotated.Get("cluster", 1).key), Hex(*one.key));
    EXPECT_EQ(Hex(*rotated.Get("database-5", 1).key), Hex(*two.key));
    EXPECT_EQ(rotated.Newest("database-5", false, sample.random).generation, 2u);
    EXPECT_EQ(rotated.Wraps().size(), 6u);
}

TEST(Keys, RotationGoesOnAfterAFailureAtEachOperation) {
    for (std::uint64_t nth = 1;; nth++) {
        Sample sample(true);
        for (const char *domain : {"cluster", "database-1", "database-2"}) sample.Domain(domain);
        auto faulty = std::make_shared<FaultStorage>(sample.storage, FailNth(nth, Fault::kBefore));
        auto repository = std::shared_ptr<Repository>();
        Key next(AsBytes("fedcba9876543210fedcba9876543210"));
        auto failed = Thrown([&] {
            repository = Repository::Open(faulty, kSampleCluster);
            repository->SetEpoch(1);
            KeyRing(repository, sample.kek).Rewrap(next, sample.random);
        });
        KeyRing(sample.repository, sample.kek).Rewrap(next, sample.random);
        KeyRing rotated(sample.repository, next);
        for (const char *domain : {"cluster", "database-1", "database-2"})
            EXPECT_EQ(Hex(*rotated.Get(domain, 1).key), Hex(*sample.Domain(domain).key));
        if (faulty->faults() == 0) break;
        EXPECT_EQ(failed, Code::kUnavailable);
    }
}

TEST(Keys, AWrapMovedToAnotherDomainIsRefused) {
    Sample sample(true);
    sample.Domain("cluster");
    Bytes object = sample.Load(layout::Key("cluster", 1, KeyFingerprint(*sample.kek)));
    std::string text(AsText(object).substr(0, object.size() - kCheckLineSize));
    for (std::size_t at; (at = text.find("cluster/")) != std::string::npos;) text.replace(at, 8, "database-1/");
    Bytes moved = ToBytes(text);
    AppendCheckLine(moved);
    sample.Replace(layout::Key("database-1", 1, KeyFingerprint(*sample.kek)), moved);
    EXPECT_EQ(Thrown([&] { sample.keys->Get("database-1", 1); }), Code::kCorrupt);
}

TEST(Keys, DigestsOfAnEncryptedPathTellNothingWithoutTheKey) {
    Sample encrypted(true), plain(false);
    ByteView text = AsBytes("text");
    EXPECT_EQ(plain.Domain().Digest(text), Sha256Hex(text));
    EXPECT_NE(encrypted.Domain().Digest(text), Sha256Hex(text));
    EXPECT_NE(encrypted.Domain("database-1").Digest(text), encrypted.Domain().Digest(text));
    EXPECT_EQ(encrypted.Domain().Digest(text), encrypted.Domain().Digest(text));
}

}    // namespace
}    // namespace ark::test
