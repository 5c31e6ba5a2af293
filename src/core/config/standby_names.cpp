#include "config/standby_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// As servers compare names: letters of ASCII in any case.
bool Same(std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, [](char a, char b) { return Lower(a) == Lower(b); });
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool BeginsWord(char c) { return (Lower(c) >= 'a' && Lower(c) <= 'z') || c == '_' || (c & 0x80) != 0; }
bool InWord(char c) { return BeginsWord(c) || IsDigit(c) || c == '$'; }

[[noreturn]] void Refuse(std::string_view text) {
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no list of standbys", text), {},
                "It is FIRST n (name, ...), ANY n (name, ...), or names with commas between them.");
}

struct Token {
    enum class Kind { kEnd, kName, kNumber, kSign };
    Kind kind = Kind::kEnd;
    bool quoted = false;
    std::string text;
    bool Is(char sign) const { return kind == Kind::kSign && text[0] == sign; }
    bool IsWord(std::string_view word) const { return kind == Kind::kName && !quoted && Same(text, word); }
};

std::vector<Token> Tokens(std::string_view text) {
    std::vector<Token> tokens;
    for (std::size_t at = 0; (at = text.find_first_not_of(kSpace, at)) != std::string_view::npos;) {
        std::size_t begin = at;
        Token token;
        char c = text[at++];
        if (c == '"') {
            token.kind = Token::Kind::kName;
            token.quoted = true;
            for (;; at++) {
                if (at >= text.size()) Refuse(text);
                if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
                if (text[at] == '"') at++;
                token.text += text[at];
            }
            at++;
        } else if (IsDigit(c) || BeginsWord(c)) {
            token.kind = IsDigit(c) ? Token::Kind::kNumber : Token::Kind::kName;
            while (at < text.size() && (IsDigit(c) ? IsDigit(text[at]) : InWord(text[at]))) at++;
            token.text = text.substr(begin, at - begin);
        } else if (c == '*') {
            token.kind = Token::Kind::kName;
            token.text = "*";
        } else if (c == ',' || c == '(' || c == ')') {
            token.kind = Token::Kind::kSign;
            token.text = c;
        } else {
            Refuse(text);
        }
        tokens.push_back(std::move(token));
    }
    tokens.emplace_back();
    return tokens;
}

std::string Quoted(const std::string &name) {
    std::string quoted = "\"";
    for (char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
}

}    // namespace

StandbyNames ParseStandbyNames(std::string_view text) {
    std::vector<Token> tokens = Tokens(text);
    StandbyNames result;
    auto token = tokens.begin();
    if (token->kind == Token::Kind::kEnd) return result;
    result.count = 1;
    bool method = token->IsWord("any") || token->IsWord("first");
    if (method) result.any = (token++)->IsWord("any");
    bool parenthesis = false;
    if (token->kind == Token::Kind::kNumber && (token + 1)->Is('(')) {
        auto [end, fault] = std::from_chars(token->text.data(), token->text.data() + token->text.size(), result.count);
        if (fault != std::errc() || result.count == 0) Refuse(text);
        token += 2;
        parenthesis = true;
    } else if (method) {
        Refuse(text);
    }
    for (;; token++) {
        bool name = token->kind == Token::Kind::kName && !token->IsWord("any") && !token->IsWord("first");
        if (!name && token->kind != Token::Kind::kNumber) Refuse(text);
        result.names.push_back((token++)->text);
        if (!token->Is(',')) break;
    }
    if (parenthesis && !(token++)->Is(')')) Refuse(text);
    if (token->kind != Token::Kind::kEnd) Refuse(text);
    return result;
}

bool NamesStandby(std::string_view text, std::string_view name) noexcept try {
    return std::ranges::any_of(ParseStandbyNames(text).names, [&](const std::string &one) { return Same(one, name); });
} catch (const std::exception &) {
    return false;
}

bool NamesNobody(std::string_view text) noexcept try {
    return ParseStandbyNames(text).count == 0;
} catch (const std::exception &) {
    return false;
}

std::string OverNobody(std::string_view name) { return fmt::format("FIRST 1 ({})", name); }

std::string WithStandby(std::string_view own, std::string_view name) {
    StandbyNames names = ParseStandbyNames(own);
    if (names.count == 0) return std::string(name);
    auto refuse = [&](std::string why) {
        throw Error(Code::kConflict,
                    fmt::format("synchronous_standby_names = '{}' cannot be made to wait for the store too", own), why,
                    "Name exactly as many standbys as are waited for, each once and none by *; or leave it empty.");
    };
    std::string list(name);
    for (const std::string &one : names.names) {
        if (one == "*") refuse("With * any standby may answer in the store's place.");
        if (Same(one, name)) refuse(fmt::format("It names {} itself.", name));
        if (std::ranges::count_if(names.names, [&](const std::string &other) { return Same(one, other); }) > 1)
            refuse(fmt::format("It names \"{}\" twice.", one));
        list += ", " + Quoted(one);
    }
    if (names.count != names.names.size())
        refuse(
            fmt::format("It waits for {} of {} standbys, and while the store's is away another would answer in its "
                        "place.",
                        names.count, names.names.size()));
    return fmt::format("FIRST {} ({})", names.count + 1, list);
}

}    // namespace ark
