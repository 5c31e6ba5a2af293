#include "retention/policy.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace ark {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMostKept = 1'000'000;
constexpr Duration kLongest = std::chrono::days(365 * 200);

struct Rule {
    const char *member;
    const char *words;    // in DescribePolicy, after the number
    std::uint32_t Policy::*count;
};
constexpr std::array<Rule, 6> kRules{{{"keep_last", "", &Policy::keep_last},
                                      {"keep_hourly", " hourly", &Policy::keep_hourly},
                                      {"keep_daily", " daily", &Policy::keep_daily},
                                      {"keep_weekly", " weekly", &Policy::keep_weekly},
                                      {"keep_monthly", " monthly", &Policy::keep_monthly},
                                      {"keep_yearly", " yearly", &Policy::keep_yearly}}};

// In the largest unit that says it exactly, as ParseDuration reads it.
std::string ExactDuration(Duration time) {
    struct Unit {
        Duration length;
        const char *name;
    };
    static constexpr std::array<Unit, 6> kUnits{
        {{24h, "days"}, {1h, "h"}, {1min, "min"}, {1s, "s"}, {1ms, "ms"}, {1us, "us"}}};
    for (const Unit &unit : kUnits)
        if (time % unit.length == 0us) return fmt::format("{} {}", time / unit.length, unit.name);
    return "0 s";
}

[[noreturn]] void Refuse(std::string message, std::string hint = {}) {
    throw Error(Code::kInvalidArgument, "retention policy cannot be used: " + message, {}, std::move(hint));
}

std::uint32_t Count(const std::string &member, const nlohmann::ordered_json &value) {
    if (!value.is_number_integer()) Refuse(fmt::format("{} must be a whole number, not {}", member, value.dump()));
    if ((!value.is_number_unsigned() && value.get<std::int64_t>() < 0) || value.get<std::uint64_t>() > kMostKept)
        Refuse(fmt::format("{} must be from 0 to {}, not {}", member, kMostKept, value.dump()));
    return value.get<std::uint32_t>();
}

Duration Length(const std::string &member, const nlohmann::ordered_json &value) {
    if (!value.is_string())
        Refuse(fmt::format("{} must be a length of time, not {}", member, value.dump()),
               "Write for example \"90 days\".");
    Duration time = ParseDuration(value.get<std::string>(), member);
    if (time <= 0us || time > kLongest)
        Refuse(fmt::format("{} must be more than 0 and at most 200 years, not {}", member, value.dump()),
               member == "keep_within" ? "Leave it out to keep nothing by age."
                                       : "Leave it out to keep all WAL since the oldest base backup.");
    return time;
}

}    // namespace

bool Policy::Empty() const {
    for (const Rule &rule : kRules)
        if (this->*rule.count != 0) return false;
    return !keep_within;
}

nlohmann::ordered_json PolicyToJson(const Policy &policy) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    if (!policy.name.empty()) json["name"] = policy.name;
    for (const Rule &rule : kRules)
        if (policy.*rule.count != 0) json[rule.member] = policy.*rule.count;
    if (policy.keep_within) json["keep_within"] = ExactDuration(*policy.keep_within);
    if (policy.pitr_window) json["pitr_window"] = ExactDuration(*policy.pitr_window);
    return json;
}

Policy ParsePolicy(const nlohmann::ordered_json &json) {
    if (!json.is_object()) Refuse("it is not a JSON object", R"(For example {"keep_last":7,"keep_within":"90 days"}.)");
    Policy policy;
    for (const auto &[member, value] : json.items()) {
        if (value.is_null()) continue;
        if (member == "name") {
            if (!value.is_string()) Refuse("name must be text");
            policy.name = value.get<std::string>();
            continue;
        }
        if (member == "keep_within") {
            policy.keep_within = Length(member, value);
            continue;
        }
        if (member == "pitr_window") {
            policy.pitr_window = Length(member, value);
            continue;
        }
        const Rule *found = nullptr;
        for (const Rule &rule : kRules)
            if (member == rule.member) found = &rule;
        if (!found)
            Refuse(fmt::format("there is no rule \"{}\"", member),
                   "The rules are keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, "
                   "keep_within and pitr_window.");
        policy.*found->count = Count(member, value);
    }
    return policy;
}

std::string DescribePolicy(const Policy &policy) {
    std::string out = policy.Empty() ? "keep everything" : "";
    for (const Rule &rule : kRules)
        if (std::uint32_t count = policy.*rule.count; count != 0)
            out += fmt::format("{}{}{}{}", out.empty() ? "keep " : ", ", &rule == &kRules[0] ? "the last " : "", count,
                               rule.words);
    if (policy.keep_within)
        out += fmt::format("{}all within {}", out.empty() ? "keep " : ", ", ExactDuration(*policy.keep_within));
    if (policy.pitr_window)
        out += fmt::format(", recover to any moment of the last {}", ExactDuration(*policy.pitr_window));
    return out;
}

}    // namespace ark
