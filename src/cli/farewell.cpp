#include "cli/farewell.h"

#include <algorithm>

namespace ark::cli {

bool Farewell::Begin() noexcept {
    begun_at_.store(clock_.Steady());
    State allowed = State::kAllowed;
    return state_.compare_exchange_strong(allowed, State::kBegun) || allowed == State::kBegun;
}

void Farewell::End() noexcept {
    State begun = State::kBegun;
    state_.compare_exchange_strong(begun, State::kAllowed);
}

bool Farewell::IsOverdue() const noexcept {
    if (!begun()) return false;
    SteadyPoint since = busy_since_.load();
    return since != SteadyPoint::max() && clock_.Steady() > std::max(since, begun_at_.load()) + kBudget;
}

Farewell::Work::Work(Farewell *farewell) noexcept : farewell_(farewell) {
    if (farewell_) farewell_->busy_since_.store(farewell_->clock_.Steady());
}

Farewell::Work::~Work() {
    if (farewell_) farewell_->busy_since_.store(SteadyPoint::max());
}

}    // namespace ark::cli
