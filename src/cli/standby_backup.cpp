#include "cli/standby_backup.h"

#include "wal/same_segment.h"

namespace ark::cli {

std::optional<StandbyCopy> StandbyCopyOf(Engine &engine) {
    const Config &config = engine.config();
    std::string policy = config.Text("standby");
    if (!engine.Server().in_recovery) {
        if (policy == "never" || policy == "prefer") return std::nullopt;
        throw Error(Code::kUnsupported, "base backups are to be copied from a standby, and this server is none",
                    "standby is " + policy + ".",
                    "Run pg_ark backup --kind physical on the machine of a standby, or set standby to prefer.");
    }
    if (policy == "never")
        throw Error(Code::kUnsupported, "this server is a standby", "standby is never.",
                    "Take the base backup on its primary, or copy this standby: --standby=prefer (docs/backup.md).");
    StandbyCopy copy;
    copy.asks_primary = policy != "only";
    copy.primary_conninfo = config.Text("primary_conninfo");
    copy.max_lag = config.Time("standby_max_lag");
    copy.deadline = config.Time("standby_deadline");
    return copy;
}

std::shared_ptr<Repository> OpenForPrimary(Engine &engine, StandbyCopy &copy) {
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    std::optional<Writer> owner = NewestWriter(*repository);
    if (!owner)
        throw Error(Code::kConflict, "nobody owns the cluster's path in the store yet", "A standby does not take it.",
                    "The primary takes it with its first backup, or when it archives its first WAL segment.");
    repository->SetEpoch(owner->epoch);
    std::shared_ptr<KeyRing> keys = engine.Keys(repository);
    copy.stored_same = [repository, keys](const SegmentName &segment, std::uint64_t length,
                                          const Sha256Digest &digest) {
        return FindSameSegment(*repository, *keys, WalFileName::OfSegment(segment), length, [&] { return digest; })
            .has_value();
    };
    return repository;
}

}    // namespace ark::cli
