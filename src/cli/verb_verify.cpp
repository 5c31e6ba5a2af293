#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/request.h"
#include "cli/verb.h"
#include "logical/verify_rows.h"
#include "physical/verify_files.h"
#include "wal/verify.h"

namespace ark::cli {
namespace {

void Record(Engine &engine, const std::shared_ptr<Repository> &repository, const Arguments &arguments,
            VerifyLevel level, const VerifyResult &verified, Json &result) {
    BackupId id = result["backup_id"];
    WriteEvent(*repository, engine.ClusterKey(repository),
               {.subject = id,
                .type = "verified",
                .body = {{"by", arguments.Text("by", engine.Actor())},
                         {"level", VerifyLevelName(level)},
                         {"ok", verified.ok},
                         {"what", verified.problems.empty() ? Json() : Json(verified.problems.front())}}},
               engine.clock(), engine.random());
    result["backup"] = BackupObject(engine, repository, id);
    result["database"] = result["backup"]["database"];
}

std::vector<RecoveryWindow> WindowsOf(const Recovery &recovery, const BackupId &backup) {
    std::vector<RecoveryWindow> windows;
    for (const RecoveryWindow &window : recovery.windows)
        if (window.backup == backup) windows.push_back(window);
    return windows;
}

struct BackupWal {
    WalVerified read;
    std::vector<std::string> own;       // problems of what it cannot be restored without
    std::vector<std::string> behind;    // and of what it is recovered with from there on
};

std::string Missing(const RecoveryWindow &window) {
    return fmt::format("WAL segment {} is missing{}{}", window.missing.Text(), window.why.empty() ? "" : ": ",
                       window.why);
}

BackupWal VerifyWal(Engine &engine, const std::shared_ptr<Repository> &repository, KeyRing &keys,
                    const BaseBackup &base, VerifyLevel level, bool behind) try {
    Recovery recovery = ReadRecovery(engine, repository);
    std::vector<RecoveryWindow> windows = WindowsOf(recovery, base.id);
    auto first = std::ranges::find_if(windows, [](const RecoveryWindow &window) { return window.Opens(); });
    BackupWal wal;
    if (first == windows.end()) {
        for (const RecoveryWindow &window : windows) wal.own.push_back(Missing(window));
        return wal;
    }
    WalVerifier verifier(*repository, keys, recovery.archive, engine.ticker());
    if (level != VerifyLevel::kExists) verifier.Read(first->timeline, base.segment_size, base.start, base.stop);
    wal.own = verifier.verified().problems;
    for (const RecoveryWindow &window : windows) {
        if (!behind || !window.Opens()) continue;
        if (level != VerifyLevel::kExists) verifier.Read(window.timeline, base.segment_size, base.start, window.until);
        if (window.end == RecoveryWindow::End::kHole) wal.behind.push_back(Missing(window));
    }
    wal.read = verifier.verified();
    wal.behind.insert(wal.behind.begin(), wal.read.problems.begin() + static_cast<std::ptrdiff_t>(wal.own.size()),
                      wal.read.problems.end());
    return wal;
} catch (const Error &error) {    // a history that cannot be read
    if (error.code != Code::kCorrupt) throw;
    BackupWal wal;
    wal.own.push_back("its WAL: " + error.message + (error.detail.empty() ? "" : " (" + error.detail + ")"));
    return wal;
}

std::string Joined(const std::vector<std::string> &problems) {
    std::string all;
    for (const std::string &problem : problems) all += (all.empty() ? "" : "; ") + problem;
    return all;
}

void AddWarning(Json &result, std::string warning) {
    if (!result.contains("warnings")) result["warnings"] = Json::array();
    result["warnings"].push_back(std::move(warning));
}

Json Run(Engine &engine, const Arguments &arguments) {
    VerifyLevel level = ParseVerifyLevel(arguments.Text("level", "decode"));
    TimePoint started = engine.clock().Now();
    std::shared_ptr<Repository> repository =
        engine.ServerReachable() ? engine.OpenForWriting() : engine.OpenForReading();
    std::shared_ptr<KeyRing> keys = level == VerifyLevel::kDecode || engine.ConfiguredKey() || !repository->encrypted()
                                        ? engine.Keys(repository)
                                        : nullptr;
    BackupSummary backup = FindBackup(*repository, keys.get(), engine.clock().Now(), arguments.Text("backup", "latest"),
                                      arguments.Text("database"));
    const ManifestClear &clear = backup.manifest.clear;
    bool of_files = clear.kind == "physical" && keys != nullptr;
    std::unique_ptr<EntryVerifier> contents =
        of_files ? MakeFileVerifier(keys->Get(clear.domain, clear.generation)) : MakeRowVerifier();
    VerifyResult verified =
        VerifyBackup(*repository, keys, backup, level, contents.get(), engine.ticker(), engine.log());

    const BackupId &id = backup.manifest.clear.backup;
    BackupWal wal;
    std::optional<BaseBackup> base = keys ? BaseBackupOf(backup) : std::nullopt;
    if (base) wal = VerifyWal(engine, repository, *keys, *base, level, arguments.Bool("wal"));
    verified.problems.insert(verified.problems.end(), wal.own.begin(), wal.own.end());
    verified.ok = verified.ok && wal.own.empty();

    Json result{{"state", "done"}, {"backup_id", id}, {"level", VerifyLevelName(level)}, {"ok", verified.ok}};
    result["problems"] = verified.problems;
    result["packs"] = verified.packs;
    result["frames"] = verified.frames;
    result["rows"] = verified.rows;
    result["bytes_read"] = verified.bytes_read;
    result["wal_segments"] = wal.read.segments;
    result["wal_bytes"] = wal.read.bytes;
    if (clear.kind == "physical" && !keys) AddWarning(result, "its WAL was not looked for: that takes the key");
    result["started_at"] = FormatTime(started, true);
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    if (repository->epoch() != 0 && keys != nullptr) {
        try {
            Record(engine, repository, arguments, level, verified, result);
        } catch (const Error &error) {    // what was found stays found: a store that is full can still be read
            if (error.code == Code::kCancelled) throw;
            AddWarning(result, fmt::format("the verification could not be recorded in the store: {}", error.message));
        }
    } else {
        AddWarning(result, "the verification was not recorded in the store: the server or the key is not at hand");
    }
    if (!verified.ok)
        throw Error(Code::kCorrupt,
                    fmt::format("backup {} is damaged: {} found at level {}", id,
                                verified.problems.size() == 1 ? "one fault"
                                                              : fmt::format("{} faults", verified.problems.size()),
                                VerifyLevelName(level)),
                    Joined(verified.problems),
                    "Take a new backup now: it stores the damaged data afresh. Then verify the older ones to learn "
                    "which are whole.");
    if (!wal.behind.empty())
        throw Error(Code::kCorrupt, fmt::format("backup {} is whole, and not all of the WAL behind it is", id),
                    Joined(wal.behind),
                    "It can be recovered up to there, and no further. Take a base backup now: it opens a new window.");
    result["message"] =
        fmt::format("backup {} is whole at level {}: {} packs, {} frames, {} rows, {} read", id, VerifyLevelName(level),
                    verified.packs, verified.frames, verified.rows, HumanBytes(verified.bytes_read));
    if (wal.read.segments > 0)
        result["message"] = TextOf(result["message"]) + fmt::format("; {} of its WAL in {} segments",
                                                                    HumanBytes(wal.read.bytes), wal.read.segments);
    return result;
}

void Print(const Json &result, std::ostream &out) { out << TextOf(result["message"]) << '\n'; }

}    // namespace

Verb VerifyVerb() {
    return {"verify",
            "prove that a backup can be read back: exists, checksum or decode",
            "exists: its packs are there with the right size. checksum: every byte is read and compared; needs no key. "
            "decode: every frame is decrypted,\n"
            "decompressed and compared, rows are counted. A damaged frame is put in quarantine, so that the next "
            "backup stores that data afresh.\n"
            "Of a base backup the WAL that it cannot be restored without is proven too; with --wal all that it can be "
            "recovered with.",
            {{"backup", FlagKind::kText, "BACKUP", "a backup id, a label, or latest (default)", true},
             {"database", FlagKind::kText, "NAME", "database meant by latest or a label"},
             {"level", FlagKind::kText, "LEVEL", "exists, checksum or decode (default)"},
             {"wal", FlagKind::kBool, "", "of a base backup: all WAL of its recovery windows, and what ends them"},
             {"by", FlagKind::kText, "NAME", "who verifies, for the record"}},
            Run,
            Print};
}

}    // namespace ark::cli
