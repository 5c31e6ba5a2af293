// What the engine is told where settings are unset. Palloc'd.
#pragma once

#include "extension/server.h"

namespace ark::pg {

char *DefaultConninfo(const char *superuser);    // this server, by its socket
char *ServerBindir();

}    // namespace ark::pg
