// The first line of every object. docs/repository-format.md, "The header".
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "repo/layout.h"

namespace ark {

using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;
constexpr std::size_t kHeaderLimit = 4096;

struct ObjectHeader {
    layout::Kind kind = layout::Kind::kRepository;
    std::string repository;    // 32 hex
    std::string id;            // name below the cluster path
    std::uint64_t epoch = 0;
    Json more = Json::object();    // members beyond those of every object (a pack's domain, …)
};

std::string FormatHeader(const ObjectHeader &header);    // with its newline

// Parses the line at the front of `object`; `length` receives its length with the newline.
// Throws kCorrupt (not ours, truncated, another id or repository), kUnsupported (newer format or required feature).
// An empty `repository` is not compared: only the `repository` object itself is read so.
ObjectHeader ParseHeader(ByteView object, layout::Kind kind, std::string_view id, std::string_view repository,
                         std::size_t &length);

// The last line of every object but packs and pack lists: "sha256 " and the digest of all bytes before that line.
constexpr std::size_t kCheckLineSize = 72;
void AppendCheckLine(Bytes &object);
// The object without its last line; throws kCorrupt naming `id` if the digest does not fit.
ByteView WithoutCheckLine(ByteView object, std::string_view id);

// One line of JSON without its newline; throws kInvalidArgument for text that is not UTF-8.
std::string JsonText(const Json &json);
// Throws kCorrupt naming `what`.
Json ParseJson(std::string_view text, std::string_view what);
// Checked access to members of foreign JSON: kCorrupt naming `what` and the member if it is missing or of another type.
std::string JsonString(const Json &json, const char *member, std::string_view what);
std::uint64_t JsonNumber(const Json &json, const char *member, std::string_view what);
bool JsonFlag(const Json &json, const char *member, std::string_view what);

}    // namespace ark
