#include "repo/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/compress.h"

namespace ark {
namespace {

constexpr std::uint64_t kMostCheckpoint = 256 << 20;    // plain, and stored

std::string FrontLine(const Checkpoint &checkpoint) {
    Json packs = Json::array();
    for (const PackInfo &pack : checkpoint.packs) packs.push_back({pack.pack, pack.size, pack.sha256});
    return JsonText({{"facts", checkpoint.facts}, {"packs", packs}}) + "\n";
}

PackInfo PackFromJson(const Json &json, std::string_view what) {
    if (!json.is_array() || json.size() != 3 || !json[0].is_string() || !json[1].is_number_unsigned() ||
        !json[2].is_string())
        throw Error(Code::kCorrupt, fmt::format("{} has a pack that is not understood", what));
    PackInfo info{json[0].get<std::string>(), json[1].get<std::uint64_t>(), json[2].get<std::string>()};
    if (!layout::IsPackName(info.pack) || info.sha256.size() != 64 ||
        info.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        throw Error(Code::kCorrupt, fmt::format("{} has a pack that is none", what));
    return info;
}

Checkpoint Parse(std::string_view plain, std::string_view what) {
    std::size_t newline = plain.find('\n');
    if (newline == std::string_view::npos || !plain.ends_with('\n'))
        throw Error(Code::kCorrupt, fmt::format("{} is cut short", what));
    Json front = ParseJson(plain.substr(0, newline), what);
    if (!front.is_object() || !front.contains("facts") || !front["facts"].is_object() || !front.contains("packs") ||
        !front["packs"].is_array())
        throw Error(Code::kCorrupt, fmt::format("{} has no facts or packs", what));
    Checkpoint checkpoint;
    checkpoint.facts = std::move(front["facts"]);
    for (const Json &pack : front["packs"]) checkpoint.packs.push_back(PackFromJson(pack, what));
    checkpoint.entries = plain.substr(newline + 1);
    return checkpoint;
}

}    // namespace

Bytes FormatCheckpoint(const Repository &repository, const BackupId &backup, std::uint64_t number,
                       const Checkpoint &checkpoint, const DomainKey &key) {
    std::string name = layout::Checkpoint(backup, number);
    ObjectHeader header = repository.HeaderFor(layout::Kind::kCheckpoint, name);
    header.more = {{"domain", key.domain}, {"generation", key.generation}};
    std::string front = FormatHeader(header);
    Bytes compressed, object = ToBytes(front);
    Compressor(Compression{}).Compress(AsBytes(FrontLine(checkpoint) + checkpoint.entries), compressed);
    if (key.encrypted())
        GcmSeal(key.CheckpointKey(name), NumberNonce(0), front, compressed, object);
    else
        Append(object, compressed);
    AppendCheckLine(object);
    return object;
}

Checkpoint ReadCheckpoint(const Repository &repository, const BackupId &backup, std::uint64_t number,
                          const DomainKey &key) {
    std::string name = layout::Checkpoint(backup, number),
                what = fmt::format("checkpoint {} of backup \"{}\"", number, backup);
    std::optional<Bytes> object = repository.ReadRaw(name, kMostCheckpoint);
    if (!object) throw Error(Code::kNotFound, fmt::format("{} is missing", what));
    std::size_t length = 0;
    ObjectHeader header = ParseHeader(*object, layout::Kind::kCheckpoint, name, repository.id(), length);
    if (JsonString(header.more, "domain", what) != key.domain ||
        JsonNumber(header.more, "generation", what) != key.generation)
        throw Error(Code::kCorrupt, fmt::format("{} was made with another key", what));
    ByteView body = WithoutCheckLine(*object, name).subspan(length);
    Bytes opened;
    if (key.encrypted()) {
        GcmOpen(key.CheckpointKey(name), NumberNonce(0), AsText(ByteView(*object).first(length)), body, opened);
        body = opened;
    }
    Bytes plain;
    Decompressor(CompressionKind::kZstd).Decompress(body, ZstdContentSize(body, kMostCheckpoint), plain);
    return Parse(AsText(plain), what);
}

}    // namespace ark
