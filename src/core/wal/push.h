// From pg_wal into the store: what archive_command asks for, and what should be there and is not.
#pragma once

#include "base/log.h"
#include "pgdata/data_directory.h"
#include "wal/segment_object.h"

namespace ark {

// Archives files of one data directory. Safe for concurrent calls. The right to write was claimed before (repository.epoch()).
class WalPusher {
public:
    WalPusher(const Repository &repository, KeyRing &keys, DomainKey key, const DataDirectory &directory,
              Compression compression, Random &random, Log &log);

    // Returns when the store has the file. That it is what its name says is proven first; a server in recovery stores nothing, and
    // gets kNotFound until the store has the same file from its primary. A history is stored after all that its timeline
    // stands on: FillBehind(). Throws as WriteSegment and CheckWalSegmentFront do.
    SegmentResult Push(const WalFileName &name, const std::filesystem::path &file);

    // Stores what lies in pg_wal of the timeline before, up to the point where `timeline` left it, and is missing in the
    // store: a primary that died may not have archived its last segments, and the server that was promoted takes them for done.
    // Returns how many there were.
    std::size_t FillBehind(const TimelineHistory &history);

private:
    SegmentResult Compare(const WalFileName &name, Source &plain);
    void CheckFront(const WalFileName &name, ByteView front, std::uint64_t length) const;
    SegmentFacts Facts(const WalFileName &name) const;

    const Repository &repository_;
    KeyRing &keys_;
    DomainKey key_;
    const DataDirectory &directory_;
    Compression compression_;
    Random &random_;
    Log &log_;
};

}    // namespace ark
