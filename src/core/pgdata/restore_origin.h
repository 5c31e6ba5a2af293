// Where a restored cluster comes from: what it was recovered from, and where it left the timelines of that.
#pragma once

#include <optional>

#include "pgdata/restored_mark.h"
#include "pgdata/wal_name.h"

namespace ark {

struct RestoreOrigin {
    RestoredFrom from;
    TimelineId timeline;    // the one that it left; 0: not known
    Lsn at;                 // the first byte that is its own
    bool operator==(const RestoreOrigin &) const = default;
};

// nullopt: the directory was not restored. `timeline` is the one that its server writes now; nullopt while it recovers.
std::optional<RestoreOrigin> RestoreOriginOf(const std::filesystem::path &data_directory,
                                             std::optional<TimelineId> timeline);

// For people: "backup 20260116T020000Z-0a1b2c3d of main.7301234567890123456, up to 0/3000148 of timeline 1"; empty if nothing is known.
std::string Describe(const RestoreOrigin &origin);

}    // namespace ark
