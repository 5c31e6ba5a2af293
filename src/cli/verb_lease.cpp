#include <fmt/format.h>

#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/recovery.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

Json WriterToJson(const Writer &writer) {
    return {{"epoch", writer.epoch},
            {"incarnation", writer.incarnation},
            {"system_identifier", writer.system_identifier},
            {"timeline", writer.timeline},
            {"host", writer.host},
            {"at", FormatTime(writer.at)},
            {"reason", writer.reason},
            {"source", writer.fingerprint.source},
            {"restored_from", writer.restored_from ? Json(Describe(*writer.restored_from)) : Json()}};
}

std::string WhereFrom(const Writer &writer) {
    if (!writer.restored_from) return {};
    std::string origin = Describe(*writer.restored_from);
    return "; it was restored from " + (origin.empty() ? "an archive" : origin);
}

// The catalog of a server that was recovered is of an earlier time: what the store has now, for it.
void AddWhatThereIs(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository) {
    if (repository->encrypted() && !engine.ConfiguredKey()) return;
    try {
        Json backups = Json::array();
        for (const BackupSummary &backup :
             ListBackups(*repository, engine.Keys(repository).get(), engine.clock().Now()))
            backups.push_back(BackupToJson(backup, *repository, engine.StoreName()));
        result["backups"] = std::move(backups);
    } catch (const Error &error) {    // it owns the path all the same
        if (error.code == Code::kCancelled) throw;
        result["warnings"] = Json::array({"the store's backups are not known: " + error.message});
        return;
    }
    AddRecoveryIfReadable(result, engine, repository);
}

Json Run(Engine &engine, const Arguments &arguments) {
    std::string action = arguments.Text("action", "show");
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    if (action == "show") {
        std::optional<Writer> writer = NewestWriter(*repository);
        return {{"state", "done"},
                {"cluster", repository->cluster().Path()},
                {"writer", writer ? WriterToJson(*writer) : Json()},
                {"message",
                 writer ? fmt::format("{} is written by \"{}\" since {} (epoch {}){}", repository->cluster().Path(),
                                      writer->host, FormatTime(writer->at), writer->epoch, WhereFrom(*writer))
                        : fmt::format("nobody has written to {} yet", repository->cluster().Path())}};
    }
    if (action != "take")
        throw Error(Code::kInvalidArgument, fmt::format("there is no action \"{}\"", action),
                    "The actions are show and take.");
    if (!arguments.Has("reason"))
        throw Error(Code::kInvalidArgument, "taking over needs a reason",
                    "The former owner will write nothing more to this path.",
                    "Give --reason \"the old server is gone\".");
    Writer taken =
        TakeOver(*repository, engine.SelfAsWriter(), arguments.Text("reason"), engine.clock(), engine.random());
    Json result{{"state", "done"},
                {"cluster", repository->cluster().Path()},
                {"writer", WriterToJson(taken)},
                {"message", fmt::format("this server now owns {} (epoch {}){}", repository->cluster().Path(),
                                        taken.epoch, WhereFrom(taken))}};
    AddWhatThereIs(result, engine, repository);
    return result;
}

}    // namespace

Verb LeaseVerb() {
    return {"lease",
            "show or take the right to write to a cluster's path in the store",
            "A clone, a moved data directory or a rolled-back snapshot writes nothing until somebody says that it is "
            "now the one: pg_ark lease take --reason \"…\".",
            {{"action", FlagKind::kText, "ACTION", "show (default) or take", true},
             {"reason", FlagKind::kText, "TEXT", "why this server takes over"}},
            Run,
            nullptr,
            ShowsWithoutAction};
}

}    // namespace ark::cli
