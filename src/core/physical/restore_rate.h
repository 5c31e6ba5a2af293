// How fast a backup's files come out of its store at this moment.
#pragma once

#include "base/cancel.h"
#include "base/clock.h"
#include "repo/manifest.h"

namespace ark {

struct RestoreRate {
    std::uint64_t bytes = 0;    // plain, that were read for it
    Duration time{};

    double PerSecond() const {
        return time.count() > 0 ? static_cast<double>(bytes) * 1e6 / static_cast<double>(time.count()) : 0;
    }
};

// Reads the first files, by as many threads as a restore uses, for two seconds or 128 MiB, and writes them nowhere.
RestoreRate MeasureRestoreRate(const Manifest &backup, const std::shared_ptr<FrameReader> &frames, int jobs,
                               Clock &clock, Ticker &ticker);

}    // namespace ark
