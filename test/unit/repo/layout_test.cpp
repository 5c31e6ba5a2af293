#include "repo/layout.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

using layout::Kind;

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";
const std::string kHex(64, 'f');

TEST(Layout, PlacesEveryNameItSpells) {
    const std::pair<std::string, Kind> names[] = {
        {layout::kIdentity, Kind::kRepository},
        {layout::Writer(12), Kind::kWriter},
        {layout::Key("database-16384", 3, "0123456789abcdef"), Kind::kKey},
        {layout::Begin(kBackup), Kind::kBegin},
        {layout::Packs(kBackup), Kind::kPacks},
        {layout::Manifest(kBackup), Kind::kManifest},
        {layout::End(kBackup), Kind::kEnd},
        {layout::Checkpoint(kBackup, 3), Kind::kCheckpoint},
        {layout::Pack(kBackup + "/" + kHex), Kind::kPack},
        {layout::Event(kBackup, "0000000007-0123abcd", "hold"), Kind::kEvent},
        {layout::Event("cluster", "0000000007-0123abcd", "policy"), Kind::kEvent},
        {layout::Quarantine(kHex, 17), Kind::kQuarantine},
        {layout::Wal(ParseWalFileName("000000010000000000000001")), Kind::kWal},
        {layout::Wal(ParseWalFileName("0000000A0000000000000001.partial")), Kind::kWal},
        {layout::Wal(ParseWalFileName("00000002.history")), Kind::kWal},
        {layout::Wal(ParseWalFileName("000000010000000000000001.00000028.backup")), Kind::kWal},
        {layout::Tail({.epoch = 1, .timeline = {2}, .start = {0x16B3000000}, .end = {0x16B3000028}}), Kind::kTail},
        {layout::Tail({.epoch = 1, .timeline = {2}, .start = {0x16B3}, .end = {0x16B3}, .mark = 7}), Kind::kTail},
        {"labels/1", Kind::kReserved},
    };
    for (const auto &[name, kind] : names) {
        std::optional<layout::Place> place = layout::Parse(name);
        ASSERT_TRUE(place) << name;
        EXPECT_EQ(place->kind, kind) << name;
    }
    EXPECT_EQ(layout::Writer(12), "writers/0000000012");
    EXPECT_EQ(layout::Parse(layout::Pack(kBackup + "/" + kHex))->backup, kBackup);
    EXPECT_EQ(layout::Parse(layout::Pack(kBackup + "/" + kHex))->pack, kBackup + "/" + kHex);
    EXPECT_EQ(layout::Parse(layout::Event("cluster", "0000000007-0123abcd", "policy"))->type, "policy");
    EXPECT_EQ(layout::Parse(layout::Key("cluster", 3, "0123456789abcdef"))->id, "0000000003.0123456789abcdef");
    EXPECT_EQ(layout::Parse(layout::Quarantine(kHex, 17))->id, "17");
    EXPECT_EQ(layout::Checkpoint(kBackup, 3), "backups/" + kBackup + "/checkpoint.0000000003");
    EXPECT_EQ(layout::Parse(layout::Checkpoint(kBackup, 3))->id, "0000000003");
}

TEST(Layout, ATailsNameSaysWhereItLies) {
    layout::TailName piece{.epoch = 12, .timeline = {1}, .start = {0x16B3000000}, .end = {0x16B3000028}};
    EXPECT_EQ(layout::Tail(piece), "tail/0000000012/00000001/00000016B3000000-00000016B3000028");
    EXPECT_EQ(layout::ParseTail(layout::Tail(piece)), piece);
    layout::TailName mark{.epoch = 12, .timeline = {1}, .start = {0x28}, .end = {0x28}, .mark = 3};
    EXPECT_EQ(layout::Tail(mark), "tail/0000000012/00000001/0000000000000028.0000000003");
    EXPECT_EQ(layout::ParseTail(layout::Tail(mark)), mark);
}

TEST(Layout, DoesNotPlaceNamesThatItDoesNotSpell) {
    const std::string strange[] = {"",
                                   "repositor",
                                   "repository/x",
                                   "writers/12",
                                   "writers/00000000012",
                                   "writers/0000000012/x",
                                   "backups/" + kBackup,
                                   "backups/" + kBackup + "/manifest2",
                                   "backups/" + kBackup + "/pack",
                                   "backups/" + kBackup + "/checkpoint",
                                   "backups/" + kBackup + "/checkpoint.3",
                                   "backups/20260116T080000Z-0A1B2C3D/manifest",
                                   "backups/../manifest",
                                   "packs/" + kBackup + "/" + kHex + "0",
                                   "packs/" + kBackup + "/" + kHex + ".tmp",
                                   "packs/" + kHex,
                                   "events/someone/0000000007-0123abcd.hold",
                                   "events/cluster/0000000007-0123abcd",
                                   "events/cluster/0000000007-0123abcd.",
                                   "keys/cluster/0000000003",
                                   "quarantine/" + kHex,
                                   "quarantine/" + kHex + ".01",
                                   "quarantine/" + kHex + ".x",
                                   "wal",
                                   "wal/00000001",
                                   "wal/00000001/00000001000000000000001",
                                   "wal/00000001/000000020000000000000001",
                                   "wal/00000001/000000010000000000000001.gz",
                                   "wal/00000001/00000001.history.partial",
                                   "wal/1/000000010000000000000001",
                                   "wal/00000001/x/000000010000000000000001",
                                   "tail/1",
                                   "tail/0000000001/00000001/00000016B3000000",
                                   "tail/0000000001/00000001/00000016B3000000-00000016B3000000",
                                   "tail/0000000001/00000001/00000016B3000001-00000016B3000000",
                                   "tail/0000000001/00000001/00000016B3000000.0000000000",
                                   "tail/0000000001/00000001/00000016b3000000-00000016B3000001",
                                   "tail/0000000001/1/00000016B3000000-00000016B3000001",
                                   "tail/0000000001/00000001/x/00000016B3000000-00000016B3000001",
                                   "locks/mine"};
    for (const std::string &name : strange) EXPECT_FALSE(layout::Parse(name)) << name;
}

TEST(Layout, RefusesToSpellWhatIsNoName) {
    EXPECT_THROW(layout::Begin("latest"), Error);
    EXPECT_THROW(layout::Pack("packs/x"), Error);
    EXPECT_THROW(layout::Event("cluster", "7", "hold"), Error);
    EXPECT_THROW(layout::Key("a/b", 1, "0123456789abcdef"), Error);
    EXPECT_THROW(layout::Quarantine("../x", 1), Error);
    EXPECT_THROW(layout::Writer(10'000'000'000), Error);
}

TEST(Layout, KnowsClusterPaths) {
    EXPECT_EQ(ParseClusterPath("main.7301234567890123456"), (ClusterName{"main", "7301234567890123456"}));
    for (const char *wrong :
         {"main", "main.", ".12", "ma in.12", "main.12x", "main.1.2", "a/b.12", "main.123456789012345678901"})
        EXPECT_FALSE(ParseClusterPath(wrong)) << wrong;
    EXPECT_NO_THROW(CheckPlainName("Main_1-b", "cluster"));
    EXPECT_THROW(CheckPlainName("main.b", "cluster"), Error);
    EXPECT_THROW(CheckPlainName("", "cluster"), Error);
}

}    // namespace
}    // namespace ark
