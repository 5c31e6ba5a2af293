#include "wal/tail_inherited.h"

#include <fmt/format.h>

#include <optional>

#include "wal/segment_format.h"
#include "wal/tail_chain.h"
#include "wal/tail_join.h"

namespace ark {
namespace {

// Whether the piece is whole, and continues what was digested.
bool Digest(const Repository &repository, KeyRing &keys, const layout::TailName &name, Sha256Stream &digest,
            Log &log) try {
    const Sha256Digest before = digest.SoFar();
    std::optional<TailInfo> info = ReadTail(repository, keys, name, [&](ByteView bytes) { digest.Update(bytes); });
    if (!info) throw Error(Code::kUnavailable, fmt::format("\"{}\" was removed meanwhile", layout::Tail(name)));
    DomainKey key = keys.Get(info->domain, info->generation);
    return info->before == SegmentDigest(key, before) && info->after == SegmentDigest(key, digest.SoFar());
} catch (const Error &error) {
    if (error.code != Code::kCorrupt) throw;
    log.Warn(fmt::format("{}: {}", error.message, error.detail));
    return false;
}

}    // namespace

std::deque<InheritedPiece> ReadInherited(const Repository &repository, KeyRing &keys,
                                         const std::vector<layout::TailName> &useful, std::uint64_t epoch,
                                         SegmentName first, WalSegmentSize size, Lsn flushed, Log &log) {
    std::deque<InheritedPiece> inherited;
    for (SegmentName segment = first;; segment = segment.Next(size)) {
        Sha256Stream digest;
        Lsn at = segment.Start(size);
        const std::vector<layout::TailName> chain = ChainOf(useful, segment, size);
        if (!chain.empty() && chain.back().epoch == epoch) return inherited;
        for (layout::TailName name : chain) {
            if (name.start >= flushed || name.end.value - name.start.value > kMostJoined) return inherited;
            if (name.end > flushed) {
                name.end = flushed;
                inherited.push_back({name, std::nullopt});
                return inherited;
            }
            if (!Digest(repository, keys, name, digest, log)) return inherited;
            inherited.push_back({name, digest.SoFar()});
            at = name.end;
        }
        if (at < segment.End(size)) return inherited;
    }
}

}    // namespace ark
