#include "repo/repository.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr std::string_view kEncrypted = "aes-256-gcm";
constexpr std::string_view kNotEncrypted = "none";

// Objects that come before the right to write was granted.
bool NeedsNoEpoch(layout::Kind kind) { return kind == layout::Kind::kRepository || kind == layout::Kind::kWriter; }

Bytes FormatObject(const ObjectHeader &header, const Json &body) {
    Bytes object = ToBytes(FormatHeader(header));
    Append(object, AsBytes(JsonText(body) + "\n"));
    AppendCheckLine(object);
    return object;
}

Json ParseObject(ByteView object, layout::Kind kind, const std::string &name, std::string_view repository) {
    std::size_t length = 0;
    ParseHeader(object, kind, name, repository, length);
    ByteView checked = WithoutCheckLine(object, name);
    if (checked.size() < length) throw Error(Code::kCorrupt, fmt::format("object \"{}\" is too short", name));
    return ParseJson(AsText(checked.subspan(length)), fmt::format("object \"{}\"", name));
}

// Null if the cluster path, or the directory of the store, does not exist yet.
std::shared_ptr<Repository> FindOrNothing(const StoragePtr &storage, const ClusterName &cluster) {
    try {
        return Repository::Open(storage, cluster);
    } catch (const Error &e) {
        if (e.code != Code::kNotFound) throw;
        return nullptr;
    }
}

}    // namespace

std::vector<ClusterName> Repository::Clusters(Storage &storage) {
    std::vector<ClusterName> found;
    for (const std::string &folder : storage.Folders(""))
        if (std::optional<ClusterName> cluster = ParseClusterPath(folder);
            cluster && storage.Stat(folder + "/" + layout::kIdentity))
            found.push_back(*cluster);
    return found;
}

std::shared_ptr<Repository> Repository::Init(StoragePtr storage, const ClusterName &cluster, bool encrypted,
                                             Clock &clock, Random &random) {
    CheckPlainName(cluster.name, "cluster");
    if (!ParseClusterPath(cluster.Path()))
        throw Error(Code::kInvalidArgument,
                    fmt::format("\"{}\" is not a system identifier", cluster.system_identifier));
    std::shared_ptr<Repository> existing = FindOrNothing(storage, cluster);
    if (!existing) {
        std::shared_ptr<Repository> fresh(new Repository(storage, cluster));
        fresh->id_ = random.Hex(16);
        fresh->encrypted_ = encrypted;
        fresh->created_ = std::chrono::floor<std::chrono::seconds>(clock.Now());
        try {
            fresh->Create(layout::Kind::kRepository, layout::kIdentity,
                          {{"cluster", cluster.name},
                           {"system_identifier", cluster.system_identifier},
                           {"created", FormatTime(fresh->created_)},
                           {"encryption", encrypted ? kEncrypted : kNotEncrypted}});
            return fresh;
        } catch (const Error &e) {
            if (e.code != Code::kAlreadyExists) throw;
        }
        existing = Open(std::move(storage), cluster);    // another process was quicker
    }
    if (existing->encrypted() != encrypted)
        throw Error(Code::kConflict,
                    fmt::format("cluster path \"{}\" in {} is {}", cluster.Path(), existing->storage().Describe(),
                                existing->encrypted() ? "encrypted" : "not encrypted"),
                    "Encryption is a property of a cluster path and cannot be changed.",
                    existing->encrypted() ? "Give its key, or use another store or prefix."
                                          : "Use another store or prefix for encrypted backups.");
    return existing;
}

std::shared_ptr<Repository> Repository::Open(StoragePtr storage, const ClusterName &cluster) {
    std::shared_ptr<Repository> repository(new Repository(std::move(storage), cluster));
    std::optional<Bytes> object = repository->ReadRaw(layout::kIdentity);
    if (!object)
        throw Error(
            Code::kNotFound,
            fmt::format("there is no cluster path \"{}\" in {}", cluster.Path(), repository->storage().Describe()), {},
            "Run pg_ark init, or check the URL of the store and the name of the cluster.");
    std::size_t length = 0;
    repository->id_ = ParseHeader(*object, layout::Kind::kRepository, layout::kIdentity, "", length).repository;
    Json body = ParseObject(*object, layout::Kind::kRepository, layout::kIdentity, repository->id_);
    std::string what = fmt::format("object \"{}\"", repository->FullName(layout::kIdentity));
    if (JsonString(body, "cluster", what) != cluster.name ||
        JsonString(body, "system_identifier", what) != cluster.system_identifier)
        throw Error(Code::kCorrupt, fmt::format("{} is that of another cluster", what));
    std::string encryption = JsonString(body, "encryption", what);
    if (encryption != kEncrypted && encryption != kNotEncrypted)
        throw Error(Code::kUnsupported,
                    fmt::format("cluster path \"{}\" has an unknown encryption \"{}\"", cluster.Path(), encryption));
    repository->encrypted_ = encryption == kEncrypted;
    repository->created_ = ParseTime(JsonString(body, "created", what));
    return repository;
}

ObjectHeader Repository::HeaderFor(layout::Kind kind, const std::string &name) const {
    ObjectHeader header{kind, id_, name, epoch_};
    if (kind == layout::Kind::kWriter) header.epoch = std::stoull(layout::Parse(name).value().id);
    return header;
}

bool Repository::Create(layout::Kind kind, const std::string &name, const Json &body) {
    if (epoch_ == 0 && !NeedsNoEpoch(kind))
        throw Error(Code::kInternal, fmt::format("object \"{}\" would be created without an epoch", name));
    std::optional<layout::Place> place = layout::Parse(name);
    if (!place || place->kind != kind)
        throw Error(Code::kInternal, fmt::format("\"{}\" is not the name of a {}", name, layout::KindName(kind)));
    return PutNew(*storage_, FullName(name), FormatObject(HeaderFor(kind, name), body));
}

bool Repository::CreateRaw(const std::string &name, ByteView object) {
    if (epoch_ == 0) throw Error(Code::kInternal, fmt::format("object \"{}\" would be created without an epoch", name));
    return PutNew(*storage_, FullName(name), object);
}

std::optional<Json> Repository::Read(layout::Kind kind, const std::string &name) const {
    std::optional<Bytes> object = ReadRaw(name);
    if (!object) return std::nullopt;
    return ParseObject(*object, kind, name, id_);
}

std::optional<Bytes> Repository::ReadRaw(const std::string &name, std::size_t limit) const {
    return ReadObject(*storage_, FullName(name), limit);
}

void Repository::List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) const {
    std::size_t strip = FullName("").size();
    storage_->List(FullName(prefix), [&](const ObjectInfo &info) {
        return visit({info.name.substr(strip), info.size, info.modified});
    });
}

std::optional<ObjectInfo> Repository::Stat(const std::string &name) const {
    std::optional<ObjectInfo> info = storage_->Stat(FullName(name));
    if (info) info->name = name;
    return info;
}

void Repository::Remove(const std::vector<std::string> &names) {
    std::vector<std::string> full;
    for (const std::string &name : names) full.push_back(FullName(name));
    storage_->Remove(full);
}

}    // namespace ark
