#include "wal/tail_join.h"

#include <fmt/format.h>

#include <utility>

namespace ark {
namespace {

constexpr std::size_t kMostKept = 128 << 10;    // of a piece that will be joined: a few dozen of them

// Nullopt: it is no longer there, or damaged.
std::optional<TailInfo> Reread(const Repository &repository, KeyRing &keys, const layout::TailName &name, Bytes &plain,
                               Log &log) try {
    return ReadTail(repository, keys, name, [&](ByteView bytes) { Append(plain, bytes); });
} catch (const Error &error) {
    if (error.code != Code::kCorrupt) throw;
    log.Warn(fmt::format("{}: {}", error.message, error.detail));
    return std::nullopt;
}

std::optional<TailInfo> BytesOf(const Repository &repository, KeyRing &keys, const TailPiece &piece, Bytes &plain,
                                Log &log) {
    if (!piece.info) return Reread(repository, keys, piece.name, plain, log);
    Append(plain, *piece.plain);
    return piece.info;
}

}    // namespace

void TailPiece::Keep(const TailInfo &given, std::shared_ptr<const Bytes> bytes) {
    if (bytes->size() > kMostKept) return;
    info = given;
    plain = std::move(bytes);
}

std::optional<JoinedTail> JoinTail(const Repository &repository, KeyRing &keys, TailInfo info,
                                   const Compression &compression, const std::vector<TailPiece> &pieces, Log &log) {
    auto plain = std::make_shared<Bytes>();
    std::optional<DomainKey> key;
    for (const TailPiece &piece : pieces) {
        std::optional<TailInfo> one = BytesOf(repository, keys, piece, *plain, log);
        if (!one || (key && (one->generation != key->generation || one->before != info.after))) return std::nullopt;
        if (!key) {
            key = keys.Get(one->domain, one->generation);
            info.generation = one->generation;
            info.before = one->before;
        }
        info.after = one->after;
        if (one->at && piece.name.epoch == info.name.epoch) info.at = one->at;    // see FindKnownTime()
    }
    JoinedTail joined{.piece = {.name = info.name, .level = pieces.front().level + 1},
                      .bytes = WriteTail(repository, keys, key.value(), info, compression, *plain)};
    joined.piece.Keep(info, std::move(plain));
    std::vector<std::string> old;
    for (const TailPiece &piece : pieces) old.push_back(repository.FullName(layout::Tail(piece.name)));
    repository.storage().Remove(old);
    return joined;
}

}    // namespace ark
