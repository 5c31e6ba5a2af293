#include "logical/restore/merge_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "logical/restore/consequences.h"

namespace ark {
namespace {

// `table` comes after `other`.
struct Wait {
    std::uint64_t table = 0, other = 0;
    const ForeignKey *key = nullptr;
    std::uint64_t rows = 0;
};

// Sorts as the waits want it; what is left in `waits` afterwards is in circles.
std::vector<MergeStep> Sorted(std::vector<MergeStep> steps, std::vector<Wait> &waits) {
    std::vector<MergeStep> out;
    auto waiting = [&](const MergeStep &step) {
        return std::ranges::any_of(waits, [&](const Wait &wait) { return wait.table == step.target->live.oid; });
    };
    for (auto ready = steps.begin(); ready != steps.end();) {
        ready = std::ranges::find_if_not(steps, waiting);
        if (ready == steps.end()) break;
        std::erase_if(waits, [&](const Wait &wait) { return wait.other == ready->target->live.oid; });
        out.push_back(*ready);
        steps.erase(ready);
        ready = steps.begin();
    }
    for (bool trimmed = true; trimmed;) {    // tables that only stand behind a circle
        trimmed = std::erase_if(waits, [&](const Wait &wait) {
                      return std::ranges::none_of(waits, [&](const Wait &next) { return next.other == wait.table; });
                  }) > 0;
    }
    out.insert(out.end(), steps.begin(), steps.end());
    return out;
}

const MergeStep *Find(const std::vector<MergeStep> &steps, std::uint64_t oid) {
    auto at = std::ranges::find_if(steps, [&](const MergeStep &step) { return step.target->live.oid == oid; });
    return at == steps.end() ? nullptr : &*at;
}

template <class Visit>
void EachReference(const std::vector<MergeStep> &steps, const Visit &visit) {
    for (const MergeStep &step : steps)
        for (const ForeignKey &key : step.target->live.references) {
            const MergeStep *parent = Find(steps, key.to);
            if (parent && key.to != step.target->live.oid) visit(step, key, *parent);
        }
}

bool OneOwner(const std::vector<MergeStep> &steps) {
    return std::ranges::all_of(
        steps, [&](const MergeStep &step) { return step.target->live.owner == steps.front().target->live.owner; });
}

void Report(const std::vector<Wait> &waits, const char *what, std::vector<Circle> &circles) {
    std::string constraints;
    for (const Wait &wait : waits)
        constraints += fmt::format("{}{} of {}", constraints.empty() ? "" : ", ", wait.key->name, wait.key->from_name);
    for (const Wait &wait : waits) {
        const ForeignKey &key = *wait.key;
        circles.push_back(
            {.table = key.from,
             .rows = wait.rows,
             .note = fmt::format(
                 "{} rows {} rows of {} by {}, in a circle of tables that several roles own ({}): give them one "
                 "owner for the restore (ALTER TABLE … OWNER TO), or drop one of these constraints and add "
                 "it again afterwards",
                 wait.rows, what, key.to_name, key.name, constraints)});
    }
}

}    // namespace

MergeOrder OrderMerge(Connection &connection, const std::vector<MergeStep> &all, std::vector<Circle> &circles) {
    std::vector<MergeStep> steps;
    for (const MergeStep &step : all)
        if (step.counts.any()) steps.push_back(step);
    MergeOrder order;
    std::vector<Wait> waits;
    EachReference(steps, [&](const MergeStep &step, const ForeignKey &key, const MergeStep &) {
        waits.push_back({.table = step.target->live.oid, .other = key.to, .key = &key, .rows = 0});
    });
    order.writes = Sorted(steps, waits);
    order.deletes.assign(order.writes.rbegin(), order.writes.rend());
    if (waits.empty()) return order;
    order.at_once = OneOwner(steps);
    if (order.at_once) return order;
    // Only rows that need one another's keep tables in order.
    waits.clear();
    EachReference(steps, [&](const MergeStep &step, const ForeignKey &key, const MergeStep &parent) {
        std::uint64_t rows = CountWaiting(connection, *step.target, key, *parent.target);
        if (rows > 0) waits.push_back({.table = step.target->live.oid, .other = key.to, .key = &key, .rows = rows});
    });
    order.writes = Sorted(steps, waits);
    Report(waits, "need new", circles);
    waits.clear();
    EachReference(steps, [&](const MergeStep &step, const ForeignKey &key, const MergeStep &parent) {
        std::uint64_t rows = CountDeletedTogether(connection, *step.target, key, *parent.target);
        if (rows > 0) waits.push_back({.table = key.to, .other = step.target->live.oid, .key = &key, .rows = rows});
    });
    order.deletes = Sorted(steps, waits);
    Report(waits, "go together with", circles);
    return order;
}

}    // namespace ark
