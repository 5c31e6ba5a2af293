#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/url.h"
#include "storage/file_storage.h"
#include "storage/limit.h"
#include "storage/memory_storage.h"
#include "storage/retry.h"
#include "storage/s3/s3_storage.h"

namespace ark {
namespace {

constexpr std::array<std::string_view, 2> kParameters{"ack", "name"};    // of file and memory stores
// A directory that fails for longer than this fails for good; a hard NFS mount waits by itself.
constexpr RetrySettings kFileRetry{.first_delay = std::chrono::milliseconds(50),
                                   .longest_delay = std::chrono::seconds(5),
                                   .deadline = std::chrono::minutes(1)};

constexpr RetrySettings kHurriedRetry{.first_delay = std::chrono::milliseconds(100),
                                      .longest_delay = std::chrono::seconds(1),
                                      .deadline = std::chrono::seconds(2)};

Error Refused(Url url, std::string why, std::string hint) {
    url.parameters.clear();    // somebody may have put a key there
    return Error(Code::kInvalidArgument, fmt::format("store URL \"{}\" is not valid: {}", url.ToString(), why), {},
                 std::move(hint));
}

void CheckParameters(const Url &url) {
    for (const auto &[key, value] : url.parameters)
        if (std::ranges::find(kParameters, key) == kParameters.end())
            throw Error(Code::kInvalidArgument, fmt::format("store parameter \"{}\" is not known", key), {},
                        fmt::format("A {} store has: {}.", url.scheme, fmt::join(kParameters, ", ")));
}

void CheckAck(const Url &url) {
    auto ack = url.parameters.find("ack");
    if (ack != url.parameters.end() && ack->second != "required" && ack->second != "async")
        throw Refused(url, fmt::format("ack is \"{}\"", ack->second), "Write ack=required or ack=async.");
}

// The directory of a file URL, without slashes at its end.
std::string FilePath(const Url &url) {
    constexpr std::string_view kHint =
        "Write file:///var/backups/ark: three slashes, and an absolute path of a directory.";
    if (!(url.host.empty() || url.host == "localhost") || url.port != 0)
        throw Refused(url, "it names a host", std::string(kHint));
    std::string path = url.path;
    while (path.ends_with('/')) path.pop_back();
    if (path.empty()) throw Refused(url, "it names no directory", std::string(kHint));
    return path;
}

void CheckUrl(const Url &url, std::string_view tls_min_version) {
    CheckAck(url);
    if (url.scheme == "s3") {
        ParseS3Settings(url, tls_min_version, {});
        return;
    }
    if (url.scheme != "file" && url.scheme != "memory")
        throw Refused(url, fmt::format("there is no kind of store \"{}\"", url.scheme),
                      "The kinds are s3:// and file://.");
    CheckParameters(url);
    if (url.scheme == "file")
        FilePath(url);
    else if (url.host.empty() || !url.path.empty())
        throw Refused(url, "it names no store in memory", "Write memory://name.");
}

}    // namespace

std::vector<StoreSettings> ParseStoreList(std::string_view text, std::string_view tls_min_version,
                                          std::uint64_t max_rate) {
    std::vector<StoreSettings> stores;
    while (!text.empty()) {
        std::size_t comma = text.find(',');
        std::string_view one = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
        one.remove_prefix(std::min(one.find_first_not_of(" \t\r\n"), one.size()));
        one = one.substr(0, one.find_last_not_of(" \t\r\n") + 1);
        if (one.empty()) continue;
        Url url = ParseUrl(one);
        CheckUrl(url, tls_min_version);
        auto given = url.parameters.find("name");
        std::string name = given != url.parameters.end() ? given->second : url.Label();
        if (name.empty()) throw Refused(url, "its name is empty", "Write name=eu or leave the parameter out.");
        if (std::ranges::any_of(stores, [&](const StoreSettings &other) { return other.name == name; }))
            throw Refused(url, fmt::format("another store has the name \"{}\" too", name),
                          "Give each store a name of its own with the parameter name, for example ?name=eu.");
        stores.push_back({std::string(one), std::string(tls_min_version), max_rate, std::move(name)});
    }
    if (stores.empty())
        throw Error(
            Code::kInvalidArgument, "the list of stores is empty", {},
            "Set ark.store to a URL, for example s3://bucket/prefix?region=eu-central-1 or file:///var/backups/ark.");
    return stores;
}

StoragePtr OpenStorage(const StoreSettings &settings, Ticker &ticker, Log &log) {
    Url url = ParseUrl(settings.url);
    CheckUrl(url, settings.tls_min_version);
    RetrySettings retry = settings.hurry ? kHurriedRetry : url.scheme == "file" ? kFileRetry : RetrySettings{};
    auto policy = std::make_shared<RetryPolicy>(retry, SystemClock(), SystemRandom(), ticker, log);
    StoragePtr storage;
    if (url.scheme == "s3")
        storage = OpenS3Storage(settings, url, policy, SystemClock(), ticker);
    else if (url.scheme == "file")
        storage = MakeFileStorage(FilePath(url), ticker);
    else
        storage = OpenMemoryStorage(url.host, ticker);
    if (settings.max_rate > 0)
        storage =
            MakeLimitStorage(std::move(storage), std::make_shared<RateLimit>(settings.max_rate, SystemClock(), ticker));
    return MakeRetryStorage(std::move(storage), std::move(policy));
}

}    // namespace ark
