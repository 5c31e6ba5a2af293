// The packs of interrupted backups that a backup may reuse: those that their checkpoints name, if the store still has them whole,
// young and unharmed. Safe for concurrent use. About 300 bytes a pack.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "repo/pack_list.h"

namespace ark {

class ResumedPacks {
public:
    // Packs that the store has had since before `oldest` are not reused.
    ResumedPacks(std::shared_ptr<Repository> repository, TimePoint oldest)
        : repository_(std::move(repository)), oldest_(oldest) {}

    void Admit(const std::vector<PackInfo> &packs);    // a checkpoint's
    bool Knows(const std::string &pack) const;
    // True if it may be reused; it is remembered as referenced. Lists the packs of its maker once.
    bool Reference(const std::string &pack);
    void AddReferenced(PackTable &to) const;
    std::vector<PackInfo> TakeNewlyReferenced();    // since the last call

private:
    struct Pack {
        PackInfo info;
        bool referenced = false;
    };
    void Look(const BackupId &maker);

    std::shared_ptr<Repository> repository_;
    TimePoint oldest_;
    mutable std::mutex mutex_;
    std::map<std::string, Pack> packs_;
    std::vector<std::string> new_;
    std::set<BackupId> looked_at_;
    std::map<std::string, std::uint64_t>
        present_;    // of the makers looked at: those that may be reused, and their sizes
};

}    // namespace ark
