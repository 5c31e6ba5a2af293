#include <fmt/format.h>

#include <charconv>

#include "storage/s3/store.h"

namespace ark::s3 {
namespace {

// HEAD has no body, so that a refusal has no words. The same question by GET has both.
Reply AskInWords(Store &store, const std::string &key, const std::string &doing) {
    return store.client.Send({.method = "GET", .key = key, .headers = {{"range", "bytes=0-0"}}}, doing,
                             {Kind::kAbsent, Kind::kRange});
}

}    // namespace

std::string HeaderOf(const HttpAnswer &answer, std::string_view name) {
    const std::string *value = answer.Header(name);
    return value ? *value : std::string();
}

std::optional<HttpAnswer> Head(Store &store, std::string_view name) {
    std::string doing = fmt::format("could not look at \"{}\"", name);
    std::string key = store.KeyOf(name);
    Call call{.method = "HEAD", .key = key};
    Reply reply = store.client.Send(call, doing, {Kind::kAbsent, Kind::kDenied, Kind::kRefused});
    if (reply.kind() == Kind::kAbsent && store.traits.bucket_seen) return std::nullopt;
    if (reply.kind() != Kind::kNone) {
        if (AskInWords(store, key, doing).kind() == Kind::kAbsent) {
            store.traits.bucket_seen = true;
            return std::nullopt;
        }
        reply = store.client.Send(call, doing);    // it is there: created since, or the refusal was a passing one
    }
    store.traits.bucket_seen = true;
    return std::move(reply.answer);
}

ObjectInfo InfoOf(std::string_view name, const HttpAnswer &head) {
    ObjectInfo info;
    info.name = name;
    std::string length = HeaderOf(head, "content-length");
    auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), info.size);
    if (error != std::errc() || end != length.data() + length.size())
        throw Error(Code::kCorrupt, fmt::format("could not look at \"{}\"", name),
                    fmt::format("the store answered Content-Length \"{}\"", length));
    info.modified = ParseHttpDate(HeaderOf(head, "last-modified"));
    return info;
}

}    // namespace ark::s3
