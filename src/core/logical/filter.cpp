#include "logical/filter.h"

#include <cctype>
#include <string>
#include <vector>

#include "base/error.h"

namespace ark {
namespace {

[[noreturn]] void Refuse(std::string_view filter, const std::string &why) {
    throw Error(Code::kInvalidArgument, "the filter \"" + std::string(filter) + "\" cannot be used", why,
                "a filter is one SQL condition over the table's columns, such as tenant_id = 42");
}

// The place behind a quoted piece that begins at `at`; a doubled quote is part of it.
std::size_t SkipQuoted(std::string_view text, std::size_t at, bool backslashes) {
    char quote = text[at];
    for (std::size_t i = at + 1; i < text.size(); i++) {
        if (backslashes && text[i] == '\\') {
            i++;
        } else if (text[i] == quote) {
            if (i + 1 < text.size() && text[i + 1] == quote)
                i++;
            else
                return i + 1;
        }
    }
    Refuse(text, std::string("a quote ") + quote + " is not closed");
}

bool IsWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

}    // namespace

void CheckFilter(std::string_view filter) {
    std::vector<char> open;
    for (std::size_t i = 0; i < filter.size();) {
        char c = filter[i];
        std::string_view two = filter.substr(i, 2);
        if (c == '\'') {
            bool escapes = i > 0 && (filter[i - 1] == 'e' || filter[i - 1] == 'E') && (i < 2 || !IsWord(filter[i - 2]));
            i = SkipQuoted(filter, i, escapes);
            // E'…' goes on in a second literal behind a newline, where backslashes mean something too.
            std::size_t next = filter.find_first_not_of(" \t\r\n\f\v", i);
            if (next != std::string_view::npos && filter[next] == '\'')
                Refuse(filter, "two quoted texts follow each other");
            continue;
        }
        if (c == '"') {
            i = SkipQuoted(filter, i, false);
            continue;
        }
        if (c == '\0') Refuse(filter, "it holds a zero byte");
        if (c == ';') Refuse(filter, "it holds a semicolon");
        if (two == "--" || two == "/*") Refuse(filter, "it holds a comment");
        if (c == '$' && (i == 0 || !IsWord(filter[i - 1]))) Refuse(filter, "it holds a dollar sign outside quotes");
        if (c == '(' || c == '[') open.push_back(c == '(' ? ')' : ']');
        if (c == ')' || c == ']') {
            if (open.empty() || open.back() != c) Refuse(filter, std::string("a bracket ") + c + " was not opened");
            open.pop_back();
        }
        i++;
    }
    if (!open.empty()) Refuse(filter, "a bracket is not closed");
    if (filter.find_first_not_of(" \t\r\n") == std::string_view::npos) Refuse(filter, "it is empty");
}

}    // namespace ark
