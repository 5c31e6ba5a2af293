// From a verb's arguments to the engine's requests, and from its results to the members that every result shares.
#pragma once

#include "cli/engine.h"
#include "cli/verb.h"
#include "logical/export.h"
#include "physical/take_backup.h"

namespace ark::cli {

// Names, a comma-separated text, or {"name","tables":[{"schema","table","filter"}]} objects.
std::vector<Entity> EntitiesOf(const Arguments &arguments, std::string_view name);
ExportRequest MakeExportRequest(Engine &engine, const Arguments &arguments);

// "done" with the backup object, sizes and times.
Json ResultOfBackup(Engine &engine, const std::shared_ptr<Repository> &repository, const ExportResult &taken);
PhysicalRequest MakePhysicalRequest(Engine &engine, const Arguments &arguments);
Json ResultOfPhysical(Engine &engine, const std::shared_ptr<Repository> &repository, const PhysicalResult &taken);
// The backup object of one id, read afresh from the store.
Json BackupObject(Engine &engine, const std::shared_ptr<Repository> &repository, const BackupId &id);
// `contents`: at most `limit` tables (0: all).
void AddContents(Json &result, const std::shared_ptr<Repository> &repository, const std::shared_ptr<KeyRing> &keys,
                 const BackupId &id, std::size_t limit = 10'000);

}    // namespace ark::cli
