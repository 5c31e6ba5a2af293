#include "repo/header.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kMagic = "pg_ark";
constexpr std::string_view kUpgradeHint = "Use the newer pg_ark that wrote it.";

Error Refuse(std::string_view id, std::string_view why) {
    return Error(Code::kCorrupt, fmt::format("object \"{}\" is not what it should be: {}", id, why));
}

const Json &Member(const Json &json, const char *member, std::string_view what) {
    auto at = json.is_object() ? json.find(member) : json.end();
    if (!json.is_object() || at == json.end())
        throw Error(Code::kCorrupt, fmt::format("{} has no member \"{}\"", what, member));
    return *at;
}

Error WrongType(const char *member, std::string_view what) {
    return Error(Code::kCorrupt, fmt::format("member \"{}\" of {} has a wrong type", member, what));
}

// Version 1 knows no features, so any name in `required` is unknown.
void CheckFeatures(const Json &json, std::string_view id) {
    const Json &required = Member(json, "required", fmt::format("the header of \"{}\"", id));
    if (!required.is_array()) throw Refuse(id, "\"required\" is not an array");
    if (required.empty()) return;
    std::string names;
    for (const Json &feature : required)
        names += (names.empty() ? "" : ", ") + (feature.is_string() ? feature.get<std::string>() : JsonText(feature));
    throw Error(Code::kUnsupported, fmt::format("object \"{}\" needs features that this pg_ark does not know", id),
                fmt::format("They are: {}.", names), std::string(kUpgradeHint));
}

}    // namespace

std::string JsonText(const Json &json) {
    try {
        return json.dump();
    } catch (const Json::exception &e) {
        throw Error(Code::kInvalidArgument, "a value cannot be written as JSON", e.what());
    }
}

Json ParseJson(std::string_view text, std::string_view what) {
    try {
        return Json::parse(text);
    } catch (const Json::exception &e) {
        throw Error(Code::kCorrupt, fmt::format("{} is not JSON", what), e.what());
    }
}

std::string JsonString(const Json &json, const char *member, std::string_view what) {
    const Json &value = Member(json, member, what);
    if (!value.is_string()) throw WrongType(member, what);
    return value.get<std::string>();
}

std::uint64_t JsonNumber(const Json &json, const char *member, std::string_view what) {
    const Json &value = Member(json, member, what);
    if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<std::int64_t>() < 0))
        throw WrongType(member, what);
    return value.get<std::uint64_t>();
}

bool JsonFlag(const Json &json, const char *member, std::string_view what) {
    const Json &value = Member(json, member, what);
    if (!value.is_boolean()) throw WrongType(member, what);
    return value.get<bool>();
}

std::string FormatHeader(const ObjectHeader &header) {
    Json json = {{"magic", kMagic},           {"kind", layout::KindName(header.kind)},
                 {"format", kFormatVersion},  {"required", Json::array()},
                 {"optional", Json::array()}, {"repository", header.repository},
                 {"id", header.id},           {"epoch", header.epoch}};
    for (const auto &[name, value] : header.more.items()) json[name] = value;
    std::string line = JsonText(json) + "\n";
    if (line.size() > kHeaderLimit)
        throw Error(Code::kInternal, fmt::format("the header of \"{}\" is too long", header.id));
    return line;
}

ObjectHeader ParseHeader(ByteView object, layout::Kind kind, std::string_view id, std::string_view repository,
                         std::size_t &length) {
    std::string_view text = AsText(object.first(std::min(object.size(), kHeaderLimit)));
    std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos || text.front() != '{') throw Refuse(id, "it does not begin with a header");
    std::string what = fmt::format("the header of \"{}\"", id);
    Json json = ParseJson(text.substr(0, newline), what);
    if (JsonString(json, "magic", what) != kMagic) throw Refuse(id, "it was not written by pg_ark");
    if (std::uint64_t format = JsonNumber(json, "format", what); format != kFormatVersion)
        throw Error(Code::kUnsupported, fmt::format("object \"{}\" is of format {}", id, format),
                    fmt::format("This pg_ark reads format {}.", kFormatVersion), std::string(kUpgradeHint));
    CheckFeatures(json, id);
    ObjectHeader header{kind, JsonString(json, "repository", what), JsonString(json, "id", what),
                        JsonNumber(json, "epoch", what)};
    if (std::string found = JsonString(json, "kind", what); found != layout::KindName(kind))
        throw Refuse(id, fmt::format("its header is that of a {}, not of a {}", found, layout::KindName(kind)));
    if (header.id != id) throw Refuse(id, fmt::format("it was written as \"{}\"", header.id));
    if (!repository.empty() && header.repository != repository)
        throw Refuse(id, fmt::format("it belongs to repository {}, not {}", header.repository, repository));
    for (const auto &[name, value] : json.items()) {
        static constexpr std::string_view kOwn[] = {"magic",    "kind",       "format", "required",
                                                    "optional", "repository", "id",     "epoch"};
        if (std::find(std::begin(kOwn), std::end(kOwn), name) == std::end(kOwn)) header.more[name] = value;
    }
    length = newline + 1;
    return header;
}

void AppendCheckLine(Bytes &object) { Append(object, AsBytes("sha256 " + Sha256Hex(object) + "\n")); }

ByteView WithoutCheckLine(ByteView object, std::string_view id) {
    if (object.size() < kCheckLineSize) throw Refuse(id, "it is too short");
    ByteView body = object.first(object.size() - kCheckLineSize);
    if (AsText(object.last(kCheckLineSize)) != "sha256 " + Sha256Hex(body) + "\n")
        throw Refuse(id, "its bytes do not have the digest of its last line")
            .WithDetail("The object was altered or cut short.");
    return body;
}

}    // namespace ark
