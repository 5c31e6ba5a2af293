#include "storage/s3/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::array kKnown{"name",    "region",        "endpoint", "profile",   "path_style", "sse",
                            "kms_key", "storage_class", "ca_file",  "max_parts", "ack"};

Error Invalid(std::string_view parameter, std::string_view value, std::string hint) {
    return Error(Code::kInvalidArgument, fmt::format("store parameter {}=\"{}\" is not valid", parameter, value), {},
                 std::move(hint));
}

void CheckKnown(const Url &url) {
    for (const auto &[key, value] : url.parameters)
        if (std::ranges::find(kKnown, key) == kKnown.end())
            throw Error(Code::kInvalidArgument, fmt::format("store parameter \"{}\" is not known", key), {},
                        fmt::format("An s3 store has: {}.", fmt::join(kKnown, ", ")));
}

bool ParseSwitch(std::string_view parameter, const std::string &value) {
    for (std::string_view yes : {"true", "on", "yes", "1"})
        if (value == yes) return true;
    for (std::string_view no : {"false", "off", "no", "0"})
        if (value == no) return false;
    throw Invalid(parameter, value, "Write on or off.");
}

void CheckBucket(const std::string &bucket) {
    bool good = bucket.size() >= 3 && bucket.size() <= 63 && std::ranges::all_of(bucket, [](unsigned char c) {
                    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                           c == '-' || c == '_';
                });
    if (!good)
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the name of a bucket", bucket), {},
                    "Write s3://bucket/prefix, with 3 to 63 letters, digits, dots and hyphens for the bucket.");
}

// "https://host:port" from what a person writes; https unless http is said aloud.
std::string ParseEndpoint(const std::string &text) {
    constexpr std::string_view kHint = "Write endpoint=https://host:port, without a path.";
    Url url = ParseUrl(text.find("://") == std::string::npos ? "https://" + text : text);
    bool good = (url.scheme == "https" || url.scheme == "http") && !url.host.empty() &&
                (url.path.empty() || url.path == "/") && url.parameters.empty();
    if (!good) throw Invalid("endpoint", text, std::string(kHint));
    return fmt::format("{}://{}{}", url.scheme, url.host, url.port == 0 ? "" : fmt::format(":{}", url.port));
}

std::string TrimSlashes(std::string_view path) {
    while (path.starts_with('/')) path.remove_prefix(1);
    while (path.ends_with('/')) path.remove_suffix(1);
    return std::string(path);
}

}    // namespace

bool IsRegionName(std::string_view text) {
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
}

S3Settings ParseS3Settings(const Url &url, std::string_view tls_min_version, std::string_view default_region) {
    CheckKnown(url);
    CheckBucket(url.host);
    if (url.port != 0)
        throw Error(Code::kInvalidArgument, fmt::format("store URL \"s3://{}:{}\" names a port", url.host, url.port),
                    {}, "After s3:// comes the bucket; another server is endpoint=https://host:port.");
    auto get = [&](const std::string &key) {
        auto at = url.parameters.find(key);
        return at == url.parameters.end() ? std::string() : at->second;
    };
    S3Settings settings;
    settings.bucket = url.host;
    settings.prefix = TrimSlashes(url.path);
    if (!get("region").empty())
        settings.region = get("region");
    else if (!default_region.empty())
        settings.region = default_region;
    if (!IsRegionName(settings.region))
        throw Invalid("region", settings.region, "Write a region's name, for example eu-central-1.");
    if (!get("endpoint").empty()) settings.endpoint = ParseEndpoint(get("endpoint"));
    settings.profile = get("profile");
    // Other stores seldom have a name in the DNS for each bucket; a dot in the name does not match Amazon's certificate.
    settings.path_style = !settings.endpoint.empty() || settings.bucket.find('.') != std::string::npos;
    if (!get("path_style").empty()) settings.path_style = ParseSwitch("path_style", get("path_style"));
    settings.sse = get("sse");
    settings.kms_key = get("kms_key");
    if (!settings.kms_key.empty() && settings.sse.empty()) settings.sse = "aws:kms";
    if (!settings.sse.empty() && settings.sse != "AES256" && settings.sse != "aws:kms")
        throw Invalid("sse", settings.sse, "Write AES256 or aws:kms.");
    if (!settings.kms_key.empty() && settings.sse != "aws:kms")
        throw Invalid("kms_key", settings.kms_key, "A KMS key needs sse=aws:kms.");
    settings.storage_class = get("storage_class");
    if (std::string parts = get("max_parts"); !parts.empty()) {
        auto [end, error] = std::from_chars(parts.data(), parts.data() + parts.size(), settings.max_parts);
        if (error != std::errc() || end != parts.data() + parts.size() || settings.max_parts < 10 ||
            settings.max_parts > 10000)
            throw Invalid("max_parts", parts, "Write a number from 10 to 10000.");
    }
    settings.http.ca_file = get("ca_file");
    settings.http.tls_min_version = tls_min_version;
    return settings;
}

std::string S3Settings::Describe() const { return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix); }

}    // namespace ark
