#include "pgdata/page.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "unit/pgdata/page_sample.h"

namespace ark {
namespace {

using test::kHeapPage;
using test::kMetaPage;
using test::kRootPage;
using test::RealPage;

const RealPage *const kRealPages[] = {&kMetaPage, &kRootPage, &kHeapPage};

// The same sum, word after word as its definition reads.
std::uint16_t SlowChecksum(Bytes page, std::uint32_t block) {
    constexpr std::uint32_t kStart[] = {
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};
    page[8] = page[9] = std::byte{0};
    page.resize(page.size() + 256);
    std::uint32_t all = block;
    for (std::size_t column = 0; column < 32; column++) {
        std::uint32_t sum = kStart[column];
        for (std::size_t at = 4 * column; at < page.size(); at += 128) {
            std::uint32_t mixed = sum ^ GetLittleEndian<std::uint32_t>(page.data() + at);
            sum = (mixed * 16777619u) ^ (mixed >> 17);
        }
        all ^= sum;
    }
    return static_cast<std::uint16_t>(all % 65535 + 1);
}

Bytes RandomPage(std::size_t size, std::mt19937 &random) {
    Bytes page(size);
    for (std::byte &byte : page) byte = static_cast<std::byte>(random());
    return page;
}

TEST(Page, ARealOneIsGood) {
    for (const RealPage *real : kRealPages) {
        Bytes page = real->Whole();
        EXPECT_EQ(PageChecksum(page, real->block), real->checksum);
        EXPECT_EQ(CheckPage(page, real->block), PageState::kGood);
        EXPECT_EQ(page, real->Whole()) << "it was written to";
    }
}

// Sixteen bits cannot tell all: one alteration in 65535 has the checksum of the real page, here one or two bits of 65536.
TEST(Page, AlteredBitsAreSeen) {
    for (const RealPage *real : kRealPages) {
        Bytes page = real->Whole();
        std::size_t unseen = 0;
        for (std::size_t bit = 0; bit < page.size() * 8; bit++) {
            std::byte mask{static_cast<unsigned char>(1 << bit % 8)};
            page[bit / 8] ^= mask;
            bool seen = CheckPage(page, real->block) == PageState::kBad;
            EXPECT_TRUE(seen || PageChecksum(page, real->block) == SlowChecksum(page, real->block)) << "bit " << bit;
            EXPECT_TRUE(seen || bit >= 24 * 8) << "bit " << bit << " of the header";
            if (!seen) unseen++;
            page[bit / 8] ^= mask;
        }
        EXPECT_LE(unseen, 2u);
    }
}

TEST(Page, ATornOneIsBad) {
    Bytes page = kHeapPage.Whole();
    std::fill(page.begin() + 4096, page.end(), std::byte{0});
    EXPECT_EQ(CheckPage(page, kHeapPage.block), PageState::kBad);
}

TEST(Page, BelongsToOneBlock) {
    for (const RealPage *real : kRealPages) {
        Bytes page = real->Whole();
        for (std::uint32_t block : {real->block + 1, real->block ^ 0x80u, real->block + 131072, 0xFFFFFFFEu})
            EXPECT_EQ(CheckPage(page, block), PageState::kBad) << block;
    }
}

TEST(Page, ItsOwnChecksumIsNoPartOfIt) {
    Bytes page = kMetaPage.Whole();
    PutLittleEndian<std::uint16_t>(page.data() + 8, 0xFFFF);
    EXPECT_EQ(PageChecksum(page, 0), kMetaPage.checksum);
    EXPECT_EQ(CheckPage(page, 0), PageState::kBad);
}

TEST(Page, IsOfAnySizeAndAtAnyAddress) {
    std::mt19937 random(1);
    for (std::size_t size = 1024; size <= 32768; size *= 2)
        for (std::uint32_t block : {0u, 1u, 131072u, 0xFFFFFFFEu}) {
            Bytes page = RandomPage(size, random);
            std::uint16_t expected = SlowChecksum(page, block);
            EXPECT_EQ(PageChecksum(page, block), expected) << size << " bytes, block " << block;
            page.insert(page.begin(), std::byte{1});
            EXPECT_EQ(PageChecksum(ByteView(page).subspan(1), block), expected) << "at an odd address";
        }
    for (std::size_t size : {0, 1, 512, 1023, 8191, 8193, 12288, 65536}) {
        Bytes page(size);
        EXPECT_THROW(PageChecksum(page, 0), Error) << size;
        EXPECT_THROW(CheckPage(page, 0), Error) << size;
        EXPECT_THROW(PageLsn(page), Error) << size;
    }
}

TEST(Page, IsNewOnlyIfAllOfItIsZero) {
    Bytes page(8192);
    EXPECT_EQ(CheckPage(page, 0), PageState::kNew);
    EXPECT_EQ(CheckPage(page, 77), PageState::kNew);
    for (std::size_t at = 0; at < page.size(); at++) {
        page[at] = std::byte{1};
        if (CheckPage(page, 0) != PageState::kBad) ADD_FAILURE() << "byte " << at;
        page[at] = std::byte{0};
    }
    page = kHeapPage.Whole();
    page[14] = page[15] = std::byte{0};    // pd_upper
    PutLittleEndian(page.data() + 8, PageChecksum(page, 0));
    EXPECT_EQ(CheckPage(page, 0), PageState::kBad) << "a checksum that fits is of no worth there";
}

TEST(Page, KnowsWhereInTheLogItStands) {
    EXPECT_EQ(PageLsn(kMetaPage.Whole()).Text(), "0/133FE40");
    EXPECT_EQ(PageLsn(kHeapPage.Whole()).Text(), "0/1752790");
    Bytes page(8192);
    EXPECT_EQ(PageLsn(page), Lsn{});
    PutLittleEndian<std::uint32_t>(page.data(), 0xA1);
    PutLittleEndian<std::uint32_t>(page.data() + 4, 0xB2C3D4E5);
    EXPECT_EQ(PageLsn(page).Text(), "A1/B2C3D4E5");
}

}    // namespace
}    // namespace ark
