#include "wal/copy.h"

#include <gtest/gtest.h>

#include "repo/wal_floors.h"
#include "repo/wal_gaps.h"
#include "unit/wal/wal_sample.h"
#include "wal/missing.h"

namespace ark::test {
namespace {

const WalSegmentSize kSize(1 << 20);

std::string Name(std::uint64_t number, std::uint32_t timeline = 1) {
    return SegmentName::OfNumber({timeline}, number, kSize).Text();
}

class CopyTest : public ::testing::Test {
protected:
    WalCopier Copier() {
        return WalCopier(*from.repository, *from.keys, *to.repository, *to.keys, to.key, kSize,
                         {CompressionKind::kZstd, 1}, from.clock, SystemRandom(), SilentLog());
    }
    void Put(WalSample &store, std::uint64_t first, std::uint64_t last, std::uint32_t timeline = 1) {
        for (std::uint64_t n = first; n <= last; n++) store.Write(ShortSegment(n % 3), Name(n, timeline));
    }
    void PutHistory(std::uint32_t timeline, const std::string &text) {
        from.Write(AsBytes(text), TimelineId{timeline}.Text() + ".history");
    }
    // Everything, in the order in which it came, one at a time.
    std::string CopyAll(WalCopier &copier) {
        std::string order;
        std::set<std::string> before = Names(to);
        while (copier.CopySome(1, NeverCancelled())) {
            for (const std::string &name : Names(to))
                if (!before.contains(name)) order += (order.empty() ? "" : " ") + name;
            before = Names(to);
        }
        return order;
    }
    std::string CopyAll() {
        WalCopier copier = Copier();
        copier.Look(NeverCancelled());
        return CopyAll(copier);
    }
    static std::set<std::string> Names(WalSample &store) {
        std::set<std::string> names;
        store.repository->List("wal/", [&](const ObjectInfo &info) {
            names.insert(info.name.substr(info.name.rfind('/') + 1));
            return true;
        });
        return names;
    }

    WalSample from{true}, to{true};
};

TEST_F(CopyTest, BringsWhatIsMissingInTheOrderOfTheWal) {
    Put(from, 3, 5);
    Put(from, 6, 7, 2);
    PutHistory(2, "1 0/600000\tpromoted\n");
    from.Write(AsBytes("START WAL LOCATION: 0/300028 (file 000000010000000000000003)\n"), Name(3) + ".00000028.backup");
    EXPECT_EQ(CopyAll(), Name(3) + " " + Name(3) + ".00000028.backup " + Name(4) + " " + Name(5) +
                             " 00000002.history " + Name(6, 2) + " " + Name(7, 2));
    for (std::uint64_t n = 3; n <= 5; n++) EXPECT_EQ(to.Read(Name(n)), ShortSegment(n % 3));
    EXPECT_NE(to.Stat(Name(3))->salt, from.Stat(Name(3))->salt) << "it is sealed anew";
    EXPECT_EQ(CopyAll(), "") << "nothing twice";
}

TEST_F(CopyTest, FollowsWhatComes) {
    Put(from, 3, 4);
    WalCopier copier = Copier();
    copier.Look(NeverCancelled());
    CopyAll(copier);
    EXPECT_EQ(copier.queue().last->Text(), Name(4));
    EXPECT_EQ(copier.queue().files, 0U);
    EXPECT_FALSE(copier.LookForNext());
    EXPECT_FALSE(copier.CopySome(4, NeverCancelled()));
    Put(from, 5, 8);
    EXPECT_FALSE(copier.LookForNext());
    EXPECT_EQ(copier.queue().files, 4U);
    EXPECT_TRUE(copier.queue().waiting_since.has_value());
    while (copier.CopySome(3, NeverCancelled())) {}
    EXPECT_EQ(Names(to), Names(from));
    EXPECT_EQ(copier.queue().last->Text(), Name(8));
    EXPECT_EQ(copier.queue().waiting_since, std::nullopt);
    PutHistory(2, "1 0/900000\tpromoted\n");
    EXPECT_TRUE(copier.LookForNext()) << "a new timeline needs a whole look";
}

TEST_F(CopyTest, GoesOnWhereAnotherOneStopped) {
    Put(from, 3, 9);
    {
        WalCopier copier = Copier();
        copier.Look(NeverCancelled());
        copier.CopySome(2, NeverCancelled());
    }
    EXPECT_EQ(CopyAll(), Name(5) + " " + Name(6) + " " + Name(7) + " " + Name(8) + " " + Name(9));
}

TEST_F(CopyTest, WhatTheOtherStoreHasExpiredDoesNotComeBack) {
    Put(from, 3, 6);
    RaiseWalFloors(*to.repository, *to.keys, to.key, {{{1}, Lsn{5 << 20}}}, "test", "", to.clock, to.random);
    EXPECT_EQ(CopyAll(), Name(5) + " " + Name(6));
}

TEST_F(CopyTest, OtherContentUnderTheNameStopsIt) {
    Put(from, 3, 4);
    to.Write(ShortSegment(17), Name(4));
    EXPECT_EQ(CopyAll(), Name(3)) << "it is there, and stays as it is";
    Put(from, 5, 5);
    WalCopier copier = Copier();
    copier.Look(NeverCancelled());
    to.Write(ShortSegment(17), Name(5));
    EXPECT_EQ(ErrorOf([&] { copier.CopySome(1, NeverCancelled()); }).code, Code::kConflict);
    EXPECT_EQ(to.Read(Name(5)), ShortSegment(17));
}

TEST_F(CopyTest, WhatExpiredBeforeItWasCopiedIsOnRecord) {
    Put(from, 3, 9);
    to.Write(ShortSegment(0), Name(3));
    RaiseWalFloors(*from.repository, *from.keys, from.key, {{{1}, Lsn{7 << 20}}}, "test", "", from.clock, from.random);
    std::vector<std::string> gone;
    for (std::uint64_t n = 3; n <= 6; n++) gone.push_back(layout::Wal(ParseWalFileName(Name(n))));
    from.repository->Remove(gone);
    EXPECT_EQ(CopyAll(), Name(7) + " " + Name(8) + " " + Name(9));
    std::vector<WalGap> gaps = ReadWalGaps(*to.repository, to.keys.get());
    ASSERT_EQ(gaps.size(), 1U);
    EXPECT_EQ(gaps[0].Names(), Name(4) + " to " + Name(6));
    EXPECT_NE(gaps[0].reason.find("expired"), std::string::npos);
    CopyAll();
    EXPECT_EQ(ReadWalGaps(*to.repository, to.keys.get()).size(), 1U) << "once";
}

TEST_F(CopyTest, AGapThatIsOnRecordGoesAlong) {
    Put(from, 3, 3);
    Put(from, 7, 7);
    WalGap gap{ParseSegmentName(Name(4)), ParseSegmentName(Name(6)), from.clock.Now(), from.clock.Now(), "given up"};
    EXPECT_EQ(RecordWalGaps(*from.repository, *from.keys, from.key, {gap}, "test", from.clock, from.random), 1U);
    EXPECT_EQ(RecordWalGaps(*from.repository, *from.keys, from.key, {gap}, "test", from.clock, from.random), 0U);
    CopyAll();
    EXPECT_EQ(ReadWalGaps(*to.repository, to.keys.get()), std::vector<WalGap>{gap});
    gap.last = ParseSegmentName(Name(8));
    RecordWalGaps(*from.repository, *from.keys, from.key, {gap}, "test", from.clock, from.random);
    EXPECT_EQ(ReadWalGaps(*from.repository, from.keys.get()), std::vector<WalGap>{gap}) << "the longer one speaks";
}

TEST_F(CopyTest, OnlyWhatAStoreLacksIsMissing) {
    Put(from, 3, 4);
    Put(from, 7, 7);
    TimePoint now = from.clock.Now();
    WalGap gap{ParseSegmentName(Name(3)), ParseSegmentName(Name(9)), now, now, "given up"};
    std::vector<WalGap> missing = StillMissing(*from.repository, {gap}, kSize);
    ASSERT_EQ(missing.size(), 2U);
    EXPECT_EQ(missing[0].Names(), Name(5) + " to " + Name(6));
    EXPECT_EQ(missing[1].Names(), Name(8) + " to " + Name(9));
    EXPECT_TRUE(StillMissing(*from.repository, {}, kSize).empty());
}

}    // namespace
}    // namespace ark::test
