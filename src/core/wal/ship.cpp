#include "wal/ship.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ark {
namespace {

constexpr std::size_t kPiece = 4 << 20;    // stored as soon as it is full
constexpr std::uint64_t kMostJoined = 8 << 20;
constexpr std::size_t kMostKept = 128 << 10;    // of a piece that will be joined: a few dozen of them
constexpr int kMostBack = 8;
constexpr std::size_t kTidiedAtOnce = 16, kMostFinished = 4096;

}    // namespace

TailShipper::TailShipper(const Repository &repository, KeyRing &keys, DomainKey key, const TailPlace &place,
                         const Compression &compression, Random &random, Log &log)
    : repository_(repository),
      keys_(keys),
      key_(std::move(key)),
      place_(place),
      compression_(compression),
      random_(random),
      log_(log) {}

Lsn TailShipper::Begin(bool reach_back) {
    found_ = ListTail(repository_);
    for (const layout::TailName &name : found_) {
        if (name.epoch != repository_.epoch() || name.timeline != place_.timeline) continue;
        if (name.end > place_.flushed) Refuse(name.end);
        if (!name.IsMark()) continue;
        marks_.push_back(name);
        last_mark_ = std::max(last_mark_, name.mark);
    }
    SegmentName first = Segment(place_.flushed);
    for (int back = 0; reach_back && back < kMostBack && StartsAt(first.Previous(place_.size)); back++)
        first = first.Previous(place_.size);
    Collect(first);
    taken_ = first.Start(place_.size);
    BeginSegment();
    return taken_;
}

// Whether the segment is this timeline's and the store has neither it nor all pieces of it.
bool TailShipper::StartsAt(const SegmentName &segment) const {
    if (segment.Number(place_.size) == 0 || segment < Segment(place_.begin_of_timeline)) return false;
    if (repository_.Stat(layout::Wal(WalFileName::OfSegment(segment)))) return false;
    std::vector<layout::TailName> chain =
        ChainFrom(found_, repository_.epoch(), place_.timeline, segment.Start(place_.size));
    return chain.empty() || chain.back().end < segment.End(place_.size);
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

void TailShipper::BeginSegment() {
    digest_ = Sha256Stream();
    chain_.clear();
    stored_ = taken_;
    for (const layout::TailName &name : ChainFrom(found_, repository_.epoch(), place_.timeline, taken_)) {
        if (name.start >= Segment(taken_).End(place_.size)) break;
        chain_.push_back({.name = name});
        stored_ = name.end;
    }
    digest_stored_ = digest_.SoFar();
}

void TailShipper::EndSegment() {
    if (!pending_.empty()) Store(std::nullopt);
    Finished finished{Segment({taken_.value - 1}), digest_.SoFar(), {}};
    for (const Piece &piece : chain_) finished.pieces.push_back(piece.name);
    // What was joined by one that died before it removed it, or is an earlier owner's.
    for (const layout::TailName &name : found_)
        if (!name.IsMark() && name.epoch <= repository_.epoch() && name.timeline == place_.timeline &&
            SegmentOf(name, place_.size) == finished.segment &&
            std::ranges::find(finished.pieces, name) == finished.pieces.end())
            finished.pieces.push_back(name);
    finished_.push_back(std::move(finished));
    if (finished_.size() > kMostFinished) finished_.pop_front();    // found again by the next that begins
    BeginSegment();
}

void TailShipper::Take(Lsn at, ByteView bytes) {
    if (at != taken_)
        throw Error(Code::kInternal, fmt::format("WAL at {} came where {} was expected", at.Text(), taken_.Text()));
    while (!bytes.empty()) {
        const Lsn end = Segment(taken_).End(place_.size);
        bool known = taken_ < stored_;
        std::uint64_t most = known ? stored_.value - taken_.value
                                   : std::min<std::uint64_t>(end.value - taken_.value, kPiece - pending_.size());
        ByteView piece = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), most)));
        bytes = bytes.subspan(piece.size());
        digest_.Update(piece);
        taken_.value += piece.size();
        if (!known)
            Append(pending_, piece);
        else if (taken_ == stored_)
            CompareWithStored();
        if (pending_.size() == kPiece) Store(std::nullopt);
        if (taken_ == end) EndSegment();
    }
}

void TailShipper::CompareWithStored() {
    digest_stored_ = digest_.SoFar();
    const layout::TailName &last = chain_.back().name;
    std::optional<TailInfo> info = StatTail(repository_, keys_, last);
    if (!info) throw Error(Code::kUnavailable, fmt::format("\"{}\" was removed meanwhile", layout::Tail(last)));
    if (info->at) timed_ = last;
    if (info->after == SegmentDigest(keys_.Get(info->domain, info->generation), digest_stored_)) return;
    throw Error(Code::kConflict,
                fmt::format("the store has other WAL of this server than it has, before {}", last.end.Text()), {},
                "Two servers have shipped under one epoch: a clone, or a server that was set back. If this one owns "
                "the path: pg_ark lease take.");
}

TailInfo TailShipper::Info(Lsn start, Lsn end) const {
    TailInfo info;
    info.name = {.epoch = repository_.epoch(), .timeline = place_.timeline, .start = start, .end = end};
    info.generation = key_.generation;
    info.system_identifier = repository_.cluster().system_identifier;
    info.segment_size = place_.size.bytes();
    return info;
}

void TailShipper::Store(std::optional<TimePoint> at) {
    TailInfo info = Info(stored_, taken_);
    Sha256Digest now = digest_.SoFar();
    info.before = Digest(digest_stored_);
    info.after = Digest(now);
    info.at = at;
    stored_bytes_ += WriteTail(repository_, keys_, key_, info, compression_, pending_, random_);
    pieces_++;
    stored_ = taken_;
    digest_stored_ = now;
    chain_.push_back({.name = info.name});
    if (pending_.size() <= kMostKept) {
        chain_.back().info = info;
        chain_.back().plain = pending_;
    }
    pending_.clear();
    if (at) Timed(info.name);
}

void TailShipper::StoreMark(TimePoint at) {
    TailInfo info = Info(taken_, taken_);
    info.name.mark = ++last_mark_;
    info.before = info.after = Digest(digest_.SoFar());
    info.at = at;
    WriteTail(repository_, keys_, key_, info, compression_, {}, random_);
    Timed(info.name);
    marks_ = {info.name};
}

// The newest says more than the marks before it.
void TailShipper::Timed(const layout::TailName &name) {
    timed_ = name;
    std::vector<std::string> old;
    for (const layout::TailName &mark : marks_) old.push_back(repository_.FullName(layout::Tail(mark)));
    marks_.clear();
    if (!old.empty()) repository_.storage().Remove(old);
}

// Nullopt: it is no longer there, or damaged.
std::optional<TailInfo> TailShipper::Reread(const layout::TailName &name, Bytes &plain) try {
    return ReadTail(repository_, keys_, name, [&](ByteView bytes) { Append(plain, bytes); });
} catch (const Error &error) {
    if (error.code != Code::kCorrupt) throw;
    log_.Warn(fmt::format("{}: {}", error.message, error.detail));
    return std::nullopt;
}

std::optional<TailInfo> TailShipper::BytesOf(const Piece &piece, Bytes &plain) {
    if (!piece.info) return Reread(piece.name, plain);
    Append(plain, piece.plain);
    return piece.info;
}

void TailShipper::Join(std::size_t neighbours) {
    while (JoinOnce(neighbours)) {}
}

bool TailShipper::JoinOnce(std::size_t neighbours) {
    std::vector<int> levels;
    for (const Piece &piece : chain_) levels.push_back(piece.level);
    std::size_t count = ToJoin(levels, neighbours);
    if (count == 0) return false;
    std::vector<Piece> pieces(chain_.end() - static_cast<std::ptrdiff_t>(count), chain_.end());
    TailInfo info = Info(pieces.front().name.start, pieces.back().name.end);
    if (info.length() > kMostJoined) return false;
    Bytes plain;
    for (const Piece &piece : pieces) {
        std::optional<TailInfo> one = BytesOf(piece, plain);
        if (!one || one->generation != key_.generation || (!info.after.empty() && one->before != info.after))
            return false;
        if (info.before.empty()) info.before = one->before;
        info.after = one->after;
        if (one->at) info.at = one->at;
    }
    stored_bytes_ += WriteTail(repository_, keys_, key_, info, compression_, plain, random_);
    chain_.resize(chain_.size() - count);
    chain_.push_back({.name = info.name, .level = pieces.front().level + 1});
    if (plain.size() <= kMostKept) {
        chain_.back().info = info;
        chain_.back().plain = std::move(plain);
    }
    std::vector<std::string> old;
    for (const Piece &piece : pieces) {
        if (timed_ == piece.name) timed_ = info.name;
        old.push_back(repository_.FullName(layout::Tail(piece.name)));
    }
    repository_.storage().Remove(old);
    return true;
}

void TailShipper::Ship(std::optional<TimePoint> at) {
    if (taken_ < stored_) return;    // the store is further than what has come again
    if (!pending_.empty())
        Store(at);
    else if (at)
        StoreMark(*at);
}

bool TailShipper::IsProven(const Finished &finished) {
    if (doubtful_.contains(finished.segment)) return false;
    WalFileName name = WalFileName::OfSegment(finished.segment);
    std::string why = "it is not what this server sent";
    try {
        if (!finished.digest) return ReadSegment(repository_, keys_, name, [](ByteView) {}).has_value();
        std::optional<SegmentInfo> info = StatSegment(repository_, keys_, name);
        if (!info) return false;
        if (info->digest == SegmentDigest(keys_.Get(info->domain, info->generation), *finished.digest)) return true;
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) throw;
        why = error.detail.empty() ? error.message : error.detail;
    }
    doubtful_.insert(finished.segment);
    log_.Warn(
        fmt::format("WAL segment \"{}\" in the store proves nothing ({}); its pieces are kept", name.Text(), why));
    return false;
}

bool TailShipper::Tidy() {
    std::size_t tidied = 0;
    for (auto finished = finished_.begin(); finished != finished_.end() && tidied < kTidiedAtOnce; tidied++) {
        if (!IsProven(*finished)) {
            finished++;
            continue;
        }
        std::vector<std::string> names;
        for (const layout::TailName &name : finished->pieces)
            if (name != timed_) names.push_back(repository_.FullName(layout::Tail(name)));
        repository_.storage().Remove(names);
        finished = finished_.erase(finished);
    }
    return tidied == kTidiedAtOnce;
}

}    // namespace ark
