// Whether the WAL that a recovery needs can be read back: every byte of it is fetched and proven, from where a server would be given it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "wal/archive.h"
#include "wal/segment_place.h"

namespace ark {

struct WalVerified {
    std::uint64_t segments = 0, bytes = 0;    // of WAL, read
    std::vector<std::string> problems;        // what is missing or damaged
};

class WalVerifier {
public:
    WalVerifier(const Repository &repository, KeyRing &keys, const WalArchive &archive, Ticker &ticker);

    // Along the timeline, from the segment of `from` up to `until`. What was read before is not read again. Throws what the store throws.
    void Read(TimelineId timeline, WalSegmentSize size, Lsn from, Lsn until);

    const WalVerified &verified() const { return verified_; }

private:
    bool ReadPlace(const SegmentPlace &place, const SegmentName &own, WalSegmentSize size, Lsn end);
    bool ReadWhole(const SegmentName &name);

    const Repository &repository_;
    KeyRing &keys_;
    const WalArchive &archive_;
    Ticker &ticker_;
    const std::vector<layout::TailName> tail_;
    const StoredWal stored_;
    std::set<std::pair<SegmentName, Lsn>> read_;    // and up to where
    WalVerified verified_;
};

}    // namespace ark
