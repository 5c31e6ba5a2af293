// The one table of settings. From it come the server's ark.NAME, the engine's --name-with-dashes and ARK_NAME, the checks
// of their values, and docs/settings.md. A new setting is one row in settings.cpp. None of them is a secret: keys and
// passwords are named by reference.
//
// The table is plain constant data, usable from server code that may not hold C++ objects.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ark {

enum class SettingType {
    kBool,        // on, off
    kInt,         // a whole number of `unit`
    kSize,        // bytes, or with kB, MB, GB, TB (powers of 1024)
    kDuration,    // a number and a unit: "2 s", "15 min", "30 days"
    kText,        // what `shape` accepts
    kEnum,        // one of `choices`
};

// Who may change it in the server, and when it takes effect.
enum class SettingContext {
    kRestart,       // configuration file or ALTER SYSTEM; when the server starts
    kReload,        // configuration file or ALTER SYSTEM; on reload
    kConfigFile,    // the configuration file only, not ALTER SYSTEM; on reload
    kSession,       // any session, for itself
};

enum SettingUser : unsigned { kUsedByServer = 1, kUsedByEngine = 2 };

// Why a text is not acceptable, in words that complete "must …"; nullptr if it is. May throw only bad_alloc.
using SettingShape = const char *(*)(std::string_view);

struct Setting {
    const char *name;     // without prefix
    const char *group;    // heading in the documentation
    SettingType type;
    const char *default_value;    // as it would be written; an empty text means `unset`
    std::int64_t min, max;        // kInt: units; kSize: bytes; kDuration: microseconds; else 0
    const char *unit;             // kInt: "connections"; kSize: "per second" or empty
    const char *choices;          // kEnum: "1.2|1.3"; else empty
    SettingShape shape;           // kText: or nullptr for any
    const char *unset;            // what an empty text or a 0 means, or empty if it means nothing special
    SettingContext context;
    bool for_superusers;     // shown only to superusers and pg_read_all_settings
    bool may_hold_secret;    // a wrong value could be or hold a secret: no message repeats it
    unsigned used_by;        // SettingUser, together
    const char *summary;     // one line, no full stop
    const char *help;        // a paragraph for the documentation
    const char *example;
};

std::span<const Setting> Settings();
const Setting *FindSetting(std::string_view name);    // nullptr if there is none

// "ark.max_rate", "--max-rate", "ARK_MAX_RATE"
std::string ServerName(const Setting &setting);
std::string FlagName(const Setting &setting);
std::string EnvironmentName(const Setting &setting);

// Throws kInvalidArgument with the setting, the value and what is allowed. An empty text is always "unset" for kText.
void CheckSetting(const Setting &setting, std::string_view value);

// The same for server hooks: never throws, and the result is plain memory.
struct SettingFault {
    bool ok;
    char message[512];
    char detail[512];
    char hint[512];
};
SettingFault TrySetting(const Setting &setting, const char *value) noexcept;

std::string AllowedValues(const Setting &setting);    // "a whole number from 1 to 64"; of kText only "text"

// "on", "true", "yes", "1" and their opposites, in any case; nothing for anything else.
std::optional<bool> ReadBool(std::string_view text);

std::string SettingsMarkdown();    // the whole of docs/settings.md

}    // namespace ark
