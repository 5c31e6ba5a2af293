// Who may write. Section 9. Nothing is safe because of this; it keeps copies of a cluster from writing.
#pragma once

#include <functional>
#include <optional>

#include "pgdata/restore_origin.h"
#include "repo/repository.h"

namespace ark {

struct Fingerprint {
    std::string machine;                    // /etc/machine-id, or empty
    std::uint64_t device = 0, inode = 0;    // of the data directory
    std::string source;                     // of a server reached over the network: "host:port/system identifier"
    bool operator==(const Fingerprint &) const = default;
};

struct Writer {
    std::uint64_t epoch = 0;
    std::string incarnation;    // 32 hex, made when the path was first owned or taken
    std::string system_identifier;
    std::uint32_t timeline = 1;
    std::string start_lsn;
    Fingerprint fingerprint;
    std::string host;
    TimePoint at{};
    std::string reason;
    // Its directory was recovered from an archive. Then a new timeline is no reason to own the path.
    std::optional<RestoreOrigin> restored_from{};
};

// Whether that is how the writer came to the path.
bool CameByPromotion(const Writer &writer);

std::optional<Writer> NewestWriter(const Repository &repository);

// Makes sure that this server owns the path, and sets repository.epoch(). The first writer of a path is granted epoch 1. Same fingerprint: the
// newest epoch goes on (a new timeline of the same server makes a new epoch). Another server takes over without being told where
// `succeeds` says so of the owner. Anything else: kConflict, whose detail says who owns the path and how this server differs, and whose hint names `pg_ark lease take`.
Writer ClaimWriter(Repository &repository, const Writer &self, Clock &clock, Random &random,
                   const std::function<bool(const Writer &owner)> &succeeds = {});
// What `pg_ark lease take` and ark.adopt_cluster() do: the next epoch, with a new incarnation that records its parent.
Writer TakeOver(Repository &repository, const Writer &self, std::string_view reason, Clock &clock, Random &random);

}    // namespace ark
