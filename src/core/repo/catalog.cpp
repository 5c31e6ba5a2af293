#include "repo/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace ark {
namespace {

// What lies under backups/, by id; from one listing.
struct Found {
    bool begin = false, packs = false, manifest = false, end = false;
    TimePoint begun{}, stored{}, seen_alive{};
    // A manifest alone is what a late request brought back after the backup had been removed.
    bool Complete() const { return manifest && (begin || packs); }
};

std::map<BackupId, Found> Look(const Repository &repository) {
    std::map<BackupId, Found> found;
    repository.List("backups/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a backup's object", info.name));
        Found &backup = found[place->backup];
        if (place->kind == layout::Kind::kBegin) {
            backup.begin = true;
            backup.begun = info.modified;
        }
        if (place->kind == layout::Kind::kBegin || place->kind == layout::Kind::kCheckpoint)
            backup.seen_alive = std::max(backup.seen_alive, info.modified);
        if (place->kind == layout::Kind::kManifest) {
            backup.manifest = true;
            backup.stored = info.modified;
        }
        if (place->kind == layout::Kind::kPacks) backup.packs = true;
        if (place->kind == layout::Kind::kEnd) backup.end = true;
        return true;
    });
    return found;
}

// A manifest that cannot be read is listed with the reason, never hidden: it is what one looks for at night.
BackupSummary Summarise(const Repository &repository, KeyRing *keys, TimePoint now, const BackupId &id,
                        const Found &found, bool has_events) {
    BackupSummary backup;
    backup.manifest.clear.backup = id;
    backup.ended = found.end;
    backup.stored_at = found.stored;
    auto unless_damaged = [&](const auto &read) {
        try {
            read();
            return true;
        } catch (const Error &error) {
            if (error.code == Code::kUnavailable || error.code == Code::kCancelled ||
                error.code == Code::kPermissionDenied)
                throw;
            if (backup.error.empty())
                backup.error = error.detail.empty() ? error.message : error.message + " (" + error.detail + ")";
            return false;
        }
    };
    unless_damaged([&] {
        std::optional<Manifest> manifest = ReadManifest(repository, id, keys);
        if (!manifest) throw Error(Code::kNotFound, "the manifest is gone");
        backup.manifest = std::move(*manifest);
    });
    if (unless_damaged([&] {
            if (has_events) backup.events = ReadEvents(repository, id, keys);
        }))
        backup.hold = CurrentHold(backup.events, now);
    else
        backup.hold = {.held = true, .until = std::nullopt, .reason = backup.error, .by = {}};    // it may be
    for (const Event &event : backup.events)
        if (event.type == "verified") backup.verified = event;
    return backup;
}

std::string BodyText(const BackupSummary &backup, const char *member) {
    const Json &body = backup.manifest.body;
    return body.is_object() && body.contains(member) && body[member].is_string() ? body[member].get<std::string>()
                                                                                 : std::string();
}

bool HasLabel(const BackupSummary &backup, std::string_view label) {
    std::string newest = BodyText(backup, "label");
    for (const Event &event : backup.events)
        if (event.type == "annotate" && event.body.is_object() && event.body.contains("label") &&
            event.body["label"].is_string())
            newest = event.body["label"].get<std::string>();
    return newest == label;
}

}    // namespace

namespace {

std::vector<BackupSummary> SummariseAll(const Repository &repository, KeyRing *keys, TimePoint now,
                                        const std::function<bool(const BackupId &, const Found &)> &wanted) {
    std::vector<std::string> subjects = SubjectsWithEvents(repository, {});
    std::set<std::string> with_events(subjects.begin(), subjects.end());
    std::vector<BackupSummary> backups;
    for (const auto &[id, found] : Look(repository)) {
        if (!found.Complete() || !wanted(id, found)) continue;
        BackupSummary backup = Summarise(repository, keys, now, id, found, with_events.contains(id));
        if (backup.manifest.clear.state == "complete") backups.push_back(std::move(backup));
    }
    std::ranges::sort(backups, [](const BackupSummary &a, const BackupSummary &b) {
        return std::tie(a.manifest.clear.sequence, a.manifest.clear.backup) >
               std::tie(b.manifest.clear.sequence, b.manifest.clear.backup);
    });
    return backups;
}

}    // namespace

std::vector<BackupSummary> ListBackups(const Repository &repository, KeyRing *keys, TimePoint now, bool with_ended) {
    return SummariseAll(repository, keys, now,
                        [&](const BackupId &, const Found &found) { return with_ended || !found.end; });
}

std::set<BackupId> NamesOfBackups(const Repository &repository) {
    std::set<BackupId> ids;
    for (const auto &[id, found] : Look(repository))
        if (found.Complete() && !found.end) ids.insert(id);
    return ids;
}

std::vector<BackupSummary> ReadBackups(const Repository &repository, KeyRing *keys, TimePoint now,
                                       const std::set<BackupId> &ids) {
    return SummariseAll(repository, keys, now,
                        [&](const BackupId &id, const Found &found) { return !found.end && ids.contains(id); });
}

namespace {

bool IsOfKind(const ManifestClear &clear, std::string_view kind) {
    return kind.empty() || (kind == kBackupWithRows ? clear.kind != "physical" : clear.kind == kind);
}

void CheckKind(const ManifestClear &clear, std::string_view kind) {
    if (kind.empty() || (clear.kind == "physical") == (kind == "physical")) return;
    if (clear.kind == "physical")
        throw Error(Code::kInvalidArgument, fmt::format("backup {} is a base backup of a whole cluster", clear.backup),
                    {}, "pg_ark restore makes a cluster from it.");
    throw Error(Code::kInvalidArgument,
                fmt::format("backup {} is {}, not of a whole cluster", clear.backup, clear.kind), {},
                "A database comes back with pg_ark restore-database, tables with pg_ark restore-entities.");
}

}    // namespace

BackupSummary FindBackup(const Repository &repository, KeyRing *keys, TimePoint now, std::string_view restore_point,
                         std::string_view database, std::string_view kind) {
    std::vector<BackupSummary> backups = ListBackups(repository, keys, now);
    bool by_id = IsBackupId(restore_point);
    for (BackupSummary &backup : backups) {
        if (by_id) {
            if (backup.manifest.clear.backup != restore_point) continue;
            CheckKind(backup.manifest.clear, kind);
            return std::move(backup);
        }
        if (!database.empty() && BodyText(backup, "database") != database) continue;
        if (!IsOfKind(backup.manifest.clear, kind)) continue;
        // "latest" is a backup, not the copy that a restore made of what it changed.
        if (restore_point == "latest" && BodyText(backup, "label").starts_with("before restore ")) continue;
        if (restore_point == "latest" || HasLabel(backup, restore_point)) return std::move(backup);
    }
    std::string near;
    std::size_t shown = 0;
    for (const BackupSummary &backup : backups) {
        if (!by_id && !database.empty() && BodyText(backup, "database") != database) continue;
        if (!IsOfKind(backup.manifest.clear, kind)) continue;
        if (shown++ == 5) break;
        std::string label = BodyText(backup, "label");
        near += (near.empty() ? "" : ", ") + backup.manifest.clear.backup + (label.empty() ? "" : " \"" + label + "\"");
    }
    std::string of = database.empty() ? "" : fmt::format(" of database \"{}\"", database);
    std::string what = restore_point == "latest"
                           ? fmt::format("there is no backup{}", of)
                           : fmt::format("there is no backup \"{}\"{}", restore_point, by_id ? "" : of);
    throw Error(Code::kNotFound, what,
                near.empty() ? fmt::format("The store has no backup{}.", of) : fmt::format("The newest are {}.", near),
                "SELECT * FROM ark.list_restore_points() or pg_ark list shows them all.");
}

std::vector<OpenBackup> OpenBackups(const Repository &repository) {
    std::vector<OpenBackup> open;
    for (const auto &[id, found] : Look(repository)) {
        if (!found.begin || found.manifest) continue;
        std::optional<Json> begin = repository.Read(layout::Kind::kBegin, layout::Begin(id));
        if (!begin) continue;    // it ended between the listing and now
        open.push_back({id, found.begun, found.seen_alive, begin->value("host", ""), begin->value("pid", 0)});
    }
    return open;
}

bool EndBackup(Repository &repository, const BackupId &id, std::string_view reason, std::string_view by, Clock &clock) {
    try {
        return repository.Create(layout::Kind::kEnd, layout::End(id),
                                 {{"backup", id}, {"at", FormatTime(clock.Now())}, {"reason", reason}, {"by", by}});
    } catch (const Error &error) {
        if (error.code != Code::kAlreadyExists) throw;
        return false;
    }
}

bool FenceBackup(Repository &repository, const BackupId &id, Clock &clock) {
    Manifest fence;
    fence.clear.state = "aborted";
    fence.clear.backup = id;
    fence.clear.finished = clock.Now();
    fence.clear.kind = kFenceKind;
    try {
        return repository.CreateRaw(layout::Manifest(id), FormatManifest(repository, fence, DomainKey{}));
    } catch (const Error &error) {
        if (error.code != Code::kAlreadyExists) throw;
        return false;
    }
}

}    // namespace ark
