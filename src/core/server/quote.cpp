#include "server/connection.h"

namespace ark {

std::string QuoteIdentifier(std::string_view name) {
    std::string quoted = "\"";
    for (char c : name) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

std::string QuoteLiteral(std::string_view text) {
    bool escapes = text.find('\\') != std::string_view::npos;
    std::string quoted = escapes ? "E'" : "'";
    for (char c : text) {
        if (c == '\'' || c == '\\') quoted += c;
        quoted += c;
    }
    return quoted + '\'';
}

std::string QualifiedName(std::string_view schema, std::string_view name) {
    return QuoteIdentifier(schema) + '.' + QuoteIdentifier(name);
}

}    // namespace ark
