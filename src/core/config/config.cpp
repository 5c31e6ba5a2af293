#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ark {
namespace {

std::string WithUnderscores(std::string_view name) {
    std::string out(name);
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); j++) {
            std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

[[noreturn]] void ThrowUnknown(std::string_view name) {
    std::string all, near;
    std::size_t best = 4;
    for (const Setting &setting : Settings()) {
        all += fmt::format("{}{}", all.empty() ? "" : ", ", setting.name);
        if (std::size_t distance = EditDistance(name.substr(0, 64), setting.name); distance < best) {
            best = distance;
            near = setting.name;
        }
    }
    throw Error(Code::kInvalidArgument, fmt::format("there is no setting \"{}\"", name), "Settings: " + all + ".",
                near.empty() ? "" : fmt::format("Did you mean \"{}\"?", near));
}

}    // namespace

std::string_view OriginName(Origin origin) {
    switch (origin) {
    case Origin::kDefault: return "default";
    case Origin::kEnvironment: return "environment";
    case Origin::kRequest: return "request";
    case Origin::kFlag: break;
    }
    return "flag";
}

Config::Config() {
    for (const Setting &setting : Settings()) values_.push_back({setting.default_value, Origin::kDefault});
}

void Config::Set(std::string_view name, std::string_view value, Origin origin) {
    const Setting *setting = FindSetting(WithUnderscores(name));
    if (!setting) ThrowUnknown(name);
    CheckSetting(*setting, value);
    Value &present = values_[static_cast<std::size_t>(setting - Settings().data())];
    if (origin >= present.origin) present = {std::string(value), origin};
}

const Config::Value &Config::At(std::string_view name) const {
    const Setting *setting = FindSetting(name);
    if (!setting) throw Error(Code::kInternal, fmt::format("a setting \"{}\" is read but not declared", name));
    return values_[static_cast<std::size_t>(setting - Settings().data())];
}

const std::string &Config::Typed(std::string_view name, SettingType type) const {
    const Value &value = At(name);
    if (FindSetting(name)->type != type)
        throw Error(Code::kInternal, fmt::format("setting \"{}\" is read as another type", name));
    return value.text;
}

const std::string &Config::Text(std::string_view name) const {
    const Value &value = At(name);
    return FindSetting(name)->type == SettingType::kEnum ? value.text : Typed(name, SettingType::kText);
}

std::vector<std::string> Config::List(std::string_view name) const {
    std::string_view left = Typed(name, SettingType::kText);
    std::vector<std::string> items;
    while (!left.empty()) {
        std::string_view item = left.substr(0, left.find(','));
        left.remove_prefix(std::min(item.size() + 1, left.size()));
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (!item.empty()) items.emplace_back(item);
    }
    return items;
}

bool Config::Bool(std::string_view name) const { return *ReadBool(Typed(name, SettingType::kBool)); }
std::int64_t Config::Int(std::string_view name) const { return std::stoll(Typed(name, SettingType::kInt)); }
std::uint64_t Config::Size(std::string_view name) const { return ParseSize(Typed(name, SettingType::kSize), name); }
Duration Config::Time(std::string_view name) const { return ParseDuration(Typed(name, SettingType::kDuration), name); }
const std::string &Config::Written(std::string_view name) const { return At(name).text; }
Origin Config::OriginOf(std::string_view name) const { return At(name).origin; }

Config FromEnvironment(const EnvironmentReader &read) {
    Config config;
    for (const Setting &setting : Settings()) {
        if (!(setting.used_by & kUsedByEngine)) continue;
        std::string variable = EnvironmentName(setting);
        std::optional<std::string> value = read(variable);
        if (!value || value->empty()) continue;
        try {
            config.Set(setting.name, *value, Origin::kEnvironment);
        } catch (Error &error) {
            throw error.InContext("environment variable " + variable);
        }
    }
    return config;
}

}    // namespace ark
