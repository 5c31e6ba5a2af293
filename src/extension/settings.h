// The settings table (config/settings.h) as the server's ark.* parameters.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// From _PG_init, while libraries are preloaded. A value in postgresql.conf that is not allowed gives a WARNING and the
// default: it never stops the server from starting.
void DefineSettings();

// The value in force, as text; "" where the library was not preloaded.
const char *SettingText(const char *name);
bool SettingBool(const char *name);
int SettingInt(const char *name);

// Where the engine program is: ark.engine_path, else beside the postgres program.
const char *EnginePath();

}    // namespace ark::pg
