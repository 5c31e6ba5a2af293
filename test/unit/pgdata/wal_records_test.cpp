#include "pgdata/wal_records.h"

#include <gtest/gtest.h>

#include "unit/pgdata/wal_log_sample.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

const WalSegmentSize kSize(1 << 20);
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00.123456Z");

// However the bytes are dealt out.
WalRecords Walk(const WalLog &log, std::size_t piece, Lsn from = {1 << 20}) {
    WalRecords records(kSize);
    Bytes bytes = log.From(from, log.end());
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        records.Take({from.value + at}, ByteView(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    return records;
}

TEST(WalRecords, KnowsTheLastRecordAndTheLastOutcome) {
    WalLog log(kSize);
    EXPECT_EQ(Walk(log, 100).last_begin(), std::nullopt);
    log.Filler(100);
    log.Outcome(kNoon - 1s);
    log.Outcome(kNoon, 0x20);                      // an abort
    Lsn last_outcome = log.Outcome(kNoon - 2s);    // a clock that was set back
    Lsn last = log.Filler(333);
    for (std::size_t piece : {1u, 7u, 8192u, 1u << 20}) {
        WalRecords records = Walk(log, piece);
        EXPECT_EQ(records.last_begin(), last) << piece;
        EXPECT_EQ(records.last_end()->value, (log.end().value + 7) / 8 * 8);
        EXPECT_EQ(records.last_outcome(), kNoon);
        EXPECT_EQ(records.last_outcome_begin(), last_outcome);
    }
}

TEST(WalRecords, OutcomesAreFoundBehindOtherHeaders) {
    for (int info : {0x00, 0x80, 0x20, 0x30, 0x40, 0xB0}) {
        WalLog log(kSize);
        log.Outcome(kNoon, static_cast<std::uint8_t>(info),
                    std::string("\xFD\x01\x02", 3) + std::string("\xFC\x01\x02\x03\x04", 5));
        EXPECT_EQ(Walk(log, 1000).last_outcome(), kNoon) << info;
    }
    WalLog log(kSize);
    log.Outcome(kNoon, 0x10);    // prepared
    log.Outcome(kNoon, 0x50);    // assigned
    EXPECT_EQ(Walk(log, 1000).last_outcome(), std::nullopt);
}

TEST(WalRecords, RecordsGoOnOverPagesAndSegments) {
    WalLog log(kSize);
    log.Filler(3 << 20);
    Lsn last = log.Outcome(kNoon);
    for (std::size_t piece : {1000u, 8192u, 1u << 20}) {
        WalRecords records = Walk(log, piece);
        EXPECT_EQ(records.last_begin(), last);
        EXPECT_EQ(records.last_outcome(), kNoon);
    }
    EXPECT_EQ(Walk(log, 5000, {3 << 20}).last_begin(), last) << "from the middle of a record";
    EXPECT_EQ(Walk(log, 5000, {(3 << 20) + 8192}).last_begin(), last) << "from any page";
    for (int i = 0; i < 3000; i++) last = log.Filler(static_cast<std::size_t>(i % 97));
    EXPECT_EQ(Walk(log, 777).last_begin(), last) << "headers of records are cut too";
}

TEST(WalRecords, ARecordThatIsNotWholeIsNone) {
    WalLog log(kSize);
    Lsn last = log.Outcome(kNoon);
    Lsn end = log.end();
    log.Filler(20000);
    WalRecords records(kSize);
    records.Take({1 << 20}, log.From({1 << 20}, {end.value + 15000}));
    EXPECT_EQ(records.last_begin(), last);
    records.Take({end.value + 15000}, log.From({end.value + 15000}, log.end()));
    EXPECT_GT(*records.last_begin(), last);
}

TEST(WalRecords, ASwitchEndsTheSegmentAndZerosEndAPartialOne) {
    WalLog log(kSize);
    log.Outcome(kNoon - 1s);
    Lsn last = log.Switch();
    WalRecords records = Walk(log, 8192);
    EXPECT_EQ(records.last_begin(), last);
    EXPECT_EQ(log.end().value, 2u << 20);
    last = log.Outcome(kNoon);
    EXPECT_EQ(Walk(log, 8192).last_begin(), last);
    Bytes padded = log.From({2 << 20}, log.end());
    padded.resize(1 << 20);
    WalRecords partial(kSize);
    partial.Take({2 << 20}, padded);
    EXPECT_EQ(partial.last_begin(), last);
    EXPECT_EQ(partial.last_outcome(), kNoon);
}

TEST(WalRecords, ARecordThatACrashCutIsGivenUp) {
    WalLog log(kSize);
    Lsn before = log.Filler(10);
    log.Filler(30000);
    log.CutToPage();
    EXPECT_EQ(Walk(log, 3000).last_begin(), before);
    Lsn last = log.Outcome(kNoon);
    EXPECT_EQ(Walk(log, 3000).last_begin(), last);
}

TEST(WalRecords, AnyBytesAreSurvived) {
    WalLog log(kSize);
    for (int i = 0; i < 100; i++) log.Filler(500);
    Bytes bytes = log.All();
    std::uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        Bytes broken = bytes;
        for (int i = 0; i < 20; i++) {
            seed = seed * 1664525 + 1013904223;
            broken[seed % broken.size()] = static_cast<std::byte>(seed >> 24);
        }
        WalRecords records(kSize);
        records.Take({1 << 20}, broken);
        EXPECT_LE(records.last_end().value_or(Lsn{}), Lsn{(1 << 20) + broken.size() + 8});
    }
}

}    // namespace
}    // namespace ark::test
