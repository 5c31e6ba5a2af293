#include "storage/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace ark {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(100);
constexpr Duration kTellAfter = std::chrono::seconds(3);    // most troubles are over by then

std::string Words(const Error &error) {
    return error.detail.empty() ? error.message : error.message + " (" + error.detail + ")";
}

}    // namespace

// One call that has failed: waits for its next attempt, and lets others know when that takes long.
class RetryPolicy::Wait {
public:
    Wait(RetryPolicy &policy, SteadyPoint start) : policy_(policy), start_(start) {}
    ~Wait() {
        if (!told_) return;
        std::lock_guard lock(policy_.waits_mutex_);
        if (--policy_.waits_ == 0) policy_.log_.Wait({});
    }

    void Failed(const Error &error) {
        attempts_++;
        last_ = Words(error);
        if (attempts_ == 1) first_ = last_;
        if (told_) Tell();
    }
    std::string Evidence() const {
        return fmt::format("{} attempt{} in {}; the first failed with: {}", attempts_, attempts_ == 1 ? "" : "s",
                           HumanDuration(Spent()), first_);
    }
    void Sleep(Duration time) {
        SteadyPoint end = policy_.clock_.Steady() + time;
        for (;;) {
            if (policy_.ticker_.Cancelled())
                throw Error(Code::kCancelled, "cancelled on request", "while waiting to try again; " + Evidence());
            Duration left = std::chrono::ceil<Duration>(end - policy_.clock_.Steady());
            if (left.count() <= 0) return;
            if (!told_ && Spent() >= kTellAfter) Tell();
            policy_.clock_.Sleep(std::min(left, kSlice));
        }
    }
    Duration Spent() const { return std::chrono::floor<Duration>(policy_.clock_.Steady() - start_); }
    int attempts() const { return attempts_; }

private:
    void Tell() {
        auto clock_time = [](TimePoint time) { return FormatTime(std::chrono::floor<std::chrono::seconds>(time)); };
        TimePoint since = policy_.clock_.Now() - Spent();
        std::string why = fmt::format("{} attempt{} since {}, tried until {}: {}", attempts_, attempts_ == 1 ? "" : "s",
                                      clock_time(since), clock_time(since + policy_.settings_.deadline), last_);
        std::lock_guard lock(policy_.waits_mutex_);
        if (!told_) policy_.waits_++;
        told_ = true;
        policy_.log_.Wait(why);
    }

    RetryPolicy &policy_;
    SteadyPoint start_;
    int attempts_ = 0;
    std::string first_, last_;
    bool told_ = false;
};

RetryPolicy::RetryPolicy(RetrySettings settings, Clock &clock, Random &random, Ticker &ticker, Log &log)
    : settings_(settings), clock_(clock), random_(random), ticker_(ticker), log_(log) {}

Duration RetryPolicy::Jitter(Duration most) {
    if (most.count() <= 0) return Duration{0};
    std::lock_guard lock(random_mutex_);
    return Duration{static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(most.count()) + 1))};
}

void RetryPolicy::Run(const std::function<void()> &attempt) {
    Wait wait(*this, clock_.Steady());
    Duration delay = settings_.first_delay;
    for (;;) {
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
        wait.Failed(*failure);
        Duration spent = wait.Spent();
        bool again =
            failure->code == Code::kUnavailable && spent < settings_.deadline && asked < settings_.deadline - spent;
        if (!again) {
            if (wait.attempts() > 1) failure->detail += (failure->detail.empty() ? "" : "; ") + wait.Evidence();
            throw *failure;
        }
        // A Retry-After gets jitter on top, or all clients would come back in the same instant.
        wait.Sleep(std::min(asked + Jitter(delay), settings_.deadline - spent));
        delay = std::min(delay * 2, settings_.longest_delay);
    }
}

}    // namespace ark
