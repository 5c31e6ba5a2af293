// A backup's manifest: the clear line that a sweep can read, and the body that may be sealed. Section 3.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "repo/keys.h"
#include "repo/pack_writer.h"
#include "repo/tree.h"

namespace ark {

struct ManifestClear {
    std::string state = "complete";    // or "aborted"
    BackupId backup;
    std::uint64_t sequence = 0;
    std::string kind;    // logical, entities, physical, files
    TimePoint finished{};
    std::uint64_t packs = 0;
    std::string packs_digest;          // sha256 of the packs object
    std::uint64_t stored_bytes = 0;    // of all packs it names
    std::uint64_t new_bytes = 0;       // of those it made
    std::string domain = "cluster";
    std::uint64_t generation = 0;
    bool sealed = false;
};

struct Manifest {
    ManifestClear clear;
    Json body;    // the members of section 3; null if it could not be unsealed because there is no key
    bool readable() const { return body.is_object(); }
};

// The whole object. The clear line's `sealed`, `domain` and `generation` come from `key`; an aborted manifest has no body. A backup's manifest must be
// formatted once only with a key: what is sealed twice for one backup must be the same bytes.
Bytes FormatManifest(const Repository &repository, const Manifest &manifest, const DomainKey &key);
// Reads the clear line only; no key is needed. nullopt if there is no manifest.
std::optional<ManifestClear> ReadManifestClear(const Repository &repository, const BackupId &id);
// With the body. Without a key (`keys` null) a sealed body stays null; with a wrong one: kPermissionDenied.
std::optional<Manifest> ReadManifest(const Repository &repository, const BackupId &id, KeyRing *keys);

Manifest ParseManifest(ByteView object, const Repository &repository, const BackupId &id, KeyRing *keys);

// The `packs` object of a backup, streamed; verifies its digest against the clear line at the end (kCorrupt).
void ReadPackList(const Repository &repository, const ManifestClear &clear,
                  const std::function<void(const PackInfo &)> &visit);

}    // namespace ark
