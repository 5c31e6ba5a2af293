// What a retention policy says, and its JSON form.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/clock.h"

namespace ark {

// How many of the newest backups to keep, and one backup for each of the newest hours, days, … that have one.
// 0 and nullopt are "unset"; a backup is kept if any rule keeps it.
struct Policy {
    std::string name{};
    std::uint32_t keep_last = 0;
    std::uint32_t keep_hourly = 0;
    std::uint32_t keep_daily = 0;
    std::uint32_t keep_weekly = 0;    // ISO weeks, from Monday
    std::uint32_t keep_monthly = 0;
    std::uint32_t keep_yearly = 0;
    std::optional<Duration> keep_within{};
    // Any moment of this last time can be recovered to: base backups and WAL are kept for it. WAL that is older goes.
    std::optional<Duration> pitr_window{};

    bool Empty() const;    // no rule about backups is set: all of them are kept
    bool operator==(const Policy &) const = default;
};

// {"name":"gfs","keep_last":7,"keep_within":"90 days"}: members that are unset are left out. Parsing takes null for
// unset, and throws kInvalidArgument for an unknown member, a negative number or a length of time it cannot read.
nlohmann::ordered_json PolicyToJson(const Policy &policy);
Policy ParsePolicy(const nlohmann::ordered_json &json);

// For people: "keep the last 7, 30 daily, 12 monthly, all within 90 days, recover to any moment of 7 days"; "keep everything" without a
// rule.
std::string DescribePolicy(const Policy &policy);

}    // namespace ark
