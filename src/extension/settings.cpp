#include "extension/settings.h"

#include <array>

#include "config/settings.h"

namespace ark::pg {
namespace {

constexpr std::size_t kMostSettings = 64;

union Value {
    bool as_bool;
    int as_int;
    char *as_text;
};
Value values[kMostSettings];
char *engine_path;
bool adopt_roles;    // read by the install script with current_setting()

// Server code: the check of the table, and a message that repeats the value only where it cannot be a secret.
bool CheckText(const Setting &setting, const char *value) {
    SettingFault fault = TrySetting(setting, value ? value : "");
    if (fault.ok) return true;
    GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
    GUC_check_errmsg("%s", fault.message);
    if (fault.detail[0]) GUC_check_errdetail("%s", fault.detail);
    if (fault.hint[0]) GUC_check_errhint("%s", fault.hint);
    return false;
}

// The server calls a check hook without saying for which parameter: so there is one for each row of the table.
template <std::size_t kIndex>
bool CheckHook(char **value, void **, GucSource) {
    return CheckText(Settings()[kIndex], *value);
}

template <std::size_t... kIndex>
constexpr std::array<GucStringCheckHook, kMostSettings> MakeCheckHooks(std::index_sequence<kIndex...>) {
    return {CheckHook<kIndex>...};
}
constexpr std::array<GucStringCheckHook, kMostSettings> kCheckHooks =
    MakeCheckHooks(std::make_index_sequence<kMostSettings>());

GucContext ContextOf(const Setting &setting) {
    switch (setting.context) {
    case SettingContext::kRestart: return PGC_POSTMASTER;
    case SettingContext::kReload:
    case SettingContext::kConfigFile: return PGC_SIGHUP;
    case SettingContext::kSession: return PGC_USERSET;
    }
    return PGC_SIGHUP;
}

void Define(std::size_t index, const Setting &setting) {
    char name[NAMEDATALEN];
    pg_snprintf(name, sizeof name, "ark.%s", setting.name);
    int flags = 0;
    if (setting.for_superusers) flags |= GUC_SUPERUSER_ONLY;
    if (setting.context == SettingContext::kConfigFile) flags |= GUC_DISALLOW_IN_AUTO_FILE;
    switch (setting.type) {
    case SettingType::kBool:
        DefineCustomBoolVariable(name, setting.summary, nullptr, &values[index].as_bool,
                                 strcmp(setting.default_value, "on") == 0, ContextOf(setting), flags, nullptr, nullptr,
                                 nullptr);
        break;
    case SettingType::kInt:
        DefineCustomIntVariable(name, setting.summary, nullptr, &values[index].as_int, atoi(setting.default_value),
                                static_cast<int>(setting.min), static_cast<int>(setting.max), ContextOf(setting), flags,
                                nullptr, nullptr, nullptr);
        break;
    default:
        DefineCustomStringVariable(name, setting.summary, nullptr, &values[index].as_text, setting.default_value,
                                   ContextOf(setting), flags, kCheckHooks[index], nullptr, nullptr);
    }
}

}    // namespace

void DefineSettings() {
    std::size_t count = Settings().size();
    if (count > kMostSettings) elog(FATAL, "pg_ark has more settings than check hooks");
    for (std::size_t i = 0; i < count; i++) Define(i, Settings()[i]);
    // Not for users, so not in the table: where a developer's engine is, and consent to roles that were there before.
    DefineCustomStringVariable(
        "ark.engine_path", "The engine program, if it is not beside the server program.", nullptr, &engine_path, "",
        PGC_SIGHUP, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_AUTO_FILE, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("ark.adopt_roles", "Lets CREATE EXTENSION use ark_ roles that exist and have members.",
                             nullptr, &adopt_roles, false, PGC_SUSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, nullptr,
                             nullptr, nullptr);
    MarkGUCPrefixReserved("ark");
}

const char *SettingText(const char *name) {
    char full[NAMEDATALEN];
    pg_snprintf(full, sizeof full, "ark.%s", name);
    const char *value = GetConfigOption(full, true, false);
    return value ? value : "";
}

bool SettingBool(const char *name) { return strcmp(SettingText(name), "on") == 0; }

int SettingInt(const char *name) { return atoi(SettingText(name)); }

const char *EnginePath() {
    if (engine_path && engine_path[0]) return engine_path;
    static char beside[MAXPGPATH];
    strlcpy(beside, my_exec_path, sizeof beside);
    get_parent_directory(beside);
    strlcat(beside, "/pg_ark", sizeof beside);
    return beside;
}

}    // namespace ark::pg
