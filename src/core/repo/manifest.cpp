#include "repo/manifest.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::size_t kMostManifest = 1 << 20;
constexpr std::size_t kMostClearLine = 4 << 10;

std::string ClearLine(const ManifestClear &clear) {
    return JsonText({{"state", clear.state},
                     {"backup", clear.backup},
                     {"sequence", clear.sequence},
                     {"kind", clear.kind},
                     {"finished", FormatTime(clear.finished)},
                     {"packs", clear.packs},
                     {"packs_digest", clear.packs_digest},
                     {"stored_bytes", clear.stored_bytes},
                     {"new_bytes", clear.new_bytes},
                     {"domain", clear.domain},
                     {"generation", clear.generation},
                     {"sealed", clear.sealed},
                     {"until", nullptr}}) +
           "\n";
}

ManifestClear ParseClearLine(std::string_view line, const BackupId &id) {
    std::string what = fmt::format("the manifest of backup \"{}\"", id);
    Json json = ParseJson(line, what);
    ManifestClear clear;
    clear.state = JsonString(json, "state", what);
    clear.backup = JsonString(json, "backup", what);
    clear.sequence = JsonNumber(json, "sequence", what);
    clear.kind = JsonString(json, "kind", what);
    try {
        clear.finished = ParseTime(JsonString(json, "finished", what));
    } catch (const Error &e) {
        throw Error(Code::kCorrupt, fmt::format("{} has a time that is none", what), e.message);
    }
    clear.packs = JsonNumber(json, "packs", what);
    clear.packs_digest = JsonString(json, "packs_digest", what);
    clear.stored_bytes = JsonNumber(json, "stored_bytes", what);
    clear.new_bytes = JsonNumber(json, "new_bytes", what);
    clear.domain = JsonString(json, "domain", what);
    clear.generation = JsonNumber(json, "generation", what);
    clear.sealed = JsonFlag(json, "sealed", what);
    if (clear.state != "complete" && clear.state != "aborted")
        throw Error(Code::kCorrupt, fmt::format("{} has the unknown state \"{}\"", what, clear.state));
    if (clear.backup != id) throw Error(Code::kCorrupt, fmt::format("{} is that of backup \"{}\"", what, clear.backup));
    return clear;
}

// A manifest object taken apart; `front` is the header line and the clear line, which a sealed body authenticates.
struct Parts {
    ManifestClear clear;
    ByteView front, body;
};

Parts Split(ByteView object, const Repository &repository, const BackupId &id) {
    std::size_t header = 0;
    ParseHeader(object, layout::Kind::kManifest, layout::Manifest(id), repository.id(), header);
    ByteView checked = WithoutCheckLine(object, layout::Manifest(id));
    std::size_t newline = AsText(checked).find('\n', header);
    if (newline == std::string_view::npos)
        throw Error(Code::kCorrupt, fmt::format("the manifest of backup \"{}\" is cut short", id));
    Parts parts{ParseClearLine(AsText(checked).substr(header, newline - header), id), checked.first(newline + 1),
                checked.subspan(newline + 1)};
    if (parts.clear.state == "complete" && repository.encrypted() != parts.clear.sealed)
        throw Error(Code::kCorrupt, fmt::format("the manifest of backup \"{}\" is {} in a cluster path that is {}", id,
                                                parts.clear.sealed ? "sealed" : "not sealed",
                                                repository.encrypted() ? "encrypted" : "not encrypted"));
    return parts;
}

Json OpenBody(const Parts &parts, const BackupId &id, KeyRing *keys) {
    std::string what = fmt::format("the manifest of backup \"{}\"", id);
    if (parts.clear.state == "aborted") return nullptr;
    if (!parts.clear.sealed) return ParseJson(AsText(parts.body), what);
    if (keys == nullptr) return nullptr;
    DomainKey key = keys->Get(parts.clear.domain, parts.clear.generation);
    Bytes plain;
    try {
        GcmOpen(key.ManifestKey(id), NumberNonce(0), AsText(parts.front), parts.body, plain);
    } catch (Error &e) {
        if (e.code != Code::kCorrupt) throw;
        throw Error(Code::kCorrupt, fmt::format("{} cannot be unsealed", what), e.message + ". " + e.detail);
    }
    return ParseJson(AsText(plain), what);
}

}    // namespace

Bytes FormatManifest(const Repository &repository, const Manifest &manifest, const DomainKey &key) {
    bool complete = manifest.clear.state == "complete";
    ManifestClear clear = manifest.clear;
    clear.sealed = complete && key.encrypted();
    clear.domain = key.domain;
    clear.generation = key.generation;
    std::string line = ClearLine(clear);
    if (line.size() > kMostClearLine)
        throw Error(Code::kInternal, fmt::format("the clear line of backup \"{}\" is too long", clear.backup));
    Bytes object = ToBytes(FormatHeader(repository.HeaderFor(layout::Kind::kManifest, layout::Manifest(clear.backup))));
    Append(object, AsBytes(line));
    if (complete) {
        std::string body = JsonText(manifest.body);
        std::string front(AsText(object));
        if (clear.sealed)
            GcmSeal(key.ManifestKey(clear.backup), NumberNonce(0), front, AsBytes(body), object);
        else
            Append(object, AsBytes(body + "\n"));
    }
    AppendCheckLine(object);
    if (object.size() > kMostManifest)
        throw Error(Code::kInvalidArgument, fmt::format("the manifest of backup \"{}\" would be longer than {} bytes",
                                                        clear.backup, kMostManifest));
    return object;
}

std::optional<ManifestClear> ReadManifestClear(const Repository &repository, const BackupId &id) {
    std::optional<Bytes> object = repository.ReadRaw(layout::Manifest(id), kMostManifest);
    if (!object) return std::nullopt;
    return Split(*object, repository, id).clear;
}

std::optional<Manifest> ReadManifest(const Repository &repository, const BackupId &id, KeyRing *keys) {
    std::optional<Bytes> object = repository.ReadRaw(layout::Manifest(id), kMostManifest);
    if (!object) return std::nullopt;
    return ParseManifest(*object, repository, id, keys);
}

Manifest ParseManifest(ByteView object, const Repository &repository, const BackupId &id, KeyRing *keys) {
    Parts parts = Split(object, repository, id);
    return {parts.clear, OpenBody(parts, id, keys)};
}

}    // namespace ark
