// The key-encryption key, the domain keys it wraps, and what is derived from them. Section 6.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "base/secret.h"
#include "codec/encrypt.h"
#include "repo/repository.h"

namespace ark {

std::string KeyFingerprint(const Key &kek);    // 16 hex

// Reads a reference: file:PATH (regular file, not readable by group or others), env:NAME, command:PROGRAM ARGS (its first output line; 30 s).
// The value is 64 hexadecimal digits or 44 characters of base64. Throws kInvalidArgument / kNotFound / kPermissionDenied / kUnavailable (a command that
// fails or is too slow) naming the reference, never the value.
Key LoadKey(std::string_view reference, Duration command_timeout = std::chrono::seconds(30));
Key NewKey(Random &random);

// A domain key and what is derived from it. For a path without encryption: generation 0 and no key.
struct DomainKey {
    std::string domain = "cluster";    // "cluster" or "database-<oid>"
    std::uint64_t generation = 0;
    std::optional<Key> key;
    std::optional<Key> digest_key = {};    // derived from it, where that was done already
    bool encrypted() const { return key.has_value(); }
    // SHA-256, or HMAC-SHA256 with the domain's digest key, as 64 hex.
    std::string Digest(ByteView plain) const;
    Key PackKey(ByteView pack_id) const;
    Key ManifestKey(const BackupId &id) const;
    Key CheckpointKey(std::string_view name) const;    // below the cluster path
};

// The keys of one repository under one key-encryption key; caches what it unwrapped. Safe for concurrent use.
class KeyRing {
public:
    // `kek` is empty for a path without encryption. Throws kInvalidArgument with a hint where the path is encrypted and no key is
    // given, or the reverse.
    KeyRing(std::shared_ptr<Repository> repository, std::optional<Key> kek);

    // The newest generation of the domain; creates generation 1 if there is none and `create`.
    // A wrong key is one clear error: kPermissionDenied, naming the fingerprints that the store has and the one given.
    DomainKey Newest(const std::string &domain, bool create, Random &random);
    DomainKey Get(const std::string &domain, std::uint64_t generation);

    struct Wrap {
        std::string domain;
        std::uint64_t generation;
        std::string fingerprint;
        TimePoint created;
    };
    std::vector<Wrap> Wraps() const;
    // Adds a wrap by `next` for every domain key; returns how many. Safe to repeat after a crash.
    std::size_t Rewrap(const Key &next, Random &random);
    void NewGeneration(const std::string &domain, Random &random);

private:
    std::shared_ptr<Repository> repository_;
    std::optional<Key> kek_;
    std::mutex mutex_;
    std::map<std::pair<std::string, std::uint64_t>, DomainKey> cache_;
};

}    // namespace ark
