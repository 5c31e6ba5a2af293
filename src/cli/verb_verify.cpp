#include <fmt/format.h>

#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/verb.h"
#include "logical/verify_rows.h"
#include "physical/verify_files.h"

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

Json Run(Engine &engine, const Arguments &arguments) {
    VerifyLevel level = ParseVerifyLevel(arguments.Text("level", "decode"));
    TimePoint started = engine.clock().Now();
    std::shared_ptr<Repository> repository =
        engine.ServerReachable() ? engine.OpenForWriting() : engine.OpenForReading();
    std::shared_ptr<KeyRing> keys =
        level == VerifyLevel::kDecode || engine.ConfiguredKey() ? engine.Keys(repository) : nullptr;
    BackupSummary backup = FindBackup(*repository, keys.get(), engine.clock().Now(), arguments.Text("backup", "latest"),
                                      arguments.Text("database"));
    const ManifestClear &clear = backup.manifest.clear;
    bool of_files = clear.kind == "physical" && keys != nullptr;
    std::unique_ptr<EntryVerifier> contents =
        of_files ? MakeFileVerifier(keys->Get(clear.domain, clear.generation)) : MakeRowVerifier();
    VerifyResult verified =
        VerifyBackup(*repository, keys, backup, level, contents.get(), engine.ticker(), engine.log());

    const BackupId &id = backup.manifest.clear.backup;
    Json result{{"state", "done"}, {"backup_id", id}, {"level", VerifyLevelName(level)}, {"ok", verified.ok}};
    result["problems"] = verified.problems;
    result["packs"] = verified.packs;
    result["frames"] = verified.frames;
    result["rows"] = verified.rows;
    result["bytes_read"] = verified.bytes_read;
    result["started_at"] = FormatTime(started, true);
    result["finished_at"] = FormatTime(engine.clock().Now(), true);
    if (repository->epoch() != 0 && keys != nullptr) {
        try {
            Record(engine, repository, arguments, level, verified, result);
        } catch (const Error &error) {    // what was found stays found: a store that is full can still be read
            if (error.code == Code::kCancelled) throw;
            result["warnings"] =
                Json::array({fmt::format("the verification could not be recorded in the store: {}", error.message)});
        }
    } else {
        result["warnings"] =
            Json::array({"the verification was not recorded in the store: the server or the key is not at hand"});
    }
    if (!verified.ok) {
        std::string all;
        for (const std::string &problem : verified.problems) all += (all.empty() ? "" : "; ") + problem;
        throw Error(Code::kCorrupt,
                    fmt::format("backup {} is damaged: {} found at level {}", id,
                                verified.problems.size() == 1 ? "one fault"
                                                              : fmt::format("{} faults", verified.problems.size()),
                                VerifyLevelName(level)),
                    all,
                    "Take a new backup now: it stores the damaged data afresh. Then verify the older ones to learn "
                    "which are whole.");
    }
    result["message"] =
        fmt::format("backup {} is whole at level {}: {} packs, {} frames, {} rows, {} read", id, VerifyLevelName(level),
                    verified.packs, verified.frames, verified.rows, HumanBytes(verified.bytes_read));
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
            "backup stores that data afresh.",
            {{"backup", FlagKind::kText, "BACKUP", "a backup id, a label, or latest (default)", true},
             {"database", FlagKind::kText, "NAME", "database meant by latest or a label"},
             {"level", FlagKind::kText, "LEVEL", "exists, checksum or decode (default)"},
             {"by", FlagKind::kText, "NAME", "who verifies, for the record"}},
            Run,
            Print};
}

}    // namespace ark::cli
