#include "config/shapes.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "base/url.h"

namespace ark::shape {
namespace {

bool IsAlnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) && static_cast<unsigned char>(c) < 0x80; }
bool HasControl(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

const char *Store(std::string_view text) {
    constexpr const char *kWords =
        "be URLs such as s3://bucket/prefix or file:///srv/backups, with commas between several";
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    if (!text.starts_with("s3://") && !text.starts_with("file:///")) return kWords;
    try {
        ParseUrl(text);
    } catch (const Error &) {
        return kWords;
    }
    return nullptr;
}

// Of a keyword/value string or of a URI: is this keyword given?
bool HasKeyword(std::string_view conninfo, std::string_view keyword) {
    std::string lower(conninfo);
    for (char &c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (std::size_t at = 0; (at = lower.find(keyword, at)) != std::string::npos; at += keyword.size()) {
        bool begins =
            at == 0 || lower[at - 1] == ' ' || lower[at - 1] == '?' || lower[at - 1] == '&' || lower[at - 1] == '\t';
        std::size_t end = lower.find_first_not_of(" \t", at + keyword.size());
        if (begins && end != std::string::npos && lower[end] == '=') return true;
    }
    return false;
}

}    // namespace

const char *Stores(std::string_view text) {
    for (;;) {
        std::size_t comma = text.find(',');
        if (const char *fault = Store(text.substr(0, comma))) return fault;
        if (comma == std::string_view::npos) return nullptr;
        text.remove_prefix(comma + 1);
    }
}

const char *ClusterName(std::string_view text) {
    std::string_view name = text.substr(0, text.find('.'));
    bool ok = name.size() <= 63 &&
              std::all_of(name.begin(), name.end(), [](char c) { return IsAlnum(c) || c == '_' || c == '-'; });
    if (ok && name.size() < text.size()) {    // the full path: name.systemidentifier
        std::string_view identifier = text.substr(name.size() + 1);
        ok = !name.empty() && !identifier.empty() && identifier.size() <= 20 &&
             std::all_of(identifier.begin(), identifier.end(), [](char c) { return c >= '0' && c <= '9'; });
    }
    return ok ? nullptr : "be at most 63 characters of A-Z a-z 0-9 _ -, or a full path name.systemidentifier";
}

const char *DatabaseName(std::string_view text) {
    return text.size() < 64 && !HasControl(text) ? nullptr : "be the name of a database, at most 63 bytes";
}

const char *ConnectionString(std::string_view text) {
    if (HasControl(text)) return "be one line";
    std::size_t scheme = text.find("://");
    if (scheme != std::string_view::npos && text.starts_with("postgres")) {
        std::string_view authority = text.substr(scheme + 3);
        authority = authority.substr(0, authority.find_first_of("/?"));
        std::size_t user_end = authority.find('@');
        if (user_end != std::string_view::npos && authority.substr(0, user_end).find(':') != std::string_view::npos)
            return "not contain a password; use a password file (passfile=)";
    }
    return HasKeyword(text, "password") || HasKeyword(text, "sslpassword")
               ? "not contain a password; use a password file (passfile=)"
               : nullptr;
}

const char *AbsolutePath(std::string_view text) {
    return text.starts_with('/') && !HasControl(text) ? nullptr : "be an absolute path";
}

const char *Compression(std::string_view text) {
    constexpr const char *kWords = "be zstd or zstd:1 to zstd:19, gzip or gzip:1 to gzip:9, or none";
    if (text == "none" || text == "zstd" || text == "gzip") return nullptr;
    int most = text.starts_with("zstd:") ? 19 : text.starts_with("gzip:") ? 9 : 0;
    if (most == 0) return kWords;
    int level = 0;
    const char *end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data() + 5, end, level);
    return error == std::errc() && stop == end && level >= 1 && level <= most ? nullptr : kWords;
}

const char *SecretReference(std::string_view text) {
    constexpr const char *kWords = "be a reference: file:/path, env:NAME, or command:LINE; never the key itself";
    std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon + 1 == text.size() || HasControl(text)) return kWords;
    std::string_view kind = text.substr(0, colon), rest = text.substr(colon + 1);
    if (kind == "file") return rest.starts_with('/') ? nullptr : kWords;
    if (kind == "env")
        return std::all_of(rest.begin(), rest.end(), [](char c) { return IsAlnum(c) || c == '_'; }) ? nullptr : kWords;
    return kind == "command" ? nullptr : kWords;
}

const char *ZoneName(std::string_view text) {
    bool ok = text.size() <= 100 && !text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) {
                  return IsAlnum(c) || c == '_' || c == '-' || c == '+' || c == '/';
              });
    return ok ? nullptr : "be the name of an IANA time zone such as UTC or Europe/Vienna";
}

const char *ShortLabel(std::string_view text) {
    return text.size() <= 100 && !HasControl(text) ? nullptr : "be one line of at most 100 bytes";
}

}    // namespace ark::shape
