// Checkpoints, and backups that go on from one that was interrupted.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "repo/catalog.h"
#include "repo/checkpoint_writer.h"
#include "repo/sweep.h"
#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string PathOf(std::size_t i) { return fmt::format("file/{:03}", i); }

class Resume : public testing::TestWithParam<bool> {
protected:
    std::unique_ptr<BackupSession> Begin(std::uint64_t after = 0, std::vector<BackupId> bases = {}) {
        sample.clock.Advance(std::chrono::minutes(1));
        return BackupSession::Begin(
            sample.repository, sample.keys,
            {.kind = "physical", .bases = std::move(bases), .reason = "test", .resumes_after = after}, sample.clock,
            sample.random);
    }

    // Stores some content of its own for each number, or references what `earlier` has; then leaves word of it.
    void Store(BackupSession &session, const std::vector<std::size_t> &numbers) {
        std::map<std::string, FrameRef> known;
        for (const ResumedBackup &resumed : session.resumed()) {
            CheckpointEntries left = session.EntriesOf(resumed);
            for (std::size_t i : numbers)
                if (const Json *entry = left.SkipTo(PathOf(i)); entry && entry->at("path") == PathOf(i))
                    known.emplace(PathOf(i), FramesOf(*entry).at(0));
        }
        auto packs = session.NewPackWriter(Small());
        std::string lines;
        for (std::size_t i : numbers) {
            auto at = known.find(PathOf(i));
            bool same = at != known.end() && session.Reference(at->second);
            FrameRef ref = same ? at->second : packs->Append(SampleText(10'000, i));
            (same ? reused : stored)++;
            entries[PathOf(i)] = ref;
            lines += JsonText({{"path", PathOf(i)}, {"frames", {ToJson(ref)}}}) + "\n";
        }
        packs->Finish();
        session.WriteCheckpoint({{"upto", numbers.back()}}, lines);
    }
    BackupId Interrupt(const std::vector<std::size_t> &numbers, std::uint64_t after = 0) {
        auto session = Begin(after);
        Store(*session, numbers);
        session->Abort();
        return session->id();
    }
    // Everything that was stored or referenced is in a backup that is committed, and can be read.
    BackupId Finish(BackupSession &session) {
        auto packs = session.NewPackWriter(Small());
        TreeWriter tree(*packs, session.key());
        for (const auto &[path, ref] : entries) tree.Add({{"path", path}, {"frames", {ToJson(ref)}}});
        TreeRoot root = tree.Finish();
        packs->Finish();
        session.Commit({{"tree", ToJson(root)}});
        return session.id();
    }
    void Check(const BackupId &id) {
        std::set<std::string> listed;
        for (const PackInfo &pack : PacksOf(sample, id)) {
            listed.insert(pack.pack);
            EXPECT_EQ(sample.Load(layout::Pack(pack.pack)).size(), pack.size);
        }
        TreeCursor at(sample.Reader(),
                      TreeRootFromJson(ReadManifest(*sample.repository, id, sample.keys.get())->body.at("tree")));
        std::size_t seen = 0;
        for (; at.Current(); at.Next(), seen++) {
            FrameRef ref = FramesOf(*at.Current()).at(0);
            EXPECT_TRUE(listed.contains(ref.pack));
            EXPECT_EQ(sample.Reader()->Read(ref), SampleText(10'000, std::stoul(at.Path().substr(5))));
        }
        EXPECT_EQ(seen, entries.size());
    }
    SweepResult SweepNow(Duration abandon_after = std::chrono::hours(24)) {
        return Sweep(*sample.repository, {.grace = std::chrono::milliseconds(1), .abandon_after = abandon_after},
                     sample.clock, NeverCancelled(), SilentLog());
    }
    std::size_t Count(const std::string &part) {
        std::size_t count = 0;
        for (const auto &[name, size] : ContentOf(*sample.storage)) count += name.find(part) != std::string::npos;
        return count;
    }

    Sample sample{GetParam()};
    std::map<std::string, FrameRef> entries;
    std::size_t stored = 0, reused = 0;
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, Resume, testing::Bool());

TEST_P(Resume, ReusesWhatAnInterruptedBackupStored) {
    BackupId dead = Interrupt({1, 2, 3});
    auto session = Begin();
    ASSERT_THAT(session->resumed(), SizeIs(1));
    EXPECT_EQ(session->resumed()[0].interrupted.id, dead);
    EXPECT_EQ(session->resumed()[0].facts.at("upto"), 3);
    Store(*session, {1, 2, 3, 4});
    EXPECT_EQ(reused, 3u);
    EXPECT_EQ(stored, 4u);
    BackupId id = Finish(*session);
    Check(id);

    // It has no use any more: the sweep removes what nothing needs, and what was reused stays.
    EXPECT_EQ(ReadManifestClear(*sample.repository, dead)->kind, kFenceKind);
    SweepNow();
    Check(id);
    EXPECT_EQ(Count("checkpoint"), 0u);
    EndBackup(*sample.repository, id, "test", "test", sample.clock);
    SweepNow();
    SweepNow();
    EXPECT_EQ(Count("/packs/"), 0u);
    EXPECT_EQ(Count("/begin"), 0u);
}

TEST_P(Resume, GoesOnFromOneThatWentOnFromAnother) {
    Interrupt({1, 2, 3, 4, 5});
    BackupId second = Interrupt({1, 2, 6});
    EXPECT_EQ(reused, 2u);
    auto session = Begin();
    ASSERT_THAT(session->resumed(), SizeIs(2));
    EXPECT_EQ(session->resumed()[0].interrupted.id, second) << "the newest first";
    stored = reused = 0;
    Store(*session, {1, 2, 3, 4, 5, 6, 7});
    EXPECT_EQ(reused, 6u);
    Check(Finish(*session));
}

TEST_P(Resume, NothingIsLostWhenAllIsExpiredAndSweptMeanwhile) {
    BackupId first = Interrupt({1, 2, 3});
    auto session = Begin();
    Store(*session, {1, 2, 4});
    SweepResult swept = SweepNow(Duration::zero());    // declares both dead
    EXPECT_EQ(swept.fenced, 2u);
    EXPECT_THROW(Finish(*session), Error);

    entries.clear();
    BackupId third = Interrupt({1, 2, 3});
    session = Begin();
    Store(*session, {1, 2, 3});
    FenceBackup(*sample.repository, third, sample.clock);
    swept = SweepNow();
    EXPECT_EQ(ReadManifestClear(*sample.repository, third)->state, "aborted");
    BackupId id = Finish(*session);
    Check(id);
    SweepNow();
    SweepNow();
    Check(id);
    EXPECT_EQ(Count("/packs/" + first), 0u);
}

// The older one was fenced, and lives on only because the second, which is open, goes on from it. A third must say so too.
TEST_P(Resume, WhatStandsBehindAnInterruptedOneIsKeptToo) {
    BackupId first = Interrupt({1, 2, 3});
    BackupId second = Interrupt({1, 2});
    FenceBackup(*sample.repository, first, sample.clock);
    auto session = Begin();
    ASSERT_THAT(session->resumed(), SizeIs(1));
    EXPECT_EQ(session->resumed()[0].interrupted.id, second);
    stored = reused = 0;
    Store(*session, {1, 2, 3});
    EXPECT_EQ(reused, 2u) << "those of the first that the second names";
    FenceBackup(*sample.repository, second, sample.clock);
    SweepNow();
    SweepNow();
    Check(Finish(*session));
}

TEST_P(Resume, AFencedBackupIsNotGoneOnFrom) {
    BackupId dead = Interrupt({1, 2});
    FenceBackup(*sample.repository, dead, sample.clock);
    EXPECT_THAT(Begin()->resumed(), IsEmpty());
}

TEST_P(Resume, OneThatIsOlderThanTheNewestBackupIsNot) {
    BackupId dead = Interrupt({1, 2});
    std::uint64_t sequence =
        JsonNumber(*sample.repository->Read(layout::Kind::kBegin, layout::Begin(dead)), "sequence", "begin");
    EXPECT_THAT(Begin(sequence)->resumed(), IsEmpty());
    EXPECT_THAT(Begin(sequence - 1)->resumed(), SizeIs(1));
}

TEST_P(Resume, ACheckpointThatIsDamagedIsNotUsed) {
    BackupId dead = Interrupt({1, 2});
    std::string name = layout::Checkpoint(dead, 1);
    Bytes object = sample.Load(name);
    for (std::size_t at : {object.size() - 100, object.size() - 10, std::size_t{40}}) {
        Bytes damaged = object;
        damaged[at] ^= std::byte{1};
        sample.Replace(name, damaged);
        auto session = Begin();
        EXPECT_THAT(session->resumed(), IsEmpty()) << at;
        EXPECT_THAT(session->unused_bases(), ElementsAre(HasSubstr(dead))) << at;
        session->Abort();
    }
}

// As the text of its own frames, but with a check line that fits.
TEST_P(Resume, ACheckpointOfAnotherNameIsNotUsed) {
    BackupId one = Interrupt({1, 2}), other = Interrupt({3, 4});
    sample.Replace(layout::Checkpoint(one, 1), sample.Load(layout::Checkpoint(other, 1)));
    auto session = Begin();
    ASSERT_THAT(session->resumed(), SizeIs(1));
    EXPECT_EQ(session->resumed()[0].interrupted.id, other);
}

TEST_P(Resume, OfPacksThatAreGoneOrInQuarantineNothingIsUsed) {
    BackupId dead = Interrupt({1, 2});
    std::vector<std::string> packs;
    for (const auto &[name, size] : ContentOf(*sample.storage))
        if (name.find("/packs/" + dead) != std::string::npos) packs.push_back(name);
    ASSERT_THAT(packs, SizeIs(1));
    sample.repository->Create(layout::Kind::kQuarantine,
                              layout::Quarantine(packs[0].substr(packs[0].rfind('/') + 1), 0), {{"why", "test"}});
    auto session = Begin();
    Store(*session, {1, 2});
    EXPECT_EQ(reused, 0u);
    session->Abort();
}

TEST_P(Resume, AnOpenBackupThatWritesCheckpointsIsNotAbandoned) {
    auto session = Begin();
    sample.clock.Advance(std::chrono::hours(20));
    Store(*session, {1});
    sample.clock.Advance(std::chrono::hours(20));
    EXPECT_EQ(SweepNow().fenced, 0u);
    Check(Finish(*session));
}

TEST_P(Resume, ACheckpointComesWhenEnoughOfItIsInTheStore) {
    auto base = Begin();
    FrameRef of_base;
    {
        auto packs = base->NewPackWriter(Small());
        of_base = packs->Append(SampleText(10'000, 1));
        packs->Finish();
        base->Commit({{"tree", ToJson(TreeRoot{})}});
    }
    auto session = Begin(1, {base->id()});
    ASSERT_THAT(session->bases(), SizeIs(1));
    ASSERT_TRUE(session->Reference(of_base));
    int asked = 0;
    CheckpointWriter writer(*session, {.least = 10'000, .most = 10'000, .text = 1 << 20, .held = 1 << 20}, [&] {
        asked++;
        return Json::object();
    });
    PackSettings settings = Small();
    settings.compression.kind = CompressionKind::kNone;
    auto packs = session->NewPackWriter(settings);
    Json head = {{"path", "file/a"}};
    auto add = [&](std::size_t i, const FrameRef &ref) {
        writer.Add({{"path", fmt::format("file/a#{}", i)}, {"frames", {ToJson(ref)}}}, {ref}, &head);
    };
    add(0, of_base);
    FrameRef first = packs->Append(SampleText(8'000, 2)), second = packs->Append(SampleText(8'000, 3));
    add(1, first);
    add(2, second);
    EXPECT_EQ(asked, 0) << "their pack is not in the store yet";
    packs->Finish();
    FrameRef third = packs->Append(SampleText(8'000, 4));
    add(3, third);
    EXPECT_EQ(asked, 1);
    Checkpoint written = ReadCheckpoint(*sample.repository, session->id(), 1, session->key());
    EXPECT_THAT(written.packs, SizeIs(1));
    CheckpointEntries entries_of([&](std::uint64_t) { return written; }, 1);
    EXPECT_EQ(entries_of.SkipTo("")->at("path"), "file/a");
    EXPECT_EQ(entries_of.SkipTo("file/a#")->at("path"), "file/a#1") << "what the base has is left out";
    EXPECT_EQ(entries_of.SkipTo("file/a#2")->at("path"), "file/a#2");
    EXPECT_EQ(entries_of.SkipTo("file/a#3"), nullptr);
    EXPECT_EQ(entries_of.SkipTo("file/b"), nullptr);
    packs->Finish();
}

TEST_P(Resume, WhatWaitsTooLongForItsPackIsLeftOut) {
    auto session = Begin();
    CheckpointWriter writer(*session, {.least = 1, .most = 1, .text = 1 << 20, .held = 2'000},
                            [] { return Json::object(); });
    auto slow = session->NewPackWriter(Small()), quick = session->NewPackWriter(Small());
    FrameRef waits = slow->Append(SampleText(1'000, 1));
    writer.Add({{"path", "a"}, {"frames", {ToJson(waits)}}}, {waits}, nullptr);
    FrameRef there = quick->Append(SampleText(1'000, 2));
    quick->Finish();
    for (char path = 'b'; path < 'z'; path++)
        writer.Add({{"path", std::string(1, path)}, {"frames", {ToJson(there)}}}, {there}, nullptr);
    Checkpoint written = ReadCheckpoint(*sample.repository, session->id(), 1, session->key());
    EXPECT_EQ(written.entries.find("\"a\""), std::string::npos);
    EXPECT_NE(written.entries.find("\"b\""), std::string::npos);
    slow->Finish();
}

}    // namespace
}    // namespace ark::test
