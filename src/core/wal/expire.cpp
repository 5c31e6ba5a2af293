#include "wal/expire.h"

#include <fmt/format.h>

#include <algorithm>

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

std::vector<const ArchivedFile *> Going(const std::vector<WalRange> &ranges) {
    std::vector<const ArchivedFile *> files;
    for (const WalRange &range : ranges)
        if (!range.keep) files.insert(files.end(), range.files.begin(), range.files.end());
    return files;
}

void Delete(Repository &repository, const std::vector<const ArchivedFile *> &files, WalExpiryResult &result,
            Ticker &ticker, Log &log) {
    for (std::size_t at = 0; at < files.size(); at += kBatch) {
        ticker.Check();
        std::vector<std::string> names;
        std::uint64_t bytes = 0;
        for (std::size_t i = at; i < std::min(at + kBatch, files.size()); i++) {
            names.push_back(layout::Wal(files[i]->name));
            bytes += files[i]->bytes;
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
    WalNeeds needs = ReadNeeds(repository, keys, settings, now);
    std::vector<WalRange> ranges = JudgeWal(archive, needs);
    WalExpiryResult result;
    for (const WalRange &range : ranges)
        result.ranges.push_back(
            {range.timeline, range.Names(), range.files.size(), range.Bytes(), range.keep, range.reason});
    std::vector<const ArchivedFile *> going = Going(ranges);
    if (settings.dry_run || going.empty()) {
        result.files = going.size();
        for (const ArchivedFile *file : going) result.bytes += file->bytes;
        return result;
    }
    // The floor first, then everything is judged anew: a backup that the second look does not see begins later, and reads the floor
    // before it commits.
    RaiseWalFloors(repository, keys, keys.Newest("cluster", true, random), FloorsOf(ranges, needs), settings.by,
                   "no kept base backup needs the WAL before", clock, random);
    std::vector<const ArchivedFile *> second = Going(JudgeWal(archive, ReadNeeds(repository, keys, settings, now)));
    std::set<const ArchivedFile *> both(second.begin(), second.end());
    std::erase_if(going, [&](const ArchivedFile *file) { return !both.contains(file); });
    Delete(repository, going, result, ticker, log);
    return result;
}

}    // namespace ark
