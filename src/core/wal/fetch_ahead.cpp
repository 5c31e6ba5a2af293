#include "wal/fetch_ahead.h"

#include <algorithm>
#include <mutex>
#include <thread>

namespace ark {
namespace {

constexpr auto kLook = std::chrono::milliseconds(1);

class Ahead {
public:
    Ahead(const Repository &repository, KeyRing &keys, WalSpool &spool, const FetchAhead &request, Clock &clock,
          Ticker &ticker)
        : repository_(repository),
          keys_(keys),
          spool_(spool),
          request_(request),
          clock_(clock),
          ticker_(ticker),
          next_(request.first),
          wanted_(request.first),
          wanted_since_(clock.Steady()) {}

    void Run() {
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < request_.threads; i++) others.emplace_back([&] { FetchAll(); });
        FetchAll();
    }

private:
    void FetchAll() noexcept {
        try {
            while (std::optional<SegmentName> segment = Take()) {
                WalFileName name = WalFileName::OfSegment(*segment);
                if (spool_.IsFetched(name)) continue;
                if (FetchWalFile(repository_, keys_, name, spool_.FetchedFile(name)) == FetchOutcome::kAbsent) break;
            }
        } catch (const std::exception &) {    // the one who asks for it will meet it
        }
        std::scoped_lock lock(mutex_);
        over_ = true;
    }

    // The next to fetch, once there is room for it; nullopt at the end of all.
    std::optional<SegmentName> Take() {
        for (;;) {
            {
                std::scoped_lock lock(mutex_);
                if (!Follow()) over_ = true;
                if (over_ || ticker_.Cancelled()) return std::nullopt;
                if (next_.Number(request_.size) - wanted_.Number(request_.size) < request_.most) {
                    SegmentName taken = next_;
                    next_ = next_.Next(request_.size);
                    return taken;
                }
            }
            std::this_thread::sleep_for(kLook);
        }
    }

    // Looks where recovery is; false when it stands still, or went elsewhere.
    bool Follow() {
        std::optional<SegmentName> asked = spool_.Asked();
        if (!asked || asked->timeline != wanted_.timeline) return false;
        if (SegmentName wanted = asked->Next(request_.size); wanted != wanted_) {
            wanted_ = wanted;
            wanted_since_ = clock_.Steady();
        }
        next_ = std::max(next_, wanted_);
        return clock_.Steady() - wanted_since_ < request_.patience;
    }

    const Repository &repository_;
    KeyRing &keys_;
    WalSpool &spool_;
    const FetchAhead &request_;
    Clock &clock_;
    Ticker &ticker_;
    std::mutex mutex_;
    SegmentName next_, wanted_;    // to fetch; that recovery will ask for
    SteadyPoint wanted_since_;
    bool over_ = false;
};

}    // namespace

void FetchSegmentsAhead(const Repository &repository, KeyRing &keys, WalSpool &spool, const FetchAhead &request,
                        Clock &clock, Ticker &ticker) {
    Ahead(repository, keys, spool, request, clock, ticker).Run();
}

}    // namespace ark
