// The WAL that has no finished segment yet, into the store, piece by piece: what a server that dies would take with it.
// docs/repository-format.md, section 13. Fed with what a server sends; knows nothing of connections.
//
// Nothing here waits for the store, but Begin() and the destructor: pieces are sent by other threads, several at once, and what has become of
// them is taken up by Settle(). All calls are made by one thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "base/log.h"
#include "wal/in_flight.h"
#include "wal/segment_object.h"
#include "wal/tail_chain.h"
#include "wal/tail_inherited.h"
#include "wal/tail_join.h"
#include "wal/tail_object.h"

namespace ark {

struct TailPlace {
    TimelineId timeline;
    WalSegmentSize size;
    Lsn flushed;                  // what the server has on disk
    Lsn begin_of_timeline{};      // where it left its parent
    std::optional<Lsn> held{};    // from where on a slot holds WAL for the shipper: nobody else may store that
};

class TailShipper {
public:
    static constexpr std::size_t kAtOnce = 4;    // pieces that are sent at once

    // The right to write was claimed before (repository.epoch()).
    TailShipper(const Repository &repository, KeyRing &keys, DomainKey key, const TailPlace &place,
                const Compression &compression, Random &random, Log &log, std::size_t at_once = kAtOnce);

    // Where the server has to begin to send: the beginning of a segment, a few back at most (or none, if they are gone there already),
    // because the archiver may not have stored them yet; as many as its slot holds. What the store has of it is compared and not sent again,
    // whoever sent it; what an earlier owner sent that this server has not is left aside, what it itself sent is an error.
    Lsn Begin(bool reach_back = true);

    // The next bytes; the first are those at Begin(). Sends what comes full.
    void Take(Lsn at, ByteView bytes);
    // Whether more should be taken: as much waits for the store as may.
    bool HasRoom() const;
    // Sends what there is. `at`: a time by the server's clock until which all commits lie in what was taken; without new WAL a mark of
    // it replaces the one before. Nullopt: it is not known.
    void Ship(std::optional<TimePoint> at);
    bool MaySend() const { return uploads_.HasRoom(); }    // a piece would go on its way at once

    // Takes up what has become of what was sent. Returns whether there was news. Throws kConflict where the store has other WAL of this
    // server, and what the store throws: then a new shipper begins.
    bool Settle();
    void AwaitNews(Duration patience) { uploads_.Await(patience); }
    int news() const { return uploads_.news(); }          // can be read then
    bool AllStored() const { return uploads_.Idle(); }    // that was sent
    bool Idle() const { return uploads_.Idle() && chores_.Idle(); }

    // Both begin something that goes on beside, one of them at a time; false: there was nothing to begin.
    // Makes one of many small pieces, where there are so many.
    bool Join(std::size_t neighbours = kJoined);
    // Removes the pieces of segments that the store has whole, of which each is proven; a bounded number.
    bool Tidy();

    Lsn taken() const { return taken_; }
    Lsn stored() const { return stored_; }    // up to where the store has all
    // Something was taken and is not on its way.
    bool pending() const { return inherited_.empty() && !pending_.empty(); }
    // Up to where the store has what was taken from Begin() on, without a gap: what was there before counts once it was compared, and an
    // earlier owner's once it was made this one's.
    Lsn confirmed() const { return made_own_ ? stored_ : begin_; }
    std::optional<TimePoint> stored_at() const {
        return stored_at_;
    }                                                   // of the last that was stored, as Ship() was told
    std::uint64_t pieces() const { return pieces_; }    // stored, and their bytes
    std::uint64_t stored_bytes() const { return stored_bytes_; }

private:
    struct Finished {
        SegmentName segment;
        std::optional<Sha256Digest> digest;    // of the whole; nullopt: it was not seen
        std::vector<layout::TailName> pieces;
    };
    enum class Proof { kAbsent, kProven, kDoubtful };
    bool StartsAt(const SegmentName &segment) const;
    bool IsOwn(const layout::TailName &name) const { return name.epoch == repository_.epoch(); }
    bool IsFirstOwner() const { return repository_.epoch() == 1; }
    void Refuse(Lsn stored) const;
    void Collect(const SegmentName &first);
    std::vector<layout::TailName> FoundIn(const SegmentName &segment) const;
    void BeginSegment();
    void CompareWithStored();
    void Inherit();
    void MakeOwn();
    void BeginJoin(std::vector<TailPiece> pieces, bool must);
    bool Hides(const layout::TailName &name) const;
    void Cut(std::optional<TimePoint> at);
    void SendMark(TimePoint at);
    void Stored(const TailInfo &info, std::uint64_t bytes);
    void EndSegment(const SegmentName &segment, const Sha256Digest &digest);
    void StartChain(const SegmentName &segment);
    void Replace(const std::vector<TailPiece> &pieces, const TailPiece &joined);
    void Timed(const layout::TailName &name);
    Proof Prove(const Finished &finished) const;
    TailInfo Info(Lsn start, Lsn end, const Sha256Digest &before, const Sha256Digest &after);
    SegmentName Segment(Lsn lsn) const { return SegmentName::Containing(place_.timeline, lsn, place_.size); }
    std::string Digest(const Sha256Digest &digest) const { return SegmentDigest(key_, digest); }

    const Repository &repository_;
    KeyRing &keys_;
    const DomainKey key_;
    const TailPlace place_;
    const Compression compression_;
    Random &random_;
    Log &log_;

    // In the store at the beginning: of any epoch and timeline; and what counts of this one's.
    std::vector<layout::TailName> found_, useful_;
    // What comes in.
    Lsn begin_{}, taken_{};
    Lsn known_{};    // up to where the store had pieces of this segment, the last of them its own
    std::deque<InheritedPiece> inherited_;    // that were not compared yet
    Sha256Stream digest_;                     // of this segment, up to taken_
    Lsn cut_{};                               // up to where pieces were sent
    Sha256Digest digest_cut_{};
    Bytes pending_;    // from cut_ to taken_
    std::uint64_t last_mark_ = 0;
    // What the store is known to have.
    Lsn stored_{};
    std::optional<layout::TailName> newest_;       // that is its own
    bool makes_own_ = false, made_own_ = false;    // what was inherited of the segment that it goes on in
    std::optional<TimePoint> stored_at_;
    std::vector<TailPiece> chain_;             // of the segment of stored_
    std::deque<Finished> finished_;            // that may have pieces
    std::vector<layout::TailName> marks_;      // in the store, of this epoch and timeline
    std::optional<layout::TailName> timed_;    // the newest that has a time: it stays
    std::set<SegmentName> doubtful_;           // whole, but no proof: that was told
    std::uint64_t pieces_ = 0, stored_bytes_ = 0;

    InFlight uploads_, chores_;    // end first: they use the rest
};

}    // namespace ark
