#include "schedule/store_watch.h"

namespace ark {

void StoreWatch::Begin(SteadyPoint now, std::uint64_t flushed) {
    target_ = flushed;
    since_ = now;
    behind_ = false;
}

StoreWatch::Verdict StoreWatch::Look(SteadyPoint now, bool named, std::uint64_t flushed, std::uint64_t stored,
                                     Duration patience) {
    if (!begun_ || named != named_) {
        begun_ = true;
        named_ = named;
        Begin(now, flushed);
        return Verdict::kNothing;
    }
    const bool in_time = patience <= Duration(0) || now - since_ < patience;
    if (stored > 0 && stored >= target_) {
        Begin(now, flushed);
        // Who would be taken out again at once is not put in.
        return !named && in_time ? Verdict::kPutIn : Verdict::kNothing;
    }
    behind_ = true;
    return named && !in_time ? Verdict::kTakeOut : Verdict::kNothing;
}

}    // namespace ark
