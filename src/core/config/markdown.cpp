#include <fmt/format.h>

#include <cstring>

#include "config/settings.h"

namespace ark {
namespace {

const char *ContextWords(SettingContext context) {
    switch (context) {
    case SettingContext::kRestart: return "the configuration file or `ALTER SYSTEM`, then a restart of the server";
    case SettingContext::kReload: return "the configuration file or `ALTER SYSTEM`, then a reload";
    case SettingContext::kConfigFile: return "the configuration file only (not `ALTER SYSTEM`), then a reload";
    case SettingContext::kSession: break;
    }
    return "any session for itself, with `SET`";
}

std::string DefaultWords(const Setting &setting) {
    bool empty = *setting.default_value == '\0';
    bool means_unset = empty || std::strcmp(setting.default_value, "0") == 0;
    if (means_unset && *setting.unset) return empty ? setting.unset : fmt::format("`0`: {}", setting.unset);
    return fmt::format("`{}`", setting.default_value);
}

std::string TypeWords(const Setting &setting) {
    std::string words = AllowedValues(setting);
    if (*setting.unit) words += fmt::format(" ({})", setting.unit);
    return words;
}

std::string Section(const Setting &setting) {
    std::string out = fmt::format("### {}\n\n{}{}. {}\n\n", setting.name,
                                  static_cast<char>(setting.summary[0] - 'a' + 'A'), setting.summary + 1, setting.help);
    out += fmt::format("- Default: {}\n", DefaultWords(setting));
    if (setting.type != SettingType::kText) out += fmt::format("- Value: {}\n", TypeWords(setting));
    out +=
        fmt::format("- In the server: `{} = '{}'`; set in {}{}\n", ServerName(setting), setting.example,
                    ContextWords(setting.context),
                    setting.for_superusers ? "; shown only to superusers and members of `pg_read_all_settings`" : "");
    if (setting.used_by & kUsedByEngine)
        out += fmt::format("- In the engine: `{}` or `{}`\n", FlagName(setting), EnvironmentName(setting));
    return out + "\n";
}

}    // namespace

std::string SettingsMarkdown() {
    std::string out =
        "# Settings\n\n"
        "This page is made from the table in `src/core/config` by `make docs`; change it there.\n\n"
        "The server knows each setting as `ark.name`, in `postgresql.conf` or by `ALTER SYSTEM`. The engine, `pg_ark`, "
        "takes the same\n"
        "names as flags and as environment variables; a flag overrules the variable, and the server hands its own "
        "values to the\n"
        "engines it starts. No setting is a secret: keys and passwords are named by reference.\n\n"
        "| setting | default | what it is |\n|---|---|---|\n";
    for (const Setting &setting : Settings())
        out += fmt::format("| [`{0}`](#{0}) | {1} | {2} |\n", setting.name, DefaultWords(setting), setting.summary);
    out += "\n";
    const char *group = "";
    for (const Setting &setting : Settings()) {
        if (std::strcmp(group, setting.group) != 0) out += fmt::format("## {}\n\n", setting.group);
        group = setting.group;
        out += Section(setting);
    }
    out.pop_back();
    return out;
}

}    // namespace ark
