#include "extension/engine_defaults.h"

namespace ark::pg {
namespace {

// Quoted as libpq wants it.
void AppendQuoted(StringInfo out, const char *text) {
    appendStringInfoChar(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') appendStringInfoChar(out, '\\');
        appendStringInfoChar(out, *text);
    }
    appendStringInfoChar(out, '\'');
}

}    // namespace

char *DefaultConninfo(const char *superuser) {
    const char *directories = GetConfigOption("unix_socket_directories", true, false);
    char *host = pstrdup(directories ? directories : "");
    if (char *comma = strchr(host, ',')) *comma = '\0';
    char *end = host + strlen(host);
    while (end > host && end[-1] == ' ') *--end = '\0';
    StringInfoData out;
    initStringInfo(&out);
    appendStringInfoString(&out, "host=");
    AppendQuoted(&out, host[0] ? host : "localhost");
    appendStringInfo(&out, " port=%s user=", GetConfigOption("port", false, false));
    AppendQuoted(&out, superuser);
    return out.data;
}

char *ServerBindir() {
    char *path = pstrdup(my_exec_path);
    get_parent_directory(path);
    return path;
}

}    // namespace ark::pg
