// One cluster path in one store: its identity, and objects created and read under the rules of section 1.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "repo/header.h"
#include "storage/storage.h"

namespace ark {

class Repository {
public:
    // The cluster paths that exist in a store, from their folders and their `repository` objects.
    static std::vector<ClusterName> Clusters(Storage &storage);
    // Creates the `repository` object, or opens it if it is there (then `encrypted` must agree: kConflict with a hint).
    static std::shared_ptr<Repository> Init(StoragePtr storage, const ClusterName &cluster, bool encrypted,
                                            Clock &clock, Random &random);
    // Throws kNotFound with a hint if the cluster path does not exist in this store.
    static std::shared_ptr<Repository> Open(StoragePtr storage, const ClusterName &cluster);

    const ClusterName &cluster() const { return cluster_; }
    const std::string &id() const { return id_; }    // 32 hex
    bool encrypted() const { return encrypted_; }
    TimePoint created() const { return created_; }
    Storage &storage() const { return *storage_; }
    std::string FullName(std::string_view name) const { return cluster_.Path() + "/" + std::string(name); }

    // The epoch this process writes under; 0 until it was granted (writers.h). Creating objects without one throws kInternal.
    std::uint64_t epoch() const { return epoch_; }
    void SetEpoch(std::uint64_t epoch) { epoch_ = epoch; }

    // Creates an object of header + JSON. Returns false if exactly this object was there already; another one there: kAlreadyExists.
    bool Create(layout::Kind kind, const std::string &name, const Json &body);
    bool CreateRaw(const std::string &name, ByteView object);
    // nullopt if missing; throws as ParseHeader does.
    std::optional<Json> Read(layout::Kind kind, const std::string &name) const;
    std::optional<Bytes> ReadRaw(const std::string &name,
                                 std::size_t limit = 64 << 20) const;    // with its header, unchecked
    // Names below the cluster path, ascending.
    void List(std::string_view prefix,
              const std::function<bool(const ObjectInfo &)> &visit) const;    // info.name is relative
    std::optional<ObjectInfo> Stat(const std::string &name) const;
    void Remove(const std::vector<std::string> &names);
    ObjectHeader HeaderFor(layout::Kind kind, const std::string &name) const;

private:
    Repository(StoragePtr storage, ClusterName cluster) : storage_(std::move(storage)), cluster_(std::move(cluster)) {}
    StoragePtr storage_;
    ClusterName cluster_;
    std::string id_;
    bool encrypted_ = false;
    TimePoint created_{};
    std::uint64_t epoch_ = 0;
};

}    // namespace ark
