#include "pgdata/copy_to_json.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ark {
namespace {

constexpr int kMaxDimensions = 6;    // MAXDIM of PostgreSQL

// Length of the UTF-8 character at the front (RFC 3629: no overlong forms, no surrogates), 0 when there is none.
std::size_t Utf8Length(std::string_view text) {
    auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        bool lowest = first != 0xE0 || byte(1) >= 0xA0;
        bool surrogate = first == 0xED && byte(1) >= 0xA0;
        return continues(1) && continues(2) && lowest && !surrogate ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        bool in_range = (first != 0xF0 || byte(1) >= 0x90) && (first != 0xF4 || byte(1) < 0x90);
        return continues(1) && continues(2) && continues(3) && in_range ? 4 : 0;
    }
    return 0;
}

// RFC 8259: number = [ minus ] int [ frac ] [ exp ]
bool IsJsonNumber(std::string_view text) {
    std::size_t at = 0;
    auto digits = [&] {
        std::size_t start = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') at++;
        return at > start;
    };
    if (at < text.size() && text[at] == '-') at++;
    bool leading_zero = at < text.size() && text[at] == '0';
    std::size_t integer = at;
    if (!digits() || (leading_zero && at > integer + 1)) return false;
    if (at < text.size() && text[at] == '.') {
        at++;
        if (!digits()) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) at++;
        if (!digits()) return false;
    }
    return at == text.size();
}

bool IsNullWord(std::string_view text) {
    auto same = [&](std::size_t i, char upper) { return text[i] == upper || text[i] == upper + ('a' - 'A'); };
    return text.size() == 4 && same(0, 'N') && same(1, 'U') && same(2, 'L') && same(3, 'L');
}

[[noreturn]] void ThrowNotOfType(std::string_view type, std::string_view value) {
    throw Error(Code::kCorrupt, fmt::format("a value of COPY data is not {}", type),
                fmt::format("it has {} bytes", value.size()));
}

}    // namespace

JsonKind JsonKindOf(std::uint32_t type_oid) {
    switch (type_oid) {    // pg_type.dat
    case 16: return JsonKind::kBoolean;
    case 20:      // int8
    case 21:      // int2
    case 23:      // int4
    case 700:     // float4
    case 701:     // float8
    case 1700:    // numeric
        return JsonKind::kNumber;
    case 114:     // json
    case 3802:    // jsonb
        return JsonKind::kJson;
    default: return JsonKind::kString;
    }
}

CopyToJson::CopyToJson(const std::vector<JsonColumn> &columns) {
    for (const JsonColumn &column : columns) {
        std::string key = columns_.empty() ? "" : ",";
        AppendString(column.name, key);
        columns_.push_back({key + ":", column.kind, column.is_array});
    }
}

void CopyToJson::AppendRow(std::string_view row, std::string &to) {
    SplitCopyRow(row, columns_.size(), fields_);
    to += '{';
    for (std::size_t i = 0; i < columns_.size(); i++) {
        to += columns_[i].key;
        std::optional<std::string_view> value = UnescapeCopyField(fields_[i], scratch_);
        if (!value)
            to += "null";
        else if (columns_[i].is_array)
            AppendArray(*value, columns_[i].kind, to);
        else
            AppendScalar(*value, columns_[i].kind, to);
    }
    to += '}';
}

void CopyToJson::AppendScalar(std::string_view value, JsonKind kind, std::string &to) {
    switch (kind) {
    case JsonKind::kBoolean:
        if (value != "t" && value != "f") ThrowNotOfType("a boolean", value);
        to += value == "t" ? "true" : "false";
        return;
    case JsonKind::kNumber:
        if (!IsJsonNumber(value)) return AppendString(value, to);
        to += value;
        return;
    case JsonKind::kJson: {
        std::size_t start = to.size();
        AppendUtf8(value, to);
        for (std::size_t i = start; i < to.size(); i++)
            if (static_cast<unsigned char>(to[i]) < 0x20) to[i] = ' ';
        return;
    }
    case JsonKind::kString: return AppendString(value, to);
    }
}

void CopyToJson::AppendString(std::string_view value, std::string &to) {
    to += '"';
    std::size_t plain = 0;
    for (std::size_t i = 0; i < value.size(); i++) {
        auto c = static_cast<unsigned char>(value[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        AppendUtf8(value.substr(plain, i - plain), to);
        plain = i + 1;
        switch (c) {
        case '\b': to += "\\b"; break;
        case '\f': to += "\\f"; break;
        case '\n': to += "\\n"; break;
        case '\r': to += "\\r"; break;
        case '\t': to += "\\t"; break;
        case '"': to += "\\\""; break;
        case '\\': to += "\\\\"; break;
        default: to += fmt::format("\\u{:04x}", c);
        }
    }
    AppendUtf8(value.substr(plain), to);
    to += '"';
}

// An array as array_out prints it: [bounds]={elements}. The bounds are not in JSON.
void CopyToJson::AppendArray(std::string_view literal, JsonKind kind, std::string &to) {
    std::size_t at = literal.starts_with('[') ? literal.find("={") + 1 : 0;    // not found: 0, which is no brace
    if (AppendElements(literal, at, kind, 1, to) != literal.size()) ThrowNotOfType("an array", literal);
}

// Reads a brace and its elements from `at`; returns where the matching brace ends.
std::size_t CopyToJson::AppendElements(std::string_view literal, std::size_t at, JsonKind kind, int depth,
                                       std::string &to) {
    auto here = [&] { return at < literal.size() ? literal[at] : '\0'; };
    if (here() != '{' || depth > kMaxDimensions) ThrowNotOfType("an array", literal);
    to += '[';
    at++;
    if (here() == '}') {
        to += ']';
        return at + 1;
    }
    for (;;) {
        if (here() == '{') {
            at = AppendElements(literal, at, kind, depth + 1, to);
        } else {
            bool quoted = here() == '"';
            element_.clear();
            at += quoted ? 1 : 0;
            while (at < literal.size() && (quoted ? literal[at] != '"' : literal[at] != ',' && literal[at] != '}')) {
                if (literal[at] == '\\') at++;
                if (at < literal.size()) element_ += literal[at++];
            }
            if (quoted && here() != '"') ThrowNotOfType("an array", literal);
            at += quoted ? 1 : 0;
            if (!quoted && element_.empty()) ThrowNotOfType("an array", literal);
            if (!quoted && IsNullWord(element_))
                to += "null";
            else
                AppendScalar(element_, kind, to);
        }
        char next = here();
        at++;
        if (next == '}') break;
        if (next != ',') ThrowNotOfType("an array", literal);
        to += ',';
    }
    to += ']';
    return at;
}

void CopyToJson::AppendUtf8(std::string_view text, std::string &to) {
    std::size_t plain = 0;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = static_cast<unsigned char>(text[i]) < 0x80 ? 1 : Utf8Length(text.substr(i));
        if (length > 0) {
            i += length;
            continue;
        }
        to += text.substr(plain, i - plain);
        to += "\xEF\xBF\xBD";
        replaced_++;
        plain = ++i;
    }
    to += text.substr(plain);
}

}    // namespace ark
