#include "repo/frame.h"

#include <algorithm>

#include "base/error.h"

namespace ark {
namespace {

bool IsDigest(std::string_view text) {
    return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                            [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

const char *DigestMember(bool of_stored) { return of_stored ? "stored_digest" : "digest"; }

}    // namespace

Json ToJson(const FrameRef &ref) {
    Json json = {{"pack", ref.pack},     {"frame", ref.frame}, {"at", ref.at},
                 {"stored", ref.stored}, {"size", ref.size},   {DigestMember(ref.of_stored), ref.digest}};
    if (ref.rows != 0) json["rows"] = ref.rows;
    return json;
}

FrameRef FrameRefFromJson(const Json &json) {
    constexpr std::string_view kWhat = "a frame reference";
    bool of_stored = json.contains(DigestMember(true));
    FrameRef ref{JsonString(json, "pack", kWhat),
                 JsonNumber(json, "frame", kWhat),
                 JsonNumber(json, "at", kWhat),
                 JsonNumber(json, "stored", kWhat),
                 JsonNumber(json, "size", kWhat),
                 JsonString(json, DigestMember(of_stored), kWhat),
                 of_stored};
    if (json.contains("rows")) ref.rows = JsonNumber(json, "rows", kWhat);
    if (!layout::IsPackName(ref.pack) || !IsDigest(ref.digest))
        throw Error(Code::kCorrupt, "a frame reference names no pack or has no digest");
    if (ref.stored > kLargestFrame || ref.size > kLargestFrame || ref.frame >= kMostFrames || ref.at > kLargestOffset)
        throw Error(Code::kCorrupt, "a frame reference has numbers beyond the limits of the format");
    return ref;
}

std::vector<FrameRef> FramesOf(const Json &entry) {
    std::vector<FrameRef> frames;
    if (!entry.contains("frames")) return frames;
    if (!entry["frames"].is_array()) throw Error(Code::kCorrupt, "the frames of an entry are not understood");
    for (const Json &frame : entry["frames"]) frames.push_back(FrameRefFromJson(frame));
    return frames;
}

}    // namespace ark
