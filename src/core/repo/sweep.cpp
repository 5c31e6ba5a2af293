#include "repo/sweep.h"

#include <fmt/format.h>

#include <algorithm>

#include "repo/sweep_mark.h"
#include "repo/writers.h"

namespace ark {
namespace {

constexpr std::size_t kBatch = 1000;    // names in one call of Remove
constexpr Duration kProbeKept = std::chrono::hours(24);

// Objects like that of StoreNow, left by programs that died before they removed it.
void RemoveProbes(Storage &storage) {
    std::vector<ObjectInfo> probes;
    storage.List(".probe/", [&](const ObjectInfo &probe) {
        probes.push_back(probe);
        return true;
    });
    if (probes.empty()) return;
    TimePoint now = StoreNow(storage, SystemRandom());
    std::vector<std::string> old;
    for (const ObjectInfo &probe : probes)
        if (now - probe.modified > kProbeKept) old.push_back(probe.name);
    storage.Remove(old);
}

void FenceAbandoned(Repository &repository, const SweepSettings &settings, SweepResult &result, Clock &clock) {
    std::vector<OpenBackup> open = OpenBackups(repository);
    if (open.empty()) return;
    TimePoint now = StoreNow(repository.storage(), SystemRandom());
    for (const OpenBackup &backup : open) {
        if (now - backup.seen_alive < settings.abandon_after) {
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
    if (!fence) repository.Remove({layout::Manifest(id)});
    repository.Remove({layout::End(id)});
}

void RemoveInBatches(Repository &repository, const std::vector<std::string> &names, Ticker &ticker) {
    for (std::size_t at = 0; at < names.size(); at += kBatch) {
        ticker.Check();
        auto begin = names.begin() + static_cast<std::ptrdiff_t>(at);
        repository.Remove({begin, begin + static_cast<std::ptrdiff_t>(std::min(kBatch, names.size() - at))});
    }
}

// What was dead both times.
void Delete(Repository &repository, const Mark &first, const Mark &second, SweepResult &result, Ticker &ticker) {
    std::vector<std::string> names;
    std::map<BackupId, std::uint64_t> left = second.own_packs;
    for (const auto &[pack, size] : second.dead) {
        if (!first.dead.contains(pack)) continue;
        names.push_back(layout::Pack(pack));
        left[pack.substr(0, pack.find('/'))]--;
        result.deleted_bytes += size;
    }
    result.deleted_packs = names.size();
    RemoveInBatches(repository, names, ticker);
    names.clear();
    std::ranges::set_intersection(first.stale_checkpoints, second.stale_checkpoints, std::back_inserter(names));
    RemoveInBatches(repository, names, ticker);
    for (const auto &[id, backup] : second.backups) {
        auto before = first.backups.find(id);
        if (!backup.HasLeftovers() || before == first.backups.end() || !before->second.Gone()) continue;
        if (left[id] > 0 || second.IsBaseOfOpen(id)) continue;
        ticker.Check();
        RemoveBackup(repository, id, backup.fence);
        result.deleted_backups++;
    }
    names.clear();
    std::ranges::set_intersection(first.stale_quarantine, second.stale_quarantine, std::back_inserter(names));
    RemoveInBatches(repository, names, ticker);
}

}    // namespace

TimePoint StoreNow(Storage &storage, Random &random) {
    std::string name = ".probe/" + random.Hex(16);
    PutNew(storage, name, AsBytes("now"));
    std::optional<ObjectInfo> info = storage.Stat(name);
    if (!info) throw Error(Code::kCorrupt, "an object that was just written is not in the store");
    storage.Remove({name});
    return info->modified;
}

SweepResult Sweep(Repository &repository, const SweepSettings &settings, Clock &clock, Ticker &ticker, Log &log) {
    SweepResult result;
    if (!settings.dry_run && !repository.storage().Probe().conditional_create)
        throw Error(Code::kUnsupported,
                    fmt::format("{} ignores conditional creation, so nothing is swept there by itself",
                                repository.storage().Describe()),
                    {}, "Such a store is safe with one writer only; see docs/storage.md.");
    // Both may have been written by a newer version since this program opened the path.
    repository.Read(layout::Kind::kRepository, layout::kIdentity);
    NewestWriter(repository);
    FenceAbandoned(repository, settings, result, clock);
    if (!settings.dry_run) RemoveProbes(repository.storage());
    Mark first = MarkAll(repository, ticker);
    result.dead_packs = first.dead.size();
    bool nothing = first.dead.empty() && first.stale_quarantine.empty() && first.stale_checkpoints.empty() &&
                   std::ranges::none_of(first.backups, [](const auto &item) { return item.second.HasLeftovers(); });
    if (settings.dry_run || nothing) return result;

    log.Report({.phase = "wait",
                .done_bytes = 0,
                .total_bytes = 0,
                .stored_bytes = 0,
                .done_items = 0,
                .total_items = first.dead.size(),
                .current = {}});
    WaitFor(settings.grace, clock, ticker);
    Delete(repository, first, MarkAll(repository, ticker), result, ticker);
    result.uploads_aborted = repository.storage().SweepUploads(std::chrono::hours(24 * 7));
    return result;
}

}    // namespace ark
