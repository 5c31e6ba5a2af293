// Deletes the WAL that no kept base backup needs. docs/repository-format.md, section 4, says why no interleaving loses any.
#pragma once

#include <set>

#include "base/log.h"
#include "base/random.h"
#include "wal/expiry.h"

namespace ark {

struct WalExpirySettings {
    std::optional<Duration> recovery_window{};
    std::set<BackupId> as_if_ended{};    // of a dry run
    bool dry_run = false;
    std::string by{};
    std::vector<WalReader> readers{};
};

struct ExpiredRange {
    TimelineId timeline;
    std::string names;
    std::uint64_t files = 0, bytes = 0;
    bool keep = true;
    std::string reason;
};

struct WalExpiryResult {
    std::vector<ExpiredRange> ranges;      // as judged first
    std::uint64_t files = 0, bytes = 0;    // that were deleted, or would be
};

// Throws kCorrupt or kUnsupported, having deleted nothing, if a backup, a history or a name cannot be read; kUnsupported for a store
// that ignores conditional creation.
WalExpiryResult ExpireWal(Repository &repository, KeyRing &keys, const WalExpirySettings &settings, Clock &clock,
                          Random &random, Ticker &ticker, Log &log);

}    // namespace ark
