#include "pgdata/copy_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ark {
namespace {

int HexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Reads up to `digits` digits of the base at `at`, which it moves behind them.
char Numeral(std::string_view field, std::size_t &at, int base, int digits) {
    int value = 0;
    for (; digits > 0 && at < field.size(); digits--, at++) {
        int digit = HexDigit(field[at]);
        if (digit < 0 || digit >= base) break;
        value = value * base + digit;
    }
    return static_cast<char>(value & 0xFF);
}

// What stands behind a backslash, as CopyReadAttributesText (PostgreSQL, copyfromparse.c) reads it.
char Escaped(std::string_view field, std::size_t &at) {
    char c = field[at++];
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case 'x':
        if (at < field.size() && HexDigit(field[at]) >= 0) return Numeral(field, at, 16, 2);
        return c;
    default:
        if (c >= '0' && c <= '7') return Numeral(field, --at, 8, 3);
        return c;
    }
}

}    // namespace

void CopyRowScanner::Feed(ByteView block, const std::function<void(std::string_view)> &row) {
    std::string_view text = AsText(block);
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
        if (pending_.empty()) {
            row(text.substr(0, end));
        } else {
            pending_ += text.substr(0, end);
            row(pending_);
            pending_.clear();
        }
        text.remove_prefix(end + 1);
    }
    pending_ += text;
}

void CopyRowScanner::Finish() const {
    if (!pending_.empty())
        throw Error(Code::kCorrupt, "the last row of COPY data is not complete",
                    fmt::format("{} bytes without a newline", pending_.size()));
}

std::uint64_t CountRows(ByteView block) {
    std::string_view text = AsText(block);
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

std::size_t LastRowEnd(ByteView block) {
    std::size_t last = AsText(block).rfind('\n');
    return last == std::string_view::npos ? 0 : last + 1;
}

void SplitCopyRow(std::string_view row, std::size_t columns, std::vector<std::string_view> &fields) {
    fields.clear();
    if (columns == 0 && row.empty()) return;
    for (std::size_t tab = row.find('\t'); tab != std::string_view::npos; tab = row.find('\t')) {
        fields.push_back(row.substr(0, tab));
        row.remove_prefix(tab + 1);
    }
    fields.push_back(row);
    if (fields.size() != columns)
        throw Error(Code::kCorrupt, "a row of COPY data does not have the fields of its table",
                    fmt::format("{} instead of {}", fields.size(), columns));
}

std::optional<std::string_view> UnescapeCopyField(std::string_view field, std::string &scratch) {
    if (field == "\\N") return std::nullopt;
    std::size_t at = field.find('\\');
    if (at == std::string_view::npos) return field;
    scratch.clear();
    std::size_t plain = 0;
    while (at != std::string_view::npos) {
        scratch += field.substr(plain, at - plain);
        at++;
        if (at == field.size() || field[at] == '.')
            throw Error(Code::kCorrupt, "could not read a field of COPY data", "a backslash that escapes nothing");
        scratch += Escaped(field, at);
        plain = at;
        at = field.find('\\', plain);
    }
    scratch += field.substr(plain);
    return scratch;
}

void AppendCopyField(std::optional<std::string_view> value, std::string &to) {
    if (!value) {
        to += "\\N";
        return;
    }
    for (char c : *value) {
        switch (c) {
        case '\b': to += "\\b"; break;
        case '\f': to += "\\f"; break;
        case '\n': to += "\\n"; break;
        case '\r': to += "\\r"; break;
        case '\t': to += "\\t"; break;
        case '\v': to += "\\v"; break;
        case '\\': to += "\\\\"; break;
        default: to += c;
        }
    }
}

}    // namespace ark
