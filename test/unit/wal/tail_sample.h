// A server's log that is shipped into a repository in memory.
#pragma once

#include "unit/wal/directory_sample.h"
#include "wal/fetch.h"
#include "wal/ship.h"

namespace ark::test {

struct TailSample {
    explicit TailSample(bool encrypted, StoragePtr given = nullptr) : store(encrypted, std::move(given)) {}

    // A shipper that has begun, of a server with `flushed` bytes.
    TailShipper &Begin(std::uint64_t flushed, std::uint32_t timeline = 1, std::uint64_t begin_of_timeline = 0) {
        shipper = std::make_unique<TailShipper>(
            *store.repository, *store.keys, store.key,
            TailPlace{{timeline}, WalSegmentSize(kSmallSegment), {flushed}, {begin_of_timeline}},
            ParseCompression("zstd:1"), store.random, SilentLog());
        shipper->Begin();
        return *shipper;
    }
    // What the server sends on, and a shipment.
    void Ship(std::uint64_t to, std::optional<TimePoint> at = {}) {
        Send(to);
        shipper->Ship(at);
        Await();
        while (shipper->Join()) Await();
    }
    // Without a shipment; what is sent for other reasons is stored.
    void Send(std::uint64_t to) {
        while (shipper->taken().value < to) {
            Take(std::min(to, shipper->taken().value + 50'000));
            while (!shipper->HasRoom()) Settle();
        }
        Await();
    }
    // The same, without waiting for anything.
    void Take(std::uint64_t to) {
        std::uint64_t from = shipper->taken().value;
        shipper->Take({from}, ByteView(log).subspan(from, to - from));
    }
    void Settle() {
        shipper->AwaitNews(std::chrono::milliseconds(1));
        shipper->Settle();
    }
    void Await() {
        while (!shipper->Idle()) Settle();
    }
    void Tidy() {
        shipper->Tidy();
        Await();
    }
    void Archive(unsigned number, std::uint32_t timeline = 1) {
        store.Write(Segment(number), Name(number, timeline).Text());
    }
    Bytes Segment(unsigned number, std::uint64_t up_to = ~0ull) const {
        std::uint64_t begin = std::uint64_t{number} * kSmallSegment;
        Bytes segment(kSmallSegment);
        std::copy_n(log.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::min<std::uint64_t>(kSmallSegment, up_to - begin), segment.begin());
        return segment;
    }
    static SegmentName Name(unsigned number, std::uint32_t timeline = 1) {
        return SegmentName::OfNumber({timeline}, number, WalSegmentSize(kSmallSegment));
    }
    // The segment from its pieces; nullopt: there are none.
    std::optional<Bytes> Fetch(unsigned number, PartWanted wanted = PartWanted::kAny, std::uint32_t timeline = 1) {
        std::filesystem::path to = directory.path() / "pg_wal" / "fetched";
        if (FetchPart(*store.repository, *store.keys, Name(number, timeline), WalSegmentSize(kSmallSegment), wanted, to,
                      directory.path() / "pg_wal" / Name(number, timeline).Text()) == FetchOutcome::kAbsent)
            return std::nullopt;
        return ToBytes(ReadWholeFile(to));
    }
    bool Hole(unsigned number, std::uint32_t timeline = 1) {
        return IsHole(*store.repository, *store.keys, Name(number, timeline), WalSegmentSize(kSmallSegment));
    }
    std::vector<layout::TailName> Tail() const { return ListTail(*store.repository); }
    void Remove(const layout::TailName &name) { store.repository->Remove({layout::Tail(name)}); }

    WalSample store;
    DirectorySample directory;
    Bytes log = SampleText(12 * kSmallSegment, 3);
    std::unique_ptr<TailShipper> shipper;
};

}    // namespace ark::test
