#include "config/settings.h"

#include <fmt/format.h>

#include <strings.h>

#include <charconv>
#include <cstdio>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace ark {
namespace {

constexpr std::int64_t kDay = 86'400'000'000;

std::string Words(const char *choices) {    // "1.2|1.3" -> "1.2, 1.3"
    std::string words;
    for (const char *c = choices; *c; c++) words += *c == '|' ? ", " : std::string(1, *c);
    return words;
}

bool IsChoice(const char *choices, std::string_view value) {
    return !value.empty() && value.find('|') == std::string_view::npos &&
           ("|" + std::string(choices) + "|").find("|" + std::string(value) + "|") != std::string::npos;
}

[[noreturn]] void Refuse(const Setting &setting, std::string_view value, std::string_view fault) {
    throw Error(Code::kInvalidArgument,
                setting.may_hold_secret ? fmt::format("setting \"{}\" must {}", setting.name, fault)
                                        : fmt::format("setting \"{}\" must {}, not \"{}\"", setting.name, fault, value),
                {}, fmt::format("For example {} = '{}'.", ServerName(setting), setting.example));
}

// The value in the units of min and max, or nothing if the text is not a value of this type.
std::optional<std::int64_t> Measure(const Setting &setting, std::string_view text) {
    try {
        if (setting.type == SettingType::kDuration) return ParseDuration(text, setting.name).count();
        if (setting.type == SettingType::kSize) {
            std::uint64_t bytes = ParseSize(text, setting.name);
            return bytes > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(bytes);
        }
    } catch (const Error &) {
        return std::nullopt;
    }
    std::int64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string LimitWords(const Setting &setting, std::int64_t value) {
    if (value > 0 && setting.type == SettingType::kDuration)
        return value % kDay == 0 ? fmt::format("{} day{}", value / kDay, value == kDay ? "" : "s")
                                 : HumanDuration(Duration(value));
    if (value > 0 && setting.type == SettingType::kSize)
        for (auto [shift, unit] : {std::pair(40, "TB"), std::pair(30, "GB"), std::pair(20, "MB")})
            if (value % (std::int64_t{1} << shift) == 0) return fmt::format("{}{}", value >> shift, unit);
    return std::to_string(value);
}

std::string Range(const Setting &setting) {
    return fmt::format("{} to {}", LimitWords(setting, setting.min), LimitWords(setting, setting.max));
}

}    // namespace

const Setting *FindSetting(std::string_view name) {
    for (const Setting &setting : Settings())
        if (name == setting.name) return &setting;
    return nullptr;
}

std::string ServerName(const Setting &setting) { return fmt::format("ark.{}", setting.name); }

std::string FlagName(const Setting &setting) {
    std::string name = fmt::format("--{}", setting.name);
    for (char &c : name)
        if (c == '_') c = '-';
    return name;
}

std::string EnvironmentName(const Setting &setting) {
    std::string name = fmt::format("ARK_{}", setting.name);
    for (char &c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return name;
}

std::optional<bool> ReadBool(std::string_view text) {
    std::string value(text);
    for (const char *yes : {"on", "true", "yes", "1"})
        if (strcasecmp(value.c_str(), yes) == 0) return true;
    for (const char *no : {"off", "false", "no", "0"})
        if (strcasecmp(value.c_str(), no) == 0) return false;
    return std::nullopt;
}

std::string AllowedValues(const Setting &setting) {
    switch (setting.type) {
    case SettingType::kBool: return "on or off";
    case SettingType::kInt: return "a whole number from " + Range(setting);
    case SettingType::kSize: return "a number of bytes, or a number with kB, MB, GB or TB, from " + Range(setting);
    case SettingType::kDuration: return "a number and a unit (ms, s, min, h, days), from " + Range(setting);
    case SettingType::kEnum: return "one of " + Words(setting.choices);
    case SettingType::kText: break;
    }
    return "text";
}

void CheckSetting(const Setting &setting, std::string_view value) {
    auto require = [&](bool good) {
        if (!good) Refuse(setting, value, "be " + AllowedValues(setting));
    };
    switch (setting.type) {
    case SettingType::kBool: return require(ReadBool(value).has_value());
    case SettingType::kEnum: return require(IsChoice(setting.choices, value));
    case SettingType::kInt:
    case SettingType::kSize:
    case SettingType::kDuration: {
        std::optional<std::int64_t> measure = Measure(setting, value);
        return require(measure && *measure >= setting.min && *measure <= setting.max);
    }
    case SettingType::kText: break;
    }
    if (value.find('\0') != std::string_view::npos) Refuse(setting, "…", "not contain a zero byte");
    if (value.empty()) {
        if (*setting.default_value != '\0') Refuse(setting, value, "not be empty");
    } else if (const char *fault = setting.shape ? setting.shape(value) : nullptr) {
        Refuse(setting, value, fault);
    }
}

SettingFault TrySetting(const Setting &setting, const char *value) noexcept {
    SettingFault fault{};
    auto copy = [](char(&to)[512], const char *from) { std::snprintf(to, sizeof to, "%s", from); };
    try {
        CheckSetting(setting, value ? value : "");
        fault.ok = true;
    } catch (const Error &error) {
        copy(fault.message, error.message.c_str());
        copy(fault.detail, error.detail.c_str());
        copy(fault.hint, error.hint.c_str());
    } catch (const std::exception &error) {    // out of memory
        copy(fault.message, error.what());
    }
    return fault;
}

}    // namespace ark
