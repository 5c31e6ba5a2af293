// WAL from one store into another, in the order of its positions: what a store with ack=async gets, behind the ones that the server waits
// for. What waits is the difference of the two, so nothing has to be remembered. docs/repository-format.md, section 11.
#pragma once

#include <deque>

#include "base/log.h"
#include "wal/archive.h"
#include "wal/segment_object.h"

namespace ark {

struct CopyQueue {
    std::optional<WalFileName> last;             // the last segment that both stores have
    std::optional<TimePoint> last_came{};        // into the first store, by its clock
    std::uint64_t files = 0, bytes = 0;          // that wait
    std::optional<TimePoint> waiting_since{};    // when the first of them came into the first store
};

class WalCopier {
public:
    // The right to write into `to` was claimed before. `key` is its domain key.
    WalCopier(const Repository &from, KeyRing &from_keys, Repository &to, KeyRing &to_keys, DomainKey key,
              WalSegmentSize size, Compression compression, Clock &clock, Random &random, Log &log);

    // Compares the stores by their listings. What the second has expired itself does not come again. What the first has lost for ever is
    // put on record in the second (repo/wal_gaps).
    void Look(Ticker &ticker);
    // With two requests, once nothing waits: the segments behind the last one, as far as they have come. What else may have come a new
    // Look() finds; true asks for one.
    bool LookForNext();
    // The next few, several at once. False: nothing waits, or something is no longer there and Look() tells what is. Throws kConflict where
    // the second store has the name with other content.
    bool CopySome(std::size_t threads, Ticker &ticker);

    const CopyQueue &queue() const { return queue_; }

private:
    void RecordGaps(const WalArchive &source, const WalArchive &target);
    bool CopyOne(const WalFileName &name);
    void Count();

    const Repository &from_;
    KeyRing &from_keys_;
    Repository &to_;
    KeyRing &to_keys_;
    DomainKey key_;
    WalSegmentSize size_;
    Compression compression_;
    Clock &clock_;
    Random &random_;
    Log &log_;
    std::deque<ArchivedFile> waiting_;    // of histories only the name is known
    CopyQueue queue_;
};

}    // namespace ark
