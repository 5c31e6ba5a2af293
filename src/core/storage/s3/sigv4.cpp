#include "storage/s3/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/digest.h"
#include "base/encoding.h"

namespace ark::s3 {
namespace {

std::string LowerCase(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// Without spaces around, and with one where there were several.
std::string Trimmed(std::string_view value) {
    std::string out;
    for (char c : value) {
        bool space = c == ' ' || c == '\t';
        if (!space)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

Fields CanonicalHeaders(const Fields &headers) {
    Fields out;
    for (const auto &[name, value] : headers) out.emplace_back(LowerCase(name), Trimmed(value));
    std::ranges::stable_sort(out, {}, &Field::first);
    return out;
}

}    // namespace

std::string SigningScope::Date() const { return CompactTime(time).substr(0, 8); }

std::string SigningScope::ToString() const { return fmt::format("{}/{}/{}/aws4_request", Date(), region, service); }

std::string EncodePath(std::string_view path) { return PercentEncode(path, true); }

std::string CanonicalQuery(Fields query) {
    for (auto &[name, value] : query) {
        name = PercentEncode(name);
        value = PercentEncode(value);
    }
    std::ranges::sort(query);
    std::string out;
    for (const auto &[name, value] : query) out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, value);
    return out;
}

std::string SignedHeaders(const Fields &headers) {
    std::string out;
    for (const auto &[name, value] : CanonicalHeaders(headers)) out += (out.empty() ? "" : ";") + name;
    return out;
}

std::string CanonicalRequest(std::string_view method, std::string_view path, const Fields &query, const Fields &headers,
                             std::string_view payload_sha256) {
    std::string lines;
    for (const auto &[name, value] : CanonicalHeaders(headers)) lines += fmt::format("{}:{}\n", name, value);
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, path, CanonicalQuery(query), lines, SignedHeaders(headers),
                       payload_sha256);
}

std::string StringToSign(std::string_view canonical_request, const SigningScope &scope) {
    return fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", CompactTime(scope.time), scope.ToString(),
                       Sha256Hex(AsBytes(canonical_request)));
}

std::string Signature(std::string_view string_to_sign, const Secret &secret_key, const SigningScope &scope) {
    Secret start("AWS4" + secret_key.Reveal());
    Sha256Digest key = HmacSha256(AsBytes(start.Reveal()), AsBytes(scope.Date()));
    key = HmacSha256(key, AsBytes(scope.region));
    key = HmacSha256(key, AsBytes(scope.service));
    key = HmacSha256(key, AsBytes("aws4_request"));
    return HexEncode(HmacSha256(key, AsBytes(string_to_sign)));
}

void Sign(std::string_view method, std::string_view path, const Fields &query, std::string_view payload_sha256,
          const SigningKey &key, const SigningScope &scope, Fields &headers) {
    headers.emplace_back("x-amz-date", CompactTime(scope.time));
    headers.emplace_back("x-amz-content-sha256", payload_sha256);
    if (!key.session_token.empty()) headers.emplace_back("x-amz-security-token", key.session_token.Reveal());
    std::string signature = Signature(
        StringToSign(CanonicalRequest(method, path, query, headers, payload_sha256), scope), key.secret_key, scope);
    headers.emplace_back("Authorization",
                         fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}", key.access_key,
                                     scope.ToString(), SignedHeaders({headers.begin(), headers.end()}), signature));
}

}    // namespace ark::s3
