#include "wal/store_rounds.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr Duration kPatience = std::chrono::minutes(15);
constexpr Duration kFirstPause = std::chrono::milliseconds(500), kLongestPause = std::chrono::seconds(10);
constexpr Duration kSlice = std::chrono::milliseconds(100);

}    // namespace

StoreRounds::Asked StoreRounds::AskOne(std::size_t store, const std::function<bool(std::size_t)> &look) {
    ticker_.Check();
    try {
        bool found = look(store);
        if (stores_.size() > 1) spool_.ForgetAway(stores_[store].name);
        return {found ? Answer::kFound : Answer::kNot, std::nullopt};
    } catch (const Error &error) {
        if (error.code == Code::kCancelled) throw;
        if (stores_.size() == 1 || error.code != Code::kUnavailable) return {Answer::kFault, error};
        spool_.NoteAway(stores_[store].name, clock_.Now());
        return {Answer::kOutOfReach, error};
    }
}

void StoreRounds::Doubt(std::size_t store, const Error &error) {
    if (!stores_[store].required)
        log_.Warn(error.message);
    else if (!doubt_)
        doubt_ = error;
}

bool StoreRounds::Ask(const std::function<bool(std::size_t)> &look) {
    std::vector<std::size_t> later;
    for (std::size_t store = 0; store < stores_.size(); store++) {
        if (stores_.size() > 1 && spool_.IsAway(stores_[store].name, clock_.Now())) {
            later.push_back(store);
            continue;
        }
        Asked asked = AskOne(store, look);
        switch (asked.answer) {
        case Answer::kFound: return true;
        case Answer::kNot: break;
        case Answer::kFault: Doubt(store, *asked.error); break;
        case Answer::kOutOfReach:
            if (stores_[store].required)
                later.push_back(store);
            else
                Doubt(store, *asked.error);
            break;
        }
    }
    return AskAgain(std::move(later), look);
}

bool StoreRounds::AskAgain(std::vector<std::size_t> left, const std::function<bool(std::size_t)> &look) {
    std::optional<Error> why;
    const SteadyPoint begin = clock_.Steady();
    Duration pause{0};    // those that were only remembered are asked at once
    bool told = false;
    while (!left.empty()) {
        for (SteadyPoint end = clock_.Steady() + pause; clock_.Steady() < end;) {
            ticker_.Check();
            clock_.Sleep(std::min(kSlice, std::chrono::ceil<Duration>(end - clock_.Steady())));
        }
        pause = std::clamp(pause * 2, kFirstPause, kLongestPause);
        bool last = clock_.Steady() - begin >= kPatience;
        std::vector<std::size_t> still;
        for (std::size_t store : left) {
            Asked asked = AskOne(store, look);
            if (asked.answer == Answer::kFound) {
                if (told) log_.Wait({});
                return true;
            }
            if (asked.answer == Answer::kOutOfReach && stores_[store].required && !last) {
                still.push_back(store);
                why = asked.error;
            } else if (asked.error) {
                Doubt(store, *asked.error);
            }
        }
        left = std::move(still);
        if (left.empty()) break;
        log_.Wait(why->detail.empty() ? why->message : fmt::format("{} ({})", why->message, why->detail));
        told = true;
    }
    if (told) log_.Wait({});
    return false;
}

}    // namespace ark
