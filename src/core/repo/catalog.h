// What is in a store: backups, their state, holds and verifications; how they end. Sections 3 to 5.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/log.h"
#include "repo/events.h"
#include "repo/manifest.h"

namespace ark {

struct BackupSummary {
    Manifest manifest;    // clear part always; body if a key is there
    bool ended = false;
    HoldState hold;
    std::optional<Event> verified;    // the newest verification
    std::vector<Event> events;
    TimePoint stored_at{};    // the store's time of the manifest
    std::string error;        // not empty: the manifest could not be read, and why (it is listed, not hidden)
};

// All backups with a manifest that is complete and without an `end` (unless `with_ended`), newest first by (sequence, id).
// Reads roots and events only.
std::vector<BackupSummary> ListBackups(const Repository &repository, KeyRing *keys, TimePoint now,
                                       bool with_ended = false);

// The ids of those without an `end`, by one listing of names: nothing of them is read, so that aborted ones are among them.
std::set<BackupId> NamesOfBackups(const Repository &repository);
// Of these, which NamesOfBackups() gave, those that are complete; as ListBackups() lists them.
std::vector<BackupSummary> ReadBackups(const Repository &repository, KeyRing *keys, TimePoint now,
                                       const std::set<BackupId> &ids);

// For FindBackup: of any kind that holds rows of tables, not files of a cluster.
constexpr std::string_view kBackupWithRows = "rows";

// Finds by backup id, "latest" (the newest; of `database` and `kind` if given), or a label (the newest with it). Throws kNotFound listing what is
// close by; kInvalidArgument where the id is that of a base backup and rows are wanted, or the reverse.
BackupSummary FindBackup(const Repository &repository, KeyRing *keys, TimePoint now, std::string_view restore_point,
                         std::string_view database = {}, std::string_view kind = {});

// Backups begun and neither committed nor fenced.
struct OpenBackup {
    BackupId id;
    TimePoint begun{};         // the store's time
    TimePoint seen_alive{};    // then, or when it wrote its last checkpoint
    std::string host;
    int pid = 0;
};
std::vector<OpenBackup> OpenBackups(const Repository &repository);

// Creates `end`. The caller has decided (retention) or asked (delete). Returns false if it had ended already.
bool EndBackup(Repository &repository, const BackupId &id, std::string_view reason, std::string_view by, Clock &clock);
// The `kind` of a manifest that somebody else than the backup's writer made to fence it.
inline const std::string kFenceKind = "fence";

// Creates the manifest as aborted, with that kind. False if the backup committed meanwhile or was fenced before.
bool FenceBackup(Repository &repository, const BackupId &id, Clock &clock);

}    // namespace ark
