// The values of all settings as they hold for one program, and where each comes from.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/settings.h"

namespace ark {

// A later one overrules an earlier one, in whatever order they are set.
enum class Origin { kDefault, kEnvironment, kRequest, kFlag };
std::string_view OriginName(Origin origin);    // "default", "environment", "request", "flag"

class Config {
public:
    Config();    // the defaults

    // `name` without prefix; dashes count as underscores. Throws kInvalidArgument for a setting that does not exist (with
    // what is near) or a value that is not allowed. A value that a stronger origin has set stays; the new one is checked
    // all the same.
    void Set(std::string_view name, std::string_view value, Origin origin);

    // Reading a name that is not in the table, or as another type than its own, is a bug: kInternal.
    const std::string &Text(std::string_view name) const;          // kText, kEnum
    std::vector<std::string> List(std::string_view name) const;    // kText: what stands between the commas
    bool Bool(std::string_view name) const;
    std::int64_t Int(std::string_view name) const;
    std::uint64_t Size(std::string_view name) const;
    Duration Time(std::string_view name) const;

    const std::string &Written(std::string_view name) const;    // any type, as it was given
    Origin OriginOf(std::string_view name) const;

private:
    struct Value {
        std::string text;
        Origin origin = Origin::kDefault;
    };
    const Value &At(std::string_view name) const;
    const std::string &Typed(std::string_view name, SettingType type) const;

    std::vector<Value> values_;    // in the order of Settings()
};

// The value of a variable, or nothing. In programs: a wrapper of getenv.
using EnvironmentReader = std::function<std::optional<std::string>(const std::string &name)>;

// Defaults, and over them what ARK_… variables of settings that the engine uses say. An empty variable counts as not set.
// Errors name the variable.
Config FromEnvironment(const EnvironmentReader &read);

}    // namespace ark
