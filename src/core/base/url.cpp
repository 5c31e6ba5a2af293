#include "base/url.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {

Url ParseUrl(std::string_view text) {
    auto fail = [&](std::string_view why) -> Error {
        // Where an '@' is, a password may be; parameters may hold what somebody took for the place of a key.
        std::string_view shown = text.find('@') == std::string_view::npos ? text.substr(0, text.find('?')) : "***";
        return Error(Code::kInvalidArgument, fmt::format("store URL \"{}\" is not valid: {}", shown, why), {},
                     "Write s3://bucket/prefix?region=eu-central-1&name=eu or file:///var/backups/ark.");
    };
    Url url;
    std::size_t colon = text.find("://");
    if (colon == std::string_view::npos || colon == 0) throw fail("there is no scheme");
    for (char c : text.substr(0, colon)) {
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.')
            throw fail("the scheme has a strange character");
        url.scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    std::string_view rest = text.substr(colon + 3);
    std::string_view query;
    if (std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
        query = rest.substr(mark + 1);
        rest = rest.substr(0, mark);
    }
    std::size_t slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    if (authority.find('@') != std::string_view::npos)
        throw Error(Code::kInvalidArgument, "a store URL must not carry a user name or password", {},
                    "Put credentials where the AWS command line looks for them: environment, ~/.aws/credentials or an "
                    "instance role.");
    std::size_t address = authority.starts_with('[') ? authority.find(']') : 0;    // of IP version 6, with its colons
    if (address == std::string_view::npos) throw fail("an address in brackets does not end");
    if (std::size_t mark = authority.find(':', address); mark != std::string_view::npos) {
        std::string_view port = authority.substr(mark + 1);
        auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (error != std::errc() || end != port.data() + port.size() || url.port < 1 || url.port > 65535)
            throw fail("the port is not a number from 1 to 65535");
        authority = authority.substr(0, mark);
    }
    try {
        url.host = PercentDecode(authority);
        if (slash != std::string_view::npos) url.path = PercentDecode(rest.substr(slash));
        while (!query.empty()) {
            std::size_t end = query.find('&');
            std::string_view pair = query.substr(0, end);
            query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
            if (pair.empty()) continue;
            std::size_t equals = pair.find('=');
            if (equals == std::string_view::npos || equals == 0) throw fail("a parameter is not of the form key=value");
            auto [at, inserted] =
                url.parameters.emplace(PercentDecode(pair.substr(0, equals)), PercentDecode(pair.substr(equals + 1)));
            if (!inserted) throw fail(fmt::format("parameter \"{}\" is given twice", at->first));
        }
    } catch (const Error &e) {
        if (e.hint.empty()) throw fail(e.message);
        throw;
    }
    auto check = [&](const std::string &part) {
        if (part.find('\0') != std::string::npos) throw fail("it contains a zero byte");
    };
    check(url.host);
    check(url.path);
    for (const auto &[key, value] : url.parameters) {
        check(key);
        check(value);
    }
    return url;
}

std::string Url::Label() const {
    if (scheme != "file") return host;
    std::string_view name = path;
    while (name.ends_with('/')) name.remove_suffix(1);
    return std::string(name.substr(name.rfind('/') + 1));
}

std::string Url::ToString() const {
    std::string out = scheme + "://" + PercentEncode(host);
    if (port != 0) out += fmt::format(":{}", port);
    out += PercentEncode(path, true);
    char mark = '?';
    for (const auto &[key, value] : parameters) {
        out += mark + PercentEncode(key) + "=" + PercentEncode(value, true);
        mark = '&';
    }
    return out;
}

}    // namespace ark
