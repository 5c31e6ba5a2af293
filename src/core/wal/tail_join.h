// Neighbouring pieces that become one, so that the pieces of a segment stay few. docs/repository-format.md, section 13.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "wal/tail_object.h"

namespace ark {

struct TailPiece {
    layout::TailName name;
    int level = 0;    // how often it was joined; kNeverJoined: it cannot be
    // Of a small one that was stored by this process; and its bytes.
    std::optional<TailInfo> info{};
    std::shared_ptr<const Bytes> plain{};

    static constexpr int kNeverJoined = -1;
    void Keep(const TailInfo &given, std::shared_ptr<const Bytes> bytes);    // if it is small
};

constexpr std::uint64_t kMostJoined = 8 << 20;

struct JoinedTail {
    TailPiece piece;
    std::uint64_t bytes = 0;    // in the store
};

// Stores the one that holds what `pieces` hold, which follow one another, under their key (their digests are made with it), and removes them.
// `info` names all but the key, the digests, and the time, which is the last of its epoch's.
// Nullopt: one of them is gone, damaged, or of another generation than the first; nothing was stored.
std::optional<JoinedTail> JoinTail(const Repository &repository, KeyRing &keys, TailInfo info,
                                   const Compression &compression, const std::vector<TailPiece> &pieces, Log &log);

}    // namespace ark
