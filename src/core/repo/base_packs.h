// The packs that a backup may reuse: those its bases name, if the store still has them whole, young and unharmed.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "repo/pack_list.h"

namespace ark {

// Filled, sealed, then asked from any thread. About 100 bytes a pack.
class BasePacks {
public:
    // `now` is the store's time; packs made before now - full_every are not reused.
    BasePacks(std::shared_ptr<Repository> repository, TimePoint oldest)
        : repository_(std::move(repository)), oldest_(oldest) {}

    void Load(const ManifestClear &base);    // its list; throws as ReadPackList does, having added nothing usable
    void Seal();                             // and reads what is in quarantine

    bool Names(const std::string &pack) const { return table_.Find(pack).has_value(); }
    // True if the pack may be reused; it is remembered as referenced. Lists the packs of its maker once.
    bool Reference(const std::string &pack);
    std::uint64_t referenced() const { return referenced_.load(); }
    void AddReferenced(PackTable &to) const;

private:
    enum State : std::uint8_t { kUnusable, kUsable, kReferenced };
    void Look(const BackupId &maker);

    std::shared_ptr<Repository> repository_;
    TimePoint oldest_;
    PackTable table_;
    std::vector<std::atomic<std::uint8_t>> states_;
    std::set<std::string, std::less<>> quarantined_;    // pack ids
    std::mutex mutex_;
    std::set<BackupId, std::less<>> looked_at_;
    std::atomic<std::uint64_t> referenced_{0};
};

}    // namespace ark
