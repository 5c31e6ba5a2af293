// The only thing that deletes packs and backups. Section 4: it marks, waits, recomputes everything, and deletes what is dead both times.
#pragma once

#include "base/cancel.h"
#include "base/log.h"
#include "repo/catalog.h"

namespace ark {

struct SweepSettings {
    Duration grace = std::chrono::minutes(5);    // between the two marks
    Duration abandon_after = std::chrono::hours(
        24);    // an open backup that wrote nothing about itself for so long (store's clock) is fenced
    bool dry_run = false;
};

struct SweepResult {
    std::uint64_t dead_packs = 0, deleted_packs = 0, deleted_bytes = 0;
    std::uint64_t deleted_backups = 0;    // whose own objects went too
    std::uint64_t fenced = 0;
    std::uint64_t uploads_aborted = 0;
    std::vector<std::string> kept_because;    // for people: why nothing or less was deleted
};

// The store's own idea of now: the time of an object that is made for it.
TimePoint StoreNow(Storage &storage, Random &random);

// Throws kCorrupt or kUnsupported, having deleted nothing, if it meets an object it cannot read, parse or place.
SweepResult Sweep(Repository &repository, const SweepSettings &settings, Clock &clock, Ticker &ticker, Log &log);

}    // namespace ark
