#include "wal/expire.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "repo/sweep.h"
#include "repo/writers.h"

namespace ark {
namespace {

constexpr std::size_t kBatch = 1000;    // names in one call of Remove

bool MayNeedWal(const Repository &repository, const BackupId &id) {
    std::optional<Json> begin = repository.Read(layout::Kind::kBegin, layout::Begin(id));
    std::string kind = begin ? begin->value("kind", "") : "";
    return kind != "logical" && kind != "entities" && kind != "files";
}

// Begun ones are listed first: a backup that commits meanwhile is then seen twice, and never not at all.
WalNeeds ReadNeeds(const Repository &repository, KeyRing &keys, const WalExpirySettings &settings, TimePoint now) {
    WalNeeds needs;
    needs.recovery_window = settings.recovery_window;
    needs.now = now;
    for (const OpenBackup &open : OpenBackups(repository))
        if (MayNeedWal(repository, open.id)) needs.begun.push_back({open.id, open.begun});
    for (const BackupSummary &backup : ListBackups(repository, &keys, now)) {
        if (!backup.error.empty() || !backup.manifest.readable())
            throw Error(Code::kCorrupt,
                        fmt::format("backup {} cannot be read, so no WAL expires", backup.manifest.clear.backup),
                        backup.error, "Verify it, or give the key.");
        if (settings.as_if_ended.contains(backup.manifest.clear.backup)) continue;
        if (std::optional<BaseBackup> base = BaseBackupOf(backup)) needs.kept.push_back(std::move(*base));
    }
    if (std::optional<Writer> writer = NewestWriter(repository)) needs.owner = {writer->timeline};
    return needs;
}

// A restored server that took over stores its history a moment later; where it left its parent's it has said already.
void AddHistoryOfOwner(WalArchive &archive, const Repository &repository) {
    std::optional<Writer> owner = NewestWriter(repository);
    if (!owner || !owner->restored_from) return;
    const RestoreOrigin &origin = *owner->restored_from;
    if (origin.timeline.value == 0 || origin.timeline.value >= owner->timeline) return;
    std::optional<TimelineHistory> &own = archive.timelines[{owner->timeline}].history;
    if (own) return;
    std::vector<TimelineSwitch> switches = archive.HistoryOf(origin.timeline).switches();
    switches.push_back({origin.timeline, origin.at, {}});
    own = TimelineHistory({owner->timeline}, std::move(switches));
}

std::vector<WalRange> Judged(const WalArchive &archive, const WalNeeds &needs, const WalExpirySettings &settings) {
    std::vector<WalRange> ranges = JudgeWal(archive, needs);
    if (settings.readers.empty() || needs.kept.empty()) return ranges;
    return KeepForReaders(ranges, settings.readers, needs.kept.back().segment_size, needs.now);
}

// What goes: names, the oldest first, and their bytes.
using Going = std::vector<std::pair<std::string, std::uint64_t>>;

struct Judgement {
    std::vector<WalRange> ranges;
    std::vector<TailRange> tail;

    Judgement(const WalArchive &archive, const WalNeeds &needs, const WalExpirySettings &settings)
        : ranges(Judged(archive, needs, settings)), tail(JudgeTail(archive, needs)) {}

    Going Files() const {
        Going going;
        for (const WalRange &range : ranges)
            if (!range.keep)
                for (const ArchivedFile *file : range.files) going.emplace_back(layout::Wal(file->name), file->bytes);
        for (const TailRange &range : tail)
            if (!range.keep)
                for (const TailFile *file : range.files) going.emplace_back(layout::Tail(file->name), file->bytes);
        return going;
    }
};

void Delete(Repository &repository, const Going &files, WalExpiryResult &result, Ticker &ticker, Log &log) {
    for (std::size_t at = 0; at < files.size(); at += kBatch) {
        ticker.Check();
        std::vector<std::string> names;
        std::uint64_t bytes = 0;
        for (std::size_t i = at; i < std::min(at + kBatch, files.size()); i++) {
            names.push_back(files[i].first);
            bytes += files[i].second;
        }
        repository.Remove(names);
        result.files += names.size();
        result.bytes += bytes;
        log.Report({.phase = "expire WAL",
                    .done_bytes = 0,
                    .total_bytes = 0,
                    .stored_bytes = 0,
                    .done_items = result.files,
                    .total_items = files.size(),
                    .current = names.back()});
    }
}

}    // namespace

WalExpiryResult ExpireWal(Repository &repository, KeyRing &keys, const WalExpirySettings &settings, Clock &clock,
                          Random &random, Ticker &ticker, Log &log) {
    if (!settings.dry_run && !repository.storage().Probe().conditional_create)
        throw Error(Code::kUnsupported,
                    fmt::format("{} ignores conditional creation, so no WAL expires there by itself",
                                repository.storage().Describe()),
                    {}, "Such a store is safe with one writer only; see docs/storage.md.");
    TimePoint now = clock.Now();
    if (!settings.dry_run) now = std::min(now, StoreNow(repository.storage(), random));
    WalArchive archive = ReadWalArchive(repository, keys, ticker);
    AddHistoryOfOwner(archive, repository);
    WalNeeds needs = ReadNeeds(repository, keys, settings, now);
    Judgement first(archive, needs, settings);
    WalExpiryResult result;
    for (const WalRange &range : first.ranges)
        result.ranges.push_back(
            {range.timeline, range.Names(), range.files.size(), range.Bytes(), range.keep, range.reason});
    for (const TailRange &range : first.tail)
        result.ranges.push_back(
            {range.timeline, range.Names(), range.files.size(), range.Bytes(), range.keep, range.reason});
    Going going = first.Files();
    if (settings.dry_run || going.empty()) {
        result.files = going.size();
        for (const auto &[name, bytes] : going) result.bytes += bytes;
        return result;
    }
    // The floor first, then everything is judged anew: a backup that the second look does not see begins later, and reads the floor
    // before it commits.
    RaiseWalFloors(repository, keys, keys.Newest("cluster", true, random), FloorsOf(first.ranges, first.tail, needs),
                   settings.by, "no kept base backup needs the WAL before", clock, random);
    Going second = Judgement(archive, ReadNeeds(repository, keys, settings, now), settings).Files();
    std::set<std::pair<std::string, std::uint64_t>> both(second.begin(), second.end());
    std::erase_if(going, [&](const auto &file) { return !both.contains(file); });
    Delete(repository, going, result, ticker, log);
    return result;
}

}    // namespace ark
