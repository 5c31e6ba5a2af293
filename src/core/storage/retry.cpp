#include "storage/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace ark {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(100);

std::string Words(const Error &error) {
    return error.detail.empty() ? error.message : error.message + " (" + error.detail + ")";
}

}    // namespace

RetryPolicy::RetryPolicy(RetrySettings settings, Clock &clock, Random &random, Ticker &ticker)
    : settings_(settings), clock_(clock), random_(random), ticker_(ticker) {}

Duration RetryPolicy::Jitter(Duration most) {
    if (most.count() <= 0) return Duration{0};
    std::lock_guard lock(random_mutex_);
    return Duration{static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(most.count()) + 1))};
}

void RetryPolicy::Wait(Duration time, const std::string &evidence) {
    SteadyPoint end = clock_.Steady() + time;
    for (;;) {
        if (ticker_.Cancelled())
            throw Error(Code::kCancelled, "cancelled on request", "while waiting to try again; " + evidence);
        Duration left = std::chrono::ceil<Duration>(end - clock_.Steady());
        if (left.count() <= 0) return;
        clock_.Sleep(std::min(left, kSlice));
    }
}

void RetryPolicy::Run(const std::function<void()> &attempt) {
    SteadyPoint start = clock_.Steady();
    Duration delay = settings_.first_delay;
    std::string first;
    for (int attempts = 1;; attempts++) {
        ticker_.Check();
        std::optional<Error> failure;
        Duration asked{0};
        try {
            attempt();
            return;
        } catch (const UnavailableUntil &error) {
            failure = error;
            asked = error.after;
        } catch (const Error &error) {
            failure = error;
        }
        Duration spent = std::chrono::floor<Duration>(clock_.Steady() - start);
        if (attempts == 1) first = Words(*failure);
        std::string evidence = fmt::format("{} attempt{} in {}; the first failed with: {}", attempts,
                                           attempts == 1 ? "" : "s", HumanDuration(spent), first);
        bool again =
            failure->code == Code::kUnavailable && spent < settings_.deadline && asked < settings_.deadline - spent;
        if (!again) {
            if (attempts > 1) failure->detail += (failure->detail.empty() ? "" : "; ") + evidence;
            throw *failure;
        }
        // A Retry-After gets jitter on top, or all clients would come back in the same instant.
        Wait(std::min(asked + Jitter(delay), settings_.deadline - spent), evidence);
        delay = std::min(delay * 2, settings_.longest_delay);
    }
}

}    // namespace ark
