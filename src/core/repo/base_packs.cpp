#include "repo/base_packs.h"

namespace ark {

void BasePacks::Load(const ManifestClear &base) {
    std::size_t before = table_.size();
    try {
        ReadPackList(*repository_, base, [&](const PackInfo &info) { table_.Add(info); });
    } catch (const Error &) {
        table_.Truncate(before);    // a list that turns out to be damaged adds nothing
        throw;
    }
}

void BasePacks::Seal() {
    table_.Seal();
    states_ = std::vector<std::atomic<std::uint8_t>>(table_.size());
    repository_->List("quarantine/", [&](const ObjectInfo &info) {
        if (std::optional<layout::Place> place = layout::Parse(info.name)) quarantined_.insert(place->pack);
        return true;
    });
}

// One listing says of all packs of a maker whether they are there, how long they are, and how old.
void BasePacks::Look(const BackupId &maker) {
    std::lock_guard lock(mutex_);
    if (looked_at_.contains(maker)) return;
    repository_->List(layout::PacksOf(maker), [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        std::optional<std::size_t> at = place ? table_.Find(place->pack) : std::nullopt;
        if (!at || info.size != table_.SizeAt(*at) || info.modified < oldest_ ||
            quarantined_.contains(place->pack.substr(26)))
            return true;
        states_[*at] = kUsable;
        return true;
    });
    looked_at_.insert(maker);
}

bool BasePacks::Reference(const std::string &pack) {
    std::optional<std::size_t> at = table_.Find(pack);
    if (!at) return false;
    if (states_[*at] == kReferenced) return true;
    Look(pack.substr(0, 25));
    std::uint8_t expected = kUsable;
    if (states_[*at].compare_exchange_strong(expected, kReferenced)) referenced_++;
    return states_[*at] == kReferenced;
}

void BasePacks::AddReferenced(PackTable &to) const {
    for (std::size_t i = 0; i < table_.size(); i++)
        if (states_[i] == kReferenced) to.Add(table_.At(i));
}

}    // namespace ark
