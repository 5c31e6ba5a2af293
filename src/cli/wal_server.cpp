#include "cli/wal_server.h"

#include <fmt/format.h>

#include <mutex>

#include "cli/archives.h"

namespace ark::cli {
namespace {

constexpr std::size_t kMostAhead = 32;

class ArchiveServer {
public:
    ArchiveServer(Engine &engine, WalCommand &command)
        : engine_(engine),
          command_(command),
          pushes_([this](const WalFileName &name,
                         const std::filesystem::path &file) { return Current()->Push(name, file); },
                  command.directory(), command.spool(), PushLimits(engine.config()), SilentLog()) {}

    Json Answer(const Json &request) {
        Json answer{{"event", "archived"}, {"id", request.value("id", 0)}};
        std::filesystem::path file = command_.Path(request.value("archive", ""));
        WalFileName name = ParseWalFileName(file.filename().string());
        answer["file"] = name.Text();
        PushAhead::Answer outcome = Archive(name, file);
        answer["was_ahead"] = outcome.was_ahead;
        answer["stored_bytes"] = outcome.result.stored_bytes;
        return answer;
    }

private:
    PushAhead::Answer Archive(const WalFileName &name, const std::filesystem::path &file) {
        Open(name, file);
        std::shared_ptr<Archives> archives = Current();
        return pushes_.Ask(name, file, archives && !archives->directory().InRecovery());
    }

    // Not for a file that an earlier process has stored: its mark answers without the store.
    void Open(const WalFileName &name, const std::filesystem::path &file) {
        std::shared_ptr<Archives> archives = Current();
        DataDirectory now(command_.directory().path());
        if (archives && archives->Fits(now, name)) return;
        if (!archives && command_.spool().IsPushed(name, file)) return;
        if (!now.InRecovery()) command_.spool().ForgetFetched();    // recovery is over
        auto opened = std::make_shared<Archives>(engine_, std::move(now), name);
        opened->Open();
        std::scoped_lock lock(mutex_);
        current_ = std::move(opened);
    }

    std::shared_ptr<Archives> Current() {
        std::scoped_lock lock(mutex_);
        return current_;
    }

    Engine &engine_;
    WalCommand &command_;
    std::mutex mutex_;
    std::shared_ptr<Archives> current_;    // null until a store was needed
    PushAhead
        pushes_;    // its threads use the members above, and end first. Silent: what fails ahead is asked for, and told, soon
};

Json AnswerOf(const Error &error, const Json &request) {
    return {{"event", "not_archived"},
            {"id", request.value("id", 0)},
            {"code", CodeName(error.code)},
            {"sqlstate", error.Sqlstate()},
            {"message", error.message},
            {"detail", error.detail.empty() ? Json() : Json(error.detail)},
            {"hint", error.hint.empty() ? Json() : Json(error.hint)}};
}

}    // namespace

PushAhead::Limits PushLimits(const Config &config) {
    return {.threads = static_cast<std::size_t>(config.Int("archive_parallel")), .most_ahead = kMostAhead};
}

Json ServeArchiver(Engine &engine, WalCommand &command) {
    if (!engine.next_request)
        throw Error(Code::kInvalidArgument, "nobody asks for WAL files here",
                    "--serve answers requests that come down the pipe of pg_ark job.",
                    "Leave it out and give the path of one file, or set archive_library = 'pg_ark'.");
    ArchiveServer server(engine, command);
    std::size_t answered = 0;
    while (std::optional<Json> request = engine.next_request()) {
        Json answer;
        try {
            answer = server.Answer(*request);
        } catch (const Error &error) {
            if (error.code == Code::kCancelled && engine.ticker().Cancelled()) break;
            answer = AnswerOf(error, *request);
        } catch (const std::exception &error) {
            answer = AnswerOf(Error(Code::kInternal, error.what()), *request);
        }
        engine.answer(answer);
        answered++;
    }
    return {{"state", "done"}, {"message", fmt::format("{} requests were answered", answered)}};
}

}    // namespace ark::cli
