#include "repo/resumed_packs.h"

#include <utility>

namespace ark {

void ResumedPacks::Admit(const std::vector<PackInfo> &packs) {
    std::lock_guard lock(mutex_);
    for (const PackInfo &info : packs) packs_.emplace(info.pack, Pack{info});
}

bool ResumedPacks::Knows(const std::string &pack) const {
    std::lock_guard lock(mutex_);
    return packs_.contains(pack);
}

// One listing says of all packs of a maker whether they are there, how long they are, and how old.
void ResumedPacks::Look(const BackupId &maker) {
    if (looked_at_.contains(maker)) return;
    std::set<std::string, std::less<>> quarantined;
    repository_->List("quarantine/", [&](const ObjectInfo &info) {
        if (std::optional<layout::Place> place = layout::Parse(info.name)) quarantined.insert(place->pack);
        return true;
    });
    repository_->List(layout::PacksOf(maker), [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (place && info.modified >= oldest_ && !quarantined.contains(std::string_view(place->pack).substr(26)))
            present_.emplace(place->pack, info.size);
        return true;
    });
    looked_at_.insert(maker);
}

bool ResumedPacks::Reference(const std::string &pack) {
    std::lock_guard lock(mutex_);
    auto at = packs_.find(pack);
    if (at == packs_.end()) return false;
    if (at->second.referenced) return true;
    Look(pack.substr(0, 25));
    auto there = present_.find(pack);
    if (there == present_.end() || there->second != at->second.info.size) return false;
    new_.push_back(pack);
    return at->second.referenced = true;
}

void ResumedPacks::AddReferenced(PackTable &to) const {
    std::lock_guard lock(mutex_);
    for (const auto &[name, pack] : packs_)
        if (pack.referenced) to.Add(pack.info);
}

std::vector<PackInfo> ResumedPacks::TakeNewlyReferenced() {
    std::lock_guard lock(mutex_);
    std::vector<PackInfo> infos;
    for (const std::string &pack : std::exchange(new_, {})) infos.push_back(packs_.at(pack).info);
    return infos;
}

}    // namespace ark
