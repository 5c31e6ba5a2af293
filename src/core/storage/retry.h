// Retry in one place: a deadline, exponential back-off with full jitter, Retry-After honoured.
// What may be tried again is decided by the thrower: Code::kUnavailable, and nothing else.
#pragma once

#include <mutex>

#include "base/log.h"
#include "base/random.h"
#include "storage/storage.h"

namespace ark {

struct RetrySettings {
    Duration first_delay = std::chrono::milliseconds(200);
    Duration longest_delay = std::chrono::seconds(30);
    Duration deadline = std::chrono::minutes(15);    // without success of this call
};

// Thrown by drivers in place of Error where the store said when to come back.
class UnavailableUntil : public Error {
public:
    UnavailableUntil(Error error, Duration retry_after) : Error(std::move(error)), after(retry_after) {}
    Duration after;
};

// Runs calls until they succeed. Safe for concurrent use. A call that is given up throws the last error, with the
// first one and the number of attempts in its detail. A store that asks to come back after the deadline is given up
// at once. Waits end within 100 ms of a cancellation. A call that has failed for 3 seconds is told to `log` (Log::Wait) at
// each further failure, and so is the end of the last such wait.
class RetryPolicy {
public:
    RetryPolicy(RetrySettings settings, Clock &clock, Random &random, Ticker &ticker, Log &log = SilentLog());
    void Run(const std::function<void()> &attempt);

private:
    class Wait;

    Duration Jitter(Duration most);

    RetrySettings settings_;
    Clock &clock_;
    Random &random_;
    Ticker &ticker_;
    Log &log_;
    std::mutex random_mutex_;
    std::mutex waits_mutex_;
    int waits_ = 0;    // calls that were told to wait
};

// Every verb of `inner` under the policy. A Put is tried again only while its source can rewind; a reader that fails
// on the way is opened again at the byte it reached; a listing goes on after the last name it visited. An error that
// came from the source or the visitor, not from the store, is never tried again.
StoragePtr MakeRetryStorage(StoragePtr inner, std::shared_ptr<RetryPolicy> policy);

}    // namespace ark
