// Several stores, each of which alone can answer: who cannot be reached must not keep the others waiting, and must not count as having
// answered either.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "wal/spool.h"

namespace ark {

struct AskedStore {
    std::string name;
    bool required = true;    // false: what the others say is enough
};

class StoreRounds {
public:
    // A store that another call found out of reach a moment ago, as the spool has it, is asked after the others.
    StoreRounds(std::vector<AskedStore> stores, WalSpool &spool, Clock &clock, Ticker &ticker, Log &log)
        : stores_(std::move(stores)), spool_(spool), clock_(clock), ticker_(ticker), log_(log) {}

    // Asks one store after the other until `look` returns true for one; returns whether it did. One store that is alone tries again by
    // itself. Of several each must give up soon (kUnavailable): the next is asked, and when none of them found it, those that are required
    // are asked again and again, for a quarter of an hour. Throws kCancelled alone.
    bool Ask(const std::function<bool(std::size_t store)> &look);

    // What kept a required store from answering, the first of it since ForgetDoubt(): then "none of them found it" proves nothing.
    const std::optional<Error> &doubt() const { return doubt_; }
    void ForgetDoubt() { doubt_.reset(); }

private:
    enum class Answer { kFound, kNot, kOutOfReach, kFault };
    struct Asked {
        Answer answer;
        std::optional<Error> error;
    };
    Asked AskOne(std::size_t store, const std::function<bool(std::size_t)> &look);
    void Doubt(std::size_t store, const Error &error);
    bool AskAgain(std::vector<std::size_t> left, const std::function<bool(std::size_t)> &look);

    const std::vector<AskedStore> stores_;
    WalSpool &spool_;
    Clock &clock_;
    Ticker &ticker_;
    Log &log_;
    std::optional<Error> doubt_;
};

}    // namespace ark
