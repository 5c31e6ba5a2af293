#include "repo/sweep_mark.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

Error Unplaceable(const std::string &name) {
    return Error(Code::kCorrupt, fmt::format("the sweep met \"{}\", which it cannot place, and deleted nothing", name),
                 "An object that this version does not know may protect data.",
                 "Find out what wrote it: a newer pg_ark, or a stray file. Remove the stray one.");
}

Error Changed(const BackupId &id) {
    return Error(Code::kConflict, fmt::format("backup {} changed while the sweep looked", id), {},
                 "Another sweep may be running; try again later.");
}

class Marker {
public:
    Marker(const Repository &repository, Ticker &ticker) : repository_(repository), ticker_(ticker) {}

    // The order is the proof: ends and manifests first, begins after, packs last.
    Mark Run() {
        List("", [](const layout::Place &, const ObjectInfo &) {});    // every object must have a place
        ListBackups({layout::Kind::kEnd, layout::Kind::kManifest, layout::Kind::kPacks, layout::Kind::kCheckpoint});
        ListBackups({layout::Kind::kBegin});
        for (auto &[id, backup] : mark_.backups) Read(id, backup);
        for (const auto &[id, backup] : mark_.backups) {
            if (backup.Open()) mark_.bases_of_open.insert(backup.bases.begin(), backup.bases.end());
        }
        for (auto &[id, backup] : mark_.backups) {
            bool base = backup.manifest && !backup.aborted && !backup.HalfRemoved() && mark_.IsBaseOfOpen(id);
            if (backup.Listed() || base) Keep(id);
            if (!backup.Open() && !mark_.IsBaseOfOpen(id))
                mark_.stale_checkpoints.insert(backup.checkpoints.begin(), backup.checkpoints.end());
        }
        ListPacks();
        return std::move(mark_);
    }

private:
    void List(std::string_view prefix, const std::function<void(const layout::Place &, const ObjectInfo &)> &visit) {
        repository_.List(prefix, [&](const ObjectInfo &info) {
            ticker_.Check();
            std::optional<layout::Place> place = layout::Parse(info.name);
            if (!place) throw Unplaceable(info.name);
            visit(*place, info);
            return true;
        });
    }

    void ListBackups(std::initializer_list<layout::Kind> kinds) {
        List("backups/", [&](const layout::Place &place, const ObjectInfo &info) {
            if (std::ranges::find(kinds, place.kind) == kinds.end()) return;
            MarkedBackup &backup = mark_.backups[place.backup];
            switch (place.kind) {
            case layout::Kind::kBegin: backup.begin = true; break;
            case layout::Kind::kPacks: backup.packs = true; break;
            case layout::Kind::kManifest: backup.manifest = true; break;
            case layout::Kind::kCheckpoint: backup.checkpoints.push_back(info.name); break;
            default: backup.end = true;
            }
        });
    }

    // What a later version wrote into these may mean something else than deletion: each is read before anything is decided.
    void Read(const BackupId &id, MarkedBackup &backup) {
        ticker_.Check();
        if (backup.end && !repository_.Read(layout::Kind::kEnd, layout::End(id))) throw Changed(id);
        if (backup.manifest) {
            std::optional<ManifestClear> clear = ReadManifestClear(repository_, id);
            if (!clear) throw Changed(id);
            backup.aborted = clear->state == "aborted";
            backup.fence = backup.aborted && clear->kind == kFenceKind;
        }
        if (backup.Open()) ReadBases(id, backup);
    }

    void ReadBases(const BackupId &id, MarkedBackup &backup) {
        std::optional<Json> begin = repository_.Read(layout::Kind::kBegin, layout::Begin(id));
        if (!begin) throw Changed(id);
        Error damaged(Code::kCorrupt, fmt::format("the begin of backup \"{}\" does not name its bases", id));
        if (!begin->contains("bases") || !(*begin)["bases"].is_array()) throw damaged;
        for (const Json &base : (*begin)["bases"]) {
            if (!base.is_string() || !IsBackupId(base.get_ref<const std::string &>())) throw damaged;
            backup.bases.push_back(base.get<std::string>());
        }
    }

    void Keep(const BackupId &id) {
        try {
            std::optional<ManifestClear> clear = ReadManifestClear(repository_, id);
            if (!clear) throw Changed(id);
            ReadPackList(repository_, *clear, [&](const PackInfo &pack) { alive_.insert(pack.pack); });
        } catch (const Error &error) {
            if (error.code == Code::kNotFound && !repository_.Stat(layout::Manifest(id))) throw Changed(id);
            if (error.code == Code::kNotFound && repository_.Stat(layout::End(id))) throw Changed(id);
            throw;
        }
    }

    void ListPacks() {
        std::multimap<std::string, std::string> quarantine;    // its objects by pack
        List("quarantine/",
             [&](const layout::Place &place, const ObjectInfo &info) { quarantine.emplace(place.pack, info.name); });
        // A pack whose maker has no object is of a backup that began after the begins were listed, so that the next mark
        // sees its begin; or it was stored by a late request after its maker had been removed.
        List("packs/", [&](const layout::Place &place, const ObjectInfo &info) {
            mark_.own_packs[place.backup]++;
            quarantine.erase(place.pack.substr(26));
            auto maker = mark_.backups.find(place.backup);
            bool open = maker != mark_.backups.end() && maker->second.Open();
            // Whoever goes on from a backup that is fenced by now may use all that it stored.
            bool whole = maker == mark_.backups.end() || !maker->second.manifest || maker->second.aborted;
            bool resumed = whole && mark_.IsBaseOfOpen(place.backup);
            if (!open && !resumed && !alive_.contains(place.pack)) mark_.dead[place.pack] = info.size;
        });
        for (const auto &[pack, name] : quarantine) mark_.stale_quarantine.insert(name);
    }

    const Repository &repository_;
    Ticker &ticker_;
    Mark mark_;
    std::set<std::string> alive_;    // packs
};

}    // namespace

Mark MarkAll(const Repository &repository, Ticker &ticker) { return Marker(repository, ticker).Run(); }

}    // namespace ark
