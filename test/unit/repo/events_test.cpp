#include "repo/catalog.h"

#include <gmock/gmock.h>

#include "unit/repo/small_backup.h"

namespace ark::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";

class Events : public testing::TestWithParam<bool> {
protected:
    Event Write(const std::string &type, Json body = Json::object(), const std::string &subject = kBackup) {
        store.clock.Advance(std::chrono::minutes(1));
        return WriteEvent(*store.repository, store.Domain(),
                          {.subject = subject, .type = type, .body = std::move(body)}, store.clock, store.random);
    }
    std::vector<Event> Read(const std::string &subject = kBackup) {
        return ReadEvents(*store.repository, subject, store.keys.get());
    }
    static std::string NameOf(const Event &event) { return layout::Event(event.subject, event.id, event.type); }
    HoldState Hold() { return CurrentHold(Read(), store.clock.Now()); }

    Sample store{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Repo, Events, testing::Bool());

TEST_P(Events, AreReadInTheOrderTheyWereWritten) {
    Write("hold", {{"by", "ann"}, {"reason", "audit"}});
    store.clock.Advance(-std::chrono::hours(24 * 365));    // a clock set back changes no order
    Write("annotate", {{"label", "golden"}});
    Write("release", {{"by", "ben"}});
    Write("policy", {{"policy", {{"keep_last", 3}}}}, "cluster");
    std::vector<Event> events = Read();
    ASSERT_EQ(events.size(), 3u);
    for (std::size_t i = 0; i < 3; i++) EXPECT_EQ(events[i].sequence, i + 1);
    EXPECT_EQ(events[0].body, Json({{"by", "ann"}, {"reason", "audit"}}));
    EXPECT_EQ(events[1].type, "annotate");
    EXPECT_LT(events[1].at, events[0].at);
    EXPECT_EQ(Read("cluster").at(0).body["policy"]["keep_last"], 3);
    EXPECT_THAT(SubjectsWithEvents(*store.repository, {}), ElementsAre(kBackup, "cluster"));
    EXPECT_THAT(SubjectsWithEvents(*store.repository, {"policy", "hold"}), ElementsAre(kBackup, "cluster"));
    EXPECT_THAT(SubjectsWithEvents(*store.repository, {"policy"}), ElementsAre("cluster"));
    EXPECT_TRUE(ReadEvents(*store.repository, "20260116T080000Z-00000000", nullptr).empty());
}

TEST_P(Events, TellNothingOfTheirBodyWithoutTheKey) {
    Event written = Write("hold", {{"reason", "lawsuit"}});
    std::string object(AsText(store.Load(NameOf(written))));
    EXPECT_EQ(object.find("lawsuit") == std::string::npos, GetParam());
    std::vector<Event> events = ReadEvents(*store.repository, kBackup, nullptr);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].body.is_null(), GetParam());
    EXPECT_TRUE(CurrentHold(events, store.clock.Now()).held);    // for as long as nobody can read until when
}

// An event that stands elsewhere, or says another thing about itself, is refused: even with a check line that fits.
TEST_P(Events, AreBoundToTheirNameAndTime) {
    Event held = Write("hold"), released = Write("release");
    std::string hold = NameOf(held), release = NameOf(released);
    Bytes object = store.Load(hold);
    std::string moved = layout::Event("20260116T080000Z-00000000", held.id, "hold");
    store.Replace(moved, object);
    EXPECT_EQ(Thrown([&] { Read("20260116T080000Z-00000000"); }), Code::kCorrupt);
    store.repository->Remove({moved});
    for (auto [from, to] : {std::pair{"\"sequence\":1", "\"sequence\":7"},
                            {"\"type\":\"hold\"", "\"type\":\"release\""},
                            {"\"subject\":\"20260116T080000Z-0a1b2c3d\"", "\"subject\":\"cluster\""}}) {
        Rewrite(store, hold, [&, from = from, to = to](std::string &text) { Substitute(text, from, to); });
        EXPECT_EQ(Thrown([&] { Read(); }), Code::kCorrupt) << from;
        store.Replace(hold, object);
    }
    Rewrite(store, hold, [](std::string &text) { Substitute(text, "\"at\":\"2026", "\"at\":\"2027"); });
    EXPECT_EQ(Thrown([&] { Read(); }), GetParam() ? std::optional(Code::kCorrupt) : std::nullopt);
    store.Replace(hold, object);
    for (std::size_t at = 0; at < object.size(); at += 7) {
        Bytes altered = object;
        altered[at] ^= std::byte{1};
        store.Replace(hold, altered);
        EXPECT_TRUE(Thrown([&] { Read(); })) << at;
    }
    store.Replace(hold, object);
    EXPECT_FALSE(Hold().held);
}

TEST_P(Events, AHoldLastsUntilItIsReleasedOrRunsOut) {
    EXPECT_FALSE(Hold().held);
    Write("hold", {{"by", "ann"}, {"reason", "audit"}});
    HoldState state = Hold();
    EXPECT_TRUE(state.held);
    EXPECT_EQ(state.until, std::nullopt);
    EXPECT_EQ(state.reason, "audit");
    EXPECT_EQ(state.by, "ann");
    Write("release");
    EXPECT_FALSE(Hold().held);
    Write("hold", {{"until", FormatTime(store.clock.Now() + std::chrono::hours(2))}});
    EXPECT_TRUE(Hold().held);
    store.clock.Advance(std::chrono::hours(3));
    EXPECT_FALSE(Hold().held);
    Write("hold", {{"until", "when the cows come home"}});    // nobody can say when: it is held
    EXPECT_TRUE(Hold().held);
    EXPECT_EQ(Hold().until, std::nullopt);
}

TEST_P(Events, AHoldThatCannotBeReadHoldsItsBackup) {
    auto session = store.Begin();
    TakeBackup(*session);
    Event held = WriteEvent(*store.repository, store.Domain(), {.subject = session->id(), .type = "hold"}, store.clock,
                            store.random);
    Bytes object = store.Load(NameOf(held));
    object[object.size() / 2] ^= std::byte{1};
    store.Replace(NameOf(held), object);
    std::vector<BackupSummary> listed = ListBackups(*store.repository, store.keys.get(), store.clock.Now());
    ASSERT_EQ(listed.size(), 1u);
    EXPECT_THAT(listed[0].error, HasSubstr(held.id));
    EXPECT_TRUE(listed[0].hold.held);
}

}    // namespace
}    // namespace ark::test
