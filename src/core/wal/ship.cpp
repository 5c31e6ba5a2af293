#include "wal/ship.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace ark {
namespace {

constexpr std::size_t kPiece = 4 << 20;             // sent as soon as it is full
constexpr std::size_t kMostWaiting = 4 * kPiece;    // for the store
constexpr int kMostBack = 8;
constexpr std::size_t kTidiedAtOnce = 16, kMostFinished = 4096;

}    // namespace

TailShipper::TailShipper(const Repository &repository, KeyRing &keys, DomainKey key, const TailPlace &place,
                         const Compression &compression, Random &random, Log &log, std::size_t at_once)
    : repository_(repository),
      keys_(keys),
      key_(std::move(key)),
      place_(place),
      compression_(compression),
      random_(random),
      log_(log),
      uploads_(at_once),
      chores_(1) {}

Lsn TailShipper::Begin(bool reach_back) {
    found_ = ListTail(repository_);
    for (const layout::TailName &name : found_) {
        if (name.epoch != repository_.epoch() || name.timeline != place_.timeline) continue;
        if (name.end > place_.flushed) Refuse(name.end);
        if (!newest_ || name.end >= newest_->end) newest_ = name;
        if (!name.IsMark()) continue;
        marks_.push_back(name);
        last_mark_ = std::max(last_mark_, name.mark);
    }
    useful_ = found_;
    std::erase_if(useful_, [&](const layout::TailName &name) {
        return name.timeline != place_.timeline || name.epoch > repository_.epoch();
    });
    useful_ = WithoutSuperseded(std::move(useful_));
    SegmentName first = Segment(place_.flushed);
    auto is_held = [&] { return place_.held && first.Start(place_.size) > *place_.held; };
    for (int back = 0; ((reach_back && back < kMostBack) || is_held()) && StartsAt(first.Previous(place_.size)); back++)
        first = first.Previous(place_.size);
    Collect(first);
    taken_ = begin_ = first.Start(place_.size);
    inherited_ =
        ReadInherited(repository_, keys_, useful_, repository_.epoch(), first, place_.size, place_.flushed, log_);
    BeginSegment();
    stored_ = known_;
    StartChain(first);
    return taken_;
}

// Whether the segment is this timeline's and the store has neither it nor all pieces of it (an earlier owner's do not count: they were not
// compared, or not made this one's).
bool TailShipper::StartsAt(const SegmentName &segment) const {
    if (segment.Number(place_.size) == 0 || segment < Segment(place_.begin_of_timeline)) return false;
    if (repository_.Stat(layout::Wal(WalFileName::OfSegment(segment)))) return false;
    std::vector<layout::TailName> chain = FoundIn(segment);
    return chain.empty() || chain.back().end < segment.End(place_.size) || !IsOwn(chain.front());
}

void TailShipper::Refuse(Lsn stored) const {
    throw Error(
        Code::kConflict, fmt::format("the store has WAL of this server up to {}, which it has not", stored.Text()),
        fmt::format("The server's WAL ends at {} on timeline {}.", place_.flushed.Text(), place_.timeline.value),
        "It was set back, to an old snapshot of its disk, or its disk lost what it had confirmed. What is in "
        "the store can be restored; to go on from here: pg_ark lease take.");
}

// What earlier runs left of segments before: to be tidied away once the store has the segment.
void TailShipper::Collect(const SegmentName &first) {
    std::map<SegmentName, std::vector<layout::TailName>> before;
    for (const layout::TailName &name : found_) {
        if (name.IsMark() || name.epoch > repository_.epoch()) continue;
        SegmentName segment = SegmentOf(name, place_.size);
        if (segment.timeline != place_.timeline || segment < first) before[segment].push_back(name);
    }
    for (auto &[segment, names] : before)
        if (segment.timeline == place_.timeline || repository_.Stat(layout::Wal(WalFileName::OfSegment(segment))))
            finished_.push_back({segment, std::nullopt, std::move(names)});
}

// The unbroken row from the segment's beginning on that the store had.
std::vector<layout::TailName> TailShipper::FoundIn(const SegmentName &segment) const {
    return ChainOf(useful_, segment, place_.size);
}

void TailShipper::BeginSegment() {
    digest_ = Sha256Stream();
    digest_cut_ = digest_.SoFar();
    std::vector<layout::TailName> chain = FoundIn(Segment(taken_));
    cut_ = known_ = !chain.empty() && IsOwn(chain.back()) ? chain.back().end : taken_;
}

void TailShipper::StartChain(const SegmentName &segment) {
    chain_.clear();
    std::vector<layout::TailName> chain = FoundIn(segment);
    if (!chain.empty() && IsOwn(chain.back()))
        for (const layout::TailName &name : chain) chain_.push_back({.name = name});
}

void TailShipper::Take(Lsn at, ByteView bytes) {
    if (at != taken_)
        throw Error(Code::kInternal, fmt::format("WAL at {} came where {} was expected", at.Text(), taken_.Text()));
    while (!bytes.empty()) {
        const Lsn end = Segment(taken_).End(place_.size);
        const bool known = taken_ < known_;
        const Lsn until = known                 ? known_
                          : !inherited_.empty() ? inherited_.front().name.end
                                                : std::min(end, Lsn{taken_.value + kPiece - pending_.size()});
        ByteView piece =
            bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), until.value - taken_.value)));
        bytes = bytes.subspan(piece.size());
        digest_.Update(piece);
        taken_.value += piece.size();
        if (!known) Append(pending_, piece);
        if (taken_ == until && known) CompareWithStored();
        if (taken_ == until && !inherited_.empty()) Inherit();
        if (inherited_.empty() && (pending_.size() >= kPiece || (taken_ == end && !pending_.empty())))
            Cut(std::nullopt);
        if (taken_ == end) BeginSegment();
    }
}

bool TailShipper::HasRoom() const { return uploads_.bytes() + pending_.size() < kMostWaiting; }

TailInfo TailShipper::Info(Lsn start, Lsn end, const Sha256Digest &before, const Sha256Digest &after) {
    TailInfo info;
    info.name = {.epoch = repository_.epoch(), .timeline = place_.timeline, .start = start, .end = end};
    info.generation = key_.generation;
    info.salt = random_.Hex(32);
    info.system_identifier = repository_.cluster().system_identifier;
    info.segment_size = place_.size.bytes();
    info.before = Digest(before);
    info.after = Digest(after);
    return info;
}

// What an earlier owner sent is this server's past as long as it is the same: nothing is sent before that is known, so that none of it is
// hidden. Where it is another, this server's own begins.
void TailShipper::Inherit() {
    const InheritedPiece piece = inherited_.front();
    inherited_.pop_front();
    const Sha256Digest now = digest_.SoFar();
    const bool same = piece.after == now;
    if (same) {
        cut_ = stored_ = taken_;
        digest_cut_ = now;
        pending_.clear();
        chain_.push_back({.name = piece.name});
    } else {
        log_.Note(
            fmt::format("an earlier owner of \"{}\" shipped other WAL than this server has, from between {} and {} "
                        "on; it counts no longer",
                        repository_.cluster().Path(), piece.name.start.Text(), piece.name.end.Text()));
        inherited_.clear();
    }
    if (SegmentName segment = SegmentOf(piece.name, place_.size); same && taken_ == segment.End(place_.size))
        EndSegment(segment, now);
}

// The earlier owner may not know yet that it is one, and join what was inherited with what was not. So it becomes this one's, once something
// lies behind it that is (before, that would hide bytes that only the earlier owner's next piece has), and from the last on: the row has no
// gap at any time. Nothing is confirmed before that.
void TailShipper::MakeOwn() {
    if (std::exchange(makes_own_, true)) return;
    auto end = std::ranges::find_if(chain_, [&](const TailPiece &piece) { return IsOwn(piece.name); });
    made_own_ = end == chain_.begin();
    const Lsn own = made_own_ ? Lsn{} : (end - 1)->name.end;    // from there on
    while (end != chain_.begin() &&
           own.value - (end - 1)->name.end.value < kMostJoined) {    // no join reaches further back
        auto begin = end - 1;
        while (begin != chain_.begin() && (end - 1)->name.end.value - (begin - 1)->name.start.value <= kMostJoined)
            begin--;
        BeginJoin({begin, end}, true);
        end = begin;
    }
    if (!made_own_) chores_.Begin({.work = [] {}, .then = [this] { made_own_ = true; }});
}

// Whether something of an earlier owner lies behind it that counts again when nothing of this one does.
bool TailShipper::Hides(const layout::TailName &own) const {
    return std::ranges::any_of(found_, [&](const layout::TailName &name) {
        return name.timeline == own.timeline && name.epoch < own.epoch && name.end > own.start;
    });
}

// Nothing is sent behind a row that may be another's.
void TailShipper::CompareWithStored() {
    digest_cut_ = digest_.SoFar();
    const layout::TailName last = FoundIn(Segment({taken_.value - 1})).back();
    auto timed = std::make_shared<bool>(false);
    uploads_.Begin(
        {.work =
             [this, last, digest = digest_cut_, timed] {
                 std::optional<TailInfo> info = StatTail(repository_, keys_, last);
                 if (!info)
                     throw Error(Code::kUnavailable, fmt::format("\"{}\" was removed meanwhile", layout::Tail(last)));
                 *timed = info->at.has_value();
                 if (info->after == SegmentDigest(keys_.Get(info->domain, info->generation), digest)) return;
                 throw Error(
                     Code::kConflict,
                     fmt::format("the store has other WAL of this server than it has, before {}", last.end.Text()), {},
                     "Two servers have shipped under one epoch: a clone, or a server that was set back. If this one "
                     "owns the path: pg_ark lease take.");
             },
         .then =
             [this, last, digest = digest_cut_, timed] {
                 if (*timed) timed_ = last;
                 stored_ = std::max(stored_, last.end);
                 MakeOwn();
                 if (SegmentName segment = SegmentOf(last, place_.size); last.end == segment.End(place_.size))
                     EndSegment(segment, digest);
             },
         .alone = true});
}

// A reader takes anything that reaches a segment's end, or lies behind it, for the proof that the segment was written to its end, and its
// absence for a hole. So the last piece of a segment is sent when the store has all before it, and the next segment's after that. And what the
// first piece hides of an earlier owner's, who may still be at it, must not lie before a later one alone.
void TailShipper::Cut(std::optional<TimePoint> at) {
    Sha256Digest now = digest_.SoFar();
    TailInfo info = Info(cut_, taken_, digest_cut_, now);
    info.at = at;
    auto plain = std::make_shared<const Bytes>(std::exchange(pending_, {}));
    auto bytes = std::make_shared<std::uint64_t>(0);
    const SegmentName segment = SegmentOf(info.name, place_.size);
    const bool last = taken_ == segment.End(place_.size), first = !newest_ && !IsFirstOwner();
    cut_ = taken_;
    digest_cut_ = now;
    uploads_.Begin({.work = [this, info, plain,
                             bytes] { *bytes = WriteTail(repository_, keys_, key_, info, compression_, *plain); },
                    .then =
                        [this, info, plain, bytes, segment, last, now] {
                            Stored(info, *bytes);
                            chain_.push_back({.name = info.name});
                            chain_.back().Keep(info, plain);
                            MakeOwn();
                            if (info.at) Timed(info.name);
                            if (last) EndSegment(segment, now);
                        },
                    .alone = last || first,
                    .bytes = plain->size()});
}

void TailShipper::SendMark(TimePoint at) {
    Sha256Digest now = digest_.SoFar();
    TailInfo info = Info(taken_, taken_, now, now);
    info.name.mark = ++last_mark_;
    info.at = at;
    auto bytes = std::make_shared<std::uint64_t>(0);
    uploads_.Begin(
        {.work = [this, info, bytes] { *bytes = WriteTail(repository_, keys_, key_, info, compression_, {}); },
         .then =
             [this, info, bytes] {
                 stored_at_ = info.at;
                 stored_bytes_ += *bytes;
                 Timed(info.name);
                 marks_ = {info.name};
                 newest_ = info.name;
                 MakeOwn();
             },
         .alone = true});    // it says that the store has all before it
}

void TailShipper::Stored(const TailInfo &info, std::uint64_t bytes) {
    stored_ = info.name.end;
    newest_ = info.name;
    stored_at_ = info.at;
    stored_bytes_ += bytes;
    pieces_++;
}

void TailShipper::EndSegment(const SegmentName &segment, const Sha256Digest &digest) {
    Finished finished{segment, digest, {}};
    for (const TailPiece &piece : chain_) finished.pieces.push_back(piece.name);
    // What was joined by one that died before it removed it, or is an earlier owner's, or lay behind a gap.
    for (const layout::TailName &name : found_)
        if (!name.IsMark() && name.epoch <= repository_.epoch() && name.timeline == place_.timeline &&
            SegmentOf(name, place_.size) == finished.segment &&
            std::ranges::find(finished.pieces, name) == finished.pieces.end())
            finished.pieces.push_back(name);
    finished_.push_back(std::move(finished));
    if (finished_.size() > kMostFinished) finished_.pop_front();    // found again by the next that begins
    StartChain(segment.Next(place_.size));
}

// The newest says more than the marks before it.
void TailShipper::Timed(const layout::TailName &name) {
    timed_ = name;
    std::vector<std::string> old;
    for (const layout::TailName &mark : marks_) old.push_back(repository_.FullName(layout::Tail(mark)));
    marks_.clear();
    if (!old.empty()) chores_.Begin({.work = [this, old] { repository_.storage().Remove(old); }, .then = {}});
}

void TailShipper::Ship(std::optional<TimePoint> at) {
    if (taken_ < known_ || !inherited_.empty()) return;    // the store is further than what has come again
    if (!pending_.empty())
        Cut(at);
    else if (at)
        SendMark(*at);
}

bool TailShipper::Settle() {
    bool any = uploads_.Settle();
    return chores_.Settle() || any;
}

bool TailShipper::Join(std::size_t neighbours) {
    if (!made_own_ || !chores_.Idle() || chain_.empty() || chain_.back().level == TailPiece::kNeverJoined) return false;
    std::vector<int> levels;
    for (const TailPiece &piece : chain_) levels.push_back(piece.level);
    std::size_t count = ToJoin(levels, neighbours);
    if (count == 0) return false;
    std::vector<TailPiece> pieces(chain_.end() - static_cast<std::ptrdiff_t>(count), chain_.end());
    if (pieces.back().name.end.value - pieces.front().name.start.value > kMostJoined) return false;
    BeginJoin(std::move(pieces), false);
    return true;
}

void TailShipper::BeginJoin(std::vector<TailPiece> pieces, bool must) {
    TailInfo info = Info(pieces.front().name.start, pieces.back().name.end, {}, {});
    info.before = info.after = {};
    auto joined = std::make_shared<std::optional<JoinedTail>>();
    chores_.Begin({.work =
                       [this, info, pieces, joined, must] {
                           *joined = JoinTail(repository_, keys_, info, compression_, pieces, log_);
                           for (const TailPiece &piece : pieces)
                               if (must && !*joined && !StatTail(repository_, keys_, piece.name))
                                   throw Error(Code::kUnavailable,
                                               fmt::format("\"{}\" was removed meanwhile", layout::Tail(piece.name)));
                       },
                   .then =
                       [this, pieces, joined] {
                           if (*joined) {
                               stored_bytes_ += (*joined)->bytes;
                               return Replace(pieces, (*joined)->piece);
                           }
                           for (TailPiece &piece : chain_)
                               if (std::ranges::find(pieces, piece.name, &TailPiece::name) != pieces.end())
                                   piece.level = TailPiece::kNeverJoined;
                       }});
}

// Meanwhile more may have come behind them, and their segment may be finished.
void TailShipper::Replace(const std::vector<TailPiece> &pieces, const TailPiece &joined) {
    for (const TailPiece &piece : pieces) {
        if (timed_ == piece.name) timed_ = joined.name;
        if (newest_ == piece.name) newest_ = joined.name;
    }
    auto first = std::ranges::find(chain_, pieces.front().name, &TailPiece::name);
    if (first != chain_.end()) {
        *first = joined;
        chain_.erase(first + 1, first + static_cast<std::ptrdiff_t>(pieces.size()));
        return;
    }
    const SegmentName segment = SegmentOf(joined.name, place_.size);
    for (Finished &finished : finished_)
        if (finished.segment == segment) finished.pieces.push_back(joined.name);
}

TailShipper::Proof TailShipper::Prove(const Finished &finished) const {
    WalFileName name = WalFileName::OfSegment(finished.segment);
    std::string why = "it is not what this server sent";
    try {
        if (!finished.digest)
            return ReadSegment(repository_, keys_, name, [](ByteView) {}) ? Proof::kProven : Proof::kAbsent;
        std::optional<SegmentInfo> info = StatSegment(repository_, keys_, name);
        if (!info) return Proof::kAbsent;
        if (info->digest == SegmentDigest(keys_.Get(info->domain, info->generation), *finished.digest))
            return Proof::kProven;
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) throw;
        why = error.detail.empty() ? error.message : error.detail;
    }
    log_.Warn(
        fmt::format("WAL segment \"{}\" in the store proves nothing ({}); its pieces are kept", name.Text(), why));
    return Proof::kDoubtful;
}

bool TailShipper::Tidy() {
    if (!chores_.Idle()) return false;
    std::set<layout::TailName> staying;
    if (timed_) staying.insert(*timed_);
    // So does what hides an earlier owner's, until something newer does. Nobody knows what such a one has stored since it was listed.
    if (newest_) {
        if (!IsFirstOwner()) staying.insert(*newest_);
    } else {
        for (const Finished &finished : finished_)
            std::ranges::copy_if(finished.pieces, std::inserter(staying, staying.end()),
                                 [&](const layout::TailName &name) { return Hides(name); });
    }
    auto stays = [staying](const layout::TailName &name) { return staying.contains(name); };
    std::vector<Finished> looked_at;
    for (auto finished = finished_.begin(); finished != finished_.end() && looked_at.size() < kTidiedAtOnce; finished++)
        if (!doubtful_.contains(finished->segment) && !std::ranges::all_of(finished->pieces, stays))
            looked_at.push_back(*finished);
    if (looked_at.empty()) return false;
    auto proofs = std::make_shared<std::map<SegmentName, Proof>>();
    chores_.Begin({.work =
                       [this, looked_at, proofs, stays] {
                           for (const Finished &finished : looked_at) {
                               Proof proof = Prove(finished);
                               (*proofs)[finished.segment] = proof;
                               if (proof != Proof::kProven) continue;
                               std::vector<std::string> names;
                               for (const layout::TailName &name : finished.pieces)
                                   if (!stays(name)) names.push_back(repository_.FullName(layout::Tail(name)));
                               repository_.storage().Remove(names);
                           }
                       },
                   .then =
                       [this, proofs, stays] {
                           for (const auto &[segment, proof] : *proofs)
                               if (proof == Proof::kDoubtful) doubtful_.insert(segment);
                           for (Finished &finished : finished_)
                               if (auto proof = proofs->find(finished.segment);
                                   proof != proofs->end() && proof->second == Proof::kProven)
                                   std::erase_if(finished.pieces, std::not_fn(stays));
                           std::erase_if(finished_, [](const Finished &finished) { return finished.pieces.empty(); });
                       }});
    return true;
}

}    // namespace ark
