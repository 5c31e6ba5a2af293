#include "repo/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace ark {
namespace {

struct Backup {
    bool begin = false, packs = false, manifest = false, end = false;
    bool aborted = false;
    bool fence = false;    // aborted by another than its writer, which may still be alive
    TimePoint begun{};
    std::vector<BackupId> bases;    // of an open one
    bool Open() const { return begin && !manifest; }
    bool Listed() const { return manifest && !aborted && !end; }
    // Nothing of it is needed any more. An `end` alone is what a removal that was broken off left.
    bool Gone() const { return manifest ? aborted || end : end && !begin; }
};

// One look at the whole cluster path: what is alive, and what is dead.
struct Mark {
    std::map<BackupId, Backup> backups;
    std::map<std::string, std::uint64_t> dead;      // pack and its size
    std::map<BackupId, std::uint64_t> own_packs;    // how many packs a backup's name stands over
};

bool IsBaseOfOpen(const Mark &mark, const BackupId &id) {
    return std::ranges::any_of(mark.backups, [&](const auto &other) {
        return other.second.Open() && std::ranges::find(other.second.bases, id) != other.second.bases.end();
    });
}

class Marker {
public:
    Marker(Repository &repository, Ticker &ticker) : repository_(repository), ticker_(ticker) {}

    // The order is the proof (docs/repository-format.md, section 4): ends and manifests first, begins after, packs last.
    Mark Look() {
        Mark mark;
        PlaceEverything();
        ListBackups(mark, {layout::Kind::kEnd, layout::Kind::kManifest, layout::Kind::kPacks});
        ListBackups(mark, {layout::Kind::kBegin});
        std::set<std::string> alive;
        std::set<BackupId> open;
        for (auto &[id, backup] : mark.backups) {
            ticker_.Check();
            if (backup.Open()) {
                open.insert(id);
                ReadBases(id, backup);
            }
        }
        for (auto &[id, backup] : mark.backups) {
            if (backup.manifest) ReadState(id, backup);
            if (backup.Listed() || (backup.manifest && !backup.aborted && IsBaseOfOpen(mark, id))) Keep(id, alive);
        }
        repository_.List("packs/", [&](const ObjectInfo &info) {
            ticker_.Check();
            std::optional<layout::Place> place = layout::Parse(info.name);
            if (!place) throw Unplaceable(info.name);
            mark.own_packs[place->backup]++;
            // A pack without a begin is of a backup that this look could not see begin: it stays until one can.
            bool spared = open.contains(place->backup) || !mark.backups.contains(place->backup);
            if (!spared && !alive.contains(place->pack)) mark.dead[place->pack] = info.size;
            return true;
        });
        return mark;
    }

private:
    static Error Unplaceable(const std::string &name) {
        return Error(Code::kCorrupt,
                     fmt::format("the sweep met \"{}\", which it cannot place, and deleted nothing", name),
                     "An object that this version does not know may protect data.",
                     "Find out what wrote it: a newer pg_ark, or a stray file. Remove the stray one.");
    }

    // Every object under the cluster path must have a place, and be of a format this program knows.
    void PlaceEverything() {
        repository_.List("", [&](const ObjectInfo &info) {
            ticker_.Check();
            if (!layout::Parse(info.name)) throw Unplaceable(info.name);
            return true;
        });
    }

    void ListBackups(Mark &mark, std::initializer_list<layout::Kind> kinds) {
        repository_.List("backups/", [&](const ObjectInfo &info) {
            std::optional<layout::Place> place = layout::Parse(info.name);
            if (!place) throw Unplaceable(info.name);
            if (std::ranges::find(kinds, place->kind) == kinds.end()) return true;
            Backup &backup = mark.backups[place->backup];
            switch (place->kind) {
            case layout::Kind::kBegin:
                backup.begin = true;
                backup.begun = info.modified;
                break;
            case layout::Kind::kPacks: backup.packs = true; break;
            case layout::Kind::kManifest: backup.manifest = true; break;
            default: backup.end = true;
            }
            return true;
        });
    }

    void ReadBases(const BackupId &id, Backup &backup) {
        std::optional<Json> begin = repository_.Read(layout::Kind::kBegin, layout::Begin(id));
        if (!begin)
            throw Error(Code::kConflict, fmt::format("backup {} changed while the sweep looked", id), {},
                        "Another sweep may be running; try again later.");
        for (const Json &base : begin->value("bases", Json::array()))
            if (base.is_string()) backup.bases.push_back(base.get<std::string>());
    }

    void ReadState(const BackupId &id, Backup &backup) {
        std::optional<ManifestClear> clear = ReadManifestClear(repository_, id);
        if (!clear)
            throw Error(Code::kConflict, fmt::format("backup {} changed while the sweep looked", id), {},
                        "Another sweep may be running; try again later.");
        backup.aborted = clear->state == "aborted";
        backup.fence = clear->kind == kFenceKind;
    }

    void Keep(const BackupId &id, std::set<std::string> &alive) {
        std::optional<ManifestClear> clear = ReadManifestClear(repository_, id);
        if (!clear)
            throw Error(Code::kConflict, fmt::format("backup {} changed while the sweep looked", id), {},
                        "Another sweep may be running; try again later.");
        ReadPackList(repository_, *clear, [&](const PackInfo &pack) { alive.insert(pack.pack); });
    }

    Repository &repository_;
    Ticker &ticker_;
};

// The store's own idea of now: the time of an object that is made for it.
TimePoint StoreNow(Repository &repository, Random &random) {
    std::string name = ".probe/" + random.Hex(16);
    MemorySource source(std::string_view("now"));
    repository.storage().Put(name, source, PutMode::kCreate);
    std::optional<ObjectInfo> info = repository.storage().Stat(name);
    repository.storage().Remove({name});
    if (!info) throw Error(Code::kCorrupt, "an object that was just written is not in the store");
    return info->modified;
}

void FenceAbandoned(Repository &repository, const SweepSettings &settings, SweepResult &result, Clock &clock) {
    std::vector<OpenBackup> open = OpenBackups(repository);
    if (open.empty()) return;
    TimePoint now = StoreNow(repository, SystemRandom());
    for (const OpenBackup &backup : open) {
        if (now - backup.begun < settings.abandon_after) {
            result.kept_because.push_back(
                fmt::format("backup {} began {} ago on \"{}\" and is not finished: its packs and its bases stay",
                            backup.id, HumanDuration(now - backup.begun), backup.host));
            continue;
        }
        if (settings.dry_run) {
            result.kept_because.push_back(fmt::format("backup {} was abandoned and would be fenced", backup.id));
            continue;
        }
        if (FenceBackup(repository, backup.id, clock)) result.fenced++;
    }
}

void WaitFor(Duration grace, Clock &clock, Ticker &ticker) {
    constexpr Duration kStep = std::chrono::milliseconds(100);
    for (SteadyPoint until = clock.Steady() + grace; clock.Steady() < until;) {
        ticker.Check();
        clock.Sleep(
            std::min<Duration>(kStep, std::chrono::duration_cast<Duration>(until - clock.Steady()) + Duration(1)));
    }
}

// The backup's own objects, in an order that leaves it gone wherever a crash breaks it off: were `end` removed before the
// manifest, the backup would be listed again. A fence stays for ever: a writer that comes back late must still find it.
void RemoveBackup(Repository &repository, const BackupId &id, bool fence) {
    repository.Remove({layout::Begin(id)});
    repository.Remove({layout::Packs(id)});
    if (fence) return;
    repository.Remove({layout::Manifest(id)});
    repository.Remove({layout::End(id)});
}

}    // namespace

SweepResult Sweep(Repository &repository, const SweepSettings &settings, Clock &clock, Ticker &ticker, Log &log) {
    SweepResult result;
    if (!settings.dry_run && !repository.storage().Probe().conditional_create)
        throw Error(Code::kUnsupported,
                    fmt::format("{} ignores conditional creation, so nothing is swept there by itself",
                                repository.storage().Describe()),
                    {}, "Such a store is safe with one writer only; see docs/storage.md.");
    FenceAbandoned(repository, settings, result, clock);
    Marker marker(repository, ticker);
    Mark first = marker.Look();
    result.dead_packs = first.dead.size();
    bool endings = std::ranges::any_of(first.backups, [](const auto &item) {
        return item.second.Gone() && (!item.second.fence || item.second.begin);
    });
    if (settings.dry_run || (first.dead.empty() && !endings)) return result;

    log.Report({.phase = "wait",
                .done_bytes = 0,
                .total_bytes = 0,
                .stored_bytes = 0,
                .done_items = 0,
                .total_items = first.dead.size(),
                .current = {}});
    WaitFor(settings.grace, clock, ticker);
    Mark second = marker.Look();

    std::vector<std::string> batch;
    std::map<BackupId, std::uint64_t> left = second.own_packs;
    auto flush = [&] {
        ticker.Check();
        repository.Remove(batch);
        result.deleted_packs += batch.size();
        batch.clear();
    };
    for (const auto &[pack, size] : second.dead) {
        if (!first.dead.contains(pack)) continue;
        batch.push_back(layout::Pack(pack));
        left[pack.substr(0, pack.find('/'))]--;
        result.deleted_bytes += size;
        if (batch.size() == 1000) flush();
    }
    flush();
    for (const auto &[id, backup] : second.backups) {
        auto before = first.backups.find(id);
        if (!backup.Gone() || before == first.backups.end() || !before->second.Gone()) continue;
        if (left[id] > 0 || IsBaseOfOpen(second, id) || (backup.fence && !backup.begin && !backup.packs)) continue;
        RemoveBackup(repository, id, backup.fence);
        result.deleted_backups++;
    }
    result.uploads_aborted = repository.storage().SweepUploads(std::chrono::hours(24 * 7));
    return result;
}

}    // namespace ark
