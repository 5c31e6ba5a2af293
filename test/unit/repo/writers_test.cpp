#include "repo/writers.h"

#include <gmock/gmock.h>

#include "support/fault_storage.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::HasSubstr;

struct Path : Sample {
    Path() : Sample(false) { repository->SetEpoch(0); }
    Writer Claim(const Writer &self) { return ClaimWriter(*repository, self, clock, random); }
    std::shared_ptr<Repository> Another() { return Repository::Open(storage, kSampleCluster); }
};

Writer Server(const std::string &machine = "m1", std::uint64_t inode = 7) {
    Writer self;
    self.system_identifier = kSampleCluster.system_identifier;
    self.start_lsn = "0/3000000";
    self.fingerprint = {.machine = machine, .device = 2049, .inode = inode, .source = {}};
    self.host = "host-" + machine;
    return self;
}

TEST(Writers, TheFirstOneOwnsThePath) {
    Path path;
    EXPECT_EQ(NewestWriter(*path.repository), std::nullopt);
    Writer writer = path.Claim(Server());
    EXPECT_EQ(writer.epoch, 1u);
    EXPECT_EQ(path.repository->epoch(), 1u);
    std::optional<Writer> read = NewestWriter(*path.repository);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->fingerprint, Server().fingerprint);
    EXPECT_EQ(read->incarnation, writer.incarnation);
    EXPECT_EQ(read->start_lsn, "0/3000000");
    EXPECT_EQ(read->host, "host-m1");
}

TEST(Writers, TheSameServerGoesOnAndANewTimelineIsANewEpoch) {
    Path path;
    Writer first = path.Claim(Server());
    EXPECT_EQ(path.Claim(Server()).epoch, 1u);
    Writer promoted = Server();
    promoted.timeline = 2;
    Writer second = path.Claim(promoted);
    EXPECT_EQ(second.epoch, 2u);
    EXPECT_EQ(second.incarnation, first.incarnation);
    EXPECT_EQ(path.Claim(promoted).epoch, 2u);
    EXPECT_EQ(path.Claim(Server()).epoch, 2u);    // an older timeline of the same server takes nothing back
}

TEST(Writers, ARecoveredServerIsNotTheOwnerBecauseItLiesInTheSamePlace) {
    Path path;
    path.Claim(Server());
    Writer restored = Server();
    restored.timeline = 2;
    restored.restored_from.emplace();
    Error error = ErrorOf([&] { path.Claim(restored); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.detail, HasSubstr("recovered from the archive, to timeline 2"));
    EXPECT_THAT(error.hint, HasSubstr("lease take"));
    Writer taken = TakeOver(*path.repository, restored, "the right moment", path.clock, path.random);
    EXPECT_EQ(taken.epoch, 2u);
    EXPECT_EQ(path.Claim(restored).epoch, 2u) << "then it is";
}

TEST(Writers, ARestoredServerSaysWhereItComesFromForAsLongAsItIsTheSame) {
    Path path;
    path.Claim(Server());
    EXPECT_EQ(NewestWriter(*path.repository)->restored_from, std::nullopt);
    Writer restored = Server("m2");
    restored.timeline = 3;
    restored.restored_from = RestoreOrigin{{.repository = path.repository->id(), .cluster = "main.7", .backup = "b"},
                                           TimelineId{1},
                                           ParseLsn("0/2000148")};
    TakeOver(*path.repository, restored, "the right moment", path.clock, path.random);
    EXPECT_EQ(NewestWriter(*path.repository)->restored_from, restored.restored_from);
    Writer later = Server("m2");
    later.timeline = 4;
    EXPECT_EQ(path.Claim(later).epoch, 3u);
    EXPECT_EQ(NewestWriter(*path.repository)->restored_from, restored.restored_from);
    TakeOver(*path.repository, Server("m4"), "another machine", path.clock, path.random);
    EXPECT_EQ(NewestWriter(*path.repository)->restored_from, std::nullopt);
    restored.restored_from.emplace();    // nothing is known
    TakeOver(*path.repository, restored, "again", path.clock, path.random);
    EXPECT_EQ(NewestWriter(*path.repository)->restored_from, restored.restored_from);
}

TEST(Writers, AServerThatSucceedsTakesOver) {
    Path path;
    path.Claim(Server());
    Writer promoted = Server("m2");
    promoted.timeline = 2;
    auto claim = [&](const Writer &self, bool succeeds) {
        return ClaimWriter(*path.repository, self, path.clock, path.random, [&](const Writer &) { return succeeds; });
    };
    EXPECT_EQ(Thrown([&] { claim(promoted, false); }), Code::kConflict);
    Writer owner = claim(promoted, true);
    EXPECT_EQ(owner.epoch, 2u);
    EXPECT_EQ(owner.reason, "promotion to timeline 2");
    EXPECT_EQ(Thrown([&] { path.Claim(Server()); }), Code::kConflict) << "the old one";
    Writer restored = Server("m3");
    restored.timeline = 3;
    restored.restored_from.emplace();
    EXPECT_EQ(Thrown([&] { claim(restored, true); }), Code::kConflict);
}

// A clone, a moved directory, a copy reached over the network: each is told who owns the path and why it is another.
TEST(Writers, AnythingElseWritesNothingAndIsToldWhy) {
    Path path;
    path.Claim(Server());
    auto before = ContentOf(*path.storage);
    Writer remote = Server();
    remote.fingerprint = {.machine = {}, .device = 0, .inode = 0, .source = "db1:5432/7301234567890123456"};
    for (auto [self, why] : {std::pair{Server("m2"), "machine is another"},
                             {Server("m1", 8), "data directory is another"},
                             {remote, "reached as db1:5432"}}) {
        auto another = path.Another();
        Error error = ErrorOf([&, &who = self] { ClaimWriter(*another, who, path.clock, path.random); });
        EXPECT_EQ(error.code, Code::kConflict);
        EXPECT_THAT(error.detail, HasSubstr("host-m1"));
        EXPECT_THAT(error.detail, HasSubstr(why));
        EXPECT_THAT(error.hint, HasSubstr("pg_ark lease take"));
        EXPECT_EQ(another->epoch(), 0u);
    }
    Writer other = Server();
    other.system_identifier = "99";
    EXPECT_EQ(Thrown([&] { path.Claim(other); }), Code::kConflict);
    EXPECT_EQ(ContentOf(*path.storage), before);
}

TEST(Writers, TakingOverRecordsTheParentAndEndsTheOldOwner) {
    Path path;
    Writer first = path.Claim(Server());
    auto taken = path.Another();
    Writer second = TakeOver(*taken, Server("m2"), "m1 burned", path.clock, path.random);
    EXPECT_EQ(second.epoch, 2u);
    EXPECT_EQ(taken->epoch(), 2u);
    EXPECT_NE(second.incarnation, first.incarnation);
    Json written = path.repository->Read(layout::Kind::kWriter, layout::Writer(2)).value();
    EXPECT_EQ(written["parent"], first.incarnation);
    EXPECT_EQ(written["reason"], "m1 burned");
    EXPECT_EQ(Thrown([&] { path.Claim(Server()); }), Code::kConflict);
}

// Two servers that start at the same moment: one is the first, the other is told so. However the requests fail.
TEST(Writers, OneOfTwoIsFirstWhateverRequestFails) {
    for (Fault fault : {Fault::kBefore, Fault::kAfter}) {
        for (std::uint64_t nth = 1;; nth++) {
            Path path;
            auto faulty = std::make_shared<FaultStorage>(path.storage, FailNth(nth, fault));
            auto failed = Thrown([&] {
                auto repository = Repository::Open(faulty, kSampleCluster);
                ClaimWriter(*repository, Server(), path.clock, path.random);
            });
            bool owned = NewestWriter(*path.repository).has_value();
            EXPECT_TRUE(failed || owned);
            EXPECT_EQ(Thrown([&] { path.Claim(Server("m2")); }), owned ? std::optional(Code::kConflict) : std::nullopt);
            auto again = path.Another();
            EXPECT_EQ(Thrown([&] { ClaimWriter(*again, Server(), path.clock, path.random); }),
                      owned ? std::nullopt : std::optional(Code::kConflict));
            if (faulty->faults() == 0) break;
        }
    }
    // The other one comes between the look and the grant.
    Path path;
    bool came = false;
    auto raced = std::make_shared<FaultStorage>(path.storage, [&](std::uint64_t, Verb verb, std::string_view name) {
        if (verb == Verb::kPut && !std::exchange(came, true)) {
            EXPECT_THAT(std::string(name), HasSubstr("writers/0000000001"));
            path.Claim(Server("m2"));
        }
        return Fault::kNone;
    });
    auto repository = Repository::Open(raced, kSampleCluster);
    EXPECT_EQ(Thrown([&] { ClaimWriter(*repository, Server(), path.clock, path.random); }), Code::kConflict);
    EXPECT_EQ(NewestWriter(*path.repository)->host, "host-m2");
}

TEST(Writers, OfALaterFormatAreRefused) {
    Path path;
    path.Claim(Server());
    Rewrite(path, layout::Writer(1),
            [](std::string &text) { Substitute(text, "\"required\":[]", "\"required\":[\"two_owners\"]"); });
    Error error = ErrorOf([&] { path.Claim(Server()); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.detail, HasSubstr("two_owners"));
}

}    // namespace
}    // namespace ark::test
