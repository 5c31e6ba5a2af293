// The WAL that has no finished segment yet, into the store, piece by piece: what a server that dies would take with it.
// docs/repository-format.md, section 13. Fed with what a server sends; knows nothing of connections.
#pragma once

#include <deque>
#include <set>

#include "base/log.h"
#include "wal/segment_object.h"
#include "wal/tail_chain.h"
#include "wal/tail_object.h"

namespace ark {

struct TailPlace {
    TimelineId timeline;
    WalSegmentSize size;
    Lsn flushed;                // what the server has on disk
    Lsn begin_of_timeline{};    // where it left its parent
};

class TailShipper {
public:
    // The right to write was claimed before (repository.epoch()).
    TailShipper(const Repository &repository, KeyRing &keys, DomainKey key, const TailPlace &place,
                const Compression &compression, Random &random, Log &log);

    // Where the server has to begin to send: the beginning of a segment, a few back at most (or none, if they are gone there already),
    // because the archiver may not have stored them yet. What the store has of it is compared and not sent again.
    Lsn Begin(bool reach_back = true);

    // The next bytes; the first are those at Begin(). Stores what comes full. Throws kConflict where the store has other WAL of
    // this server, and what the store throws: then a new shipper begins.
    void Take(Lsn at, ByteView bytes);
    // Stores what there is. `at`: a time by the server's clock until which all commits lie in what was taken; without new WAL a mark of
    // it replaces the one before. Nullopt: it is not known.
    void Ship(std::optional<TimePoint> at);
    // Makes one of many small pieces, where there are so many. After each Ship(), when nobody waits for it.
    void Join(std::size_t neighbours = kJoined);

    // Removes the pieces of segments that the store has whole, of which each was proven; a bounded number at a time. True: there may be
    // more.
    bool Tidy();

    Lsn taken() const { return taken_; }
    Lsn stored() const { return stored_; }                // up to where the store has all
    bool pending() const { return !pending_.empty(); }    // something was taken and is not stored
    // Up to where the store has what was taken from Begin() on: what was there before counts once it was compared.
    Lsn confirmed() const { return taken_ < stored_ ? Segment(taken_).Start(place_.size) : stored_; }
    std::uint64_t pieces() const { return pieces_; }    // stored, and their bytes
    std::uint64_t stored_bytes() const { return stored_bytes_; }

private:
    struct Finished {
        SegmentName segment;
        std::optional<Sha256Digest> digest;    // of the whole; nullopt: it was not seen
        std::vector<layout::TailName> pieces;
    };
    struct Piece {
        layout::TailName name;
        int level = 0;
        std::optional<TailInfo> info{};    // of a small one that was stored by this shipper; and its bytes
        Bytes plain{};
    };
    bool StartsAt(const SegmentName &segment) const;
    void Refuse(Lsn stored) const;
    void Collect(const SegmentName &first);
    void BeginSegment();
    void EndSegment();
    void CompareWithStored();
    void Store(std::optional<TimePoint> at);
    void StoreMark(TimePoint at);
    bool JoinOnce(std::size_t neighbours);
    std::optional<TailInfo> BytesOf(const Piece &piece, Bytes &plain);
    std::optional<TailInfo> Reread(const layout::TailName &name, Bytes &plain);
    void Timed(const layout::TailName &name);
    bool IsProven(const Finished &finished);
    TailInfo Info(Lsn start, Lsn end) const;
    SegmentName Segment(Lsn lsn) const { return SegmentName::Containing(place_.timeline, lsn, place_.size); }
    std::string Digest(const Sha256Digest &digest) const { return SegmentDigest(key_, digest); }

    const Repository &repository_;
    KeyRing &keys_;
    DomainKey key_;
    TailPlace place_;
    Compression compression_;
    Random &random_;
    Log &log_;

    std::vector<layout::TailName> found_;    // in the store, of any epoch and timeline, at the beginning
    Lsn taken_{}, stored_{};
    std::vector<Piece> chain_;               // of this segment, in the store
    Sha256Stream digest_;                    // of this segment, as far as it was taken
    Sha256Digest digest_stored_{};           // and as far as it is stored
    Bytes pending_;                          // from stored_ to taken_
    std::deque<Finished> finished_;          // that may have pieces
    std::vector<layout::TailName> marks_;    // in the store, of this epoch and timeline
    std::uint64_t last_mark_ = 0;
    std::optional<layout::TailName> timed_;    // the newest that has a time: it stays
    std::set<SegmentName> doubtful_;           // whole, but no proof: that was told
    std::uint64_t pieces_ = 0, stored_bytes_ = 0;
};

}    // namespace ark
