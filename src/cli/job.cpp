#include "cli/job.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/farewell.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

constexpr int kProtocol = 1;

// Lines up. Safe for concurrent use; a reader that is gone cancels the job (and SIGPIPE is ignored).
class EventPipe : public Log {
public:
    explicit EventPipe(FlagTicker &ticker) : ticker_(ticker) {}

    void Send(const Json &event) {
        // Server messages may hold bytes of another encoding: they are replaced, not a reason to fail.
        std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
        std::scoped_lock lock(mutex_);
        if (left_) return;
        try {
            WriteAll(STDOUT_FILENO, AsBytes(line), "the pipe to the server");
        } catch (const Error &) {
            ticker_.Cancel();    // nobody is left to tell
        }
    }
    // The worker ends once it has read this; from then on nobody listens.
    void Leave() {
        Send({{"event", "leaving"}});
        std::scoped_lock lock(mutex_);
        left_ = true;
    }
    void Note(std::string_view message) override { Send({{"event", "notice"}, {"message", message}}); }
    void Warn(std::string_view message) override { Send({{"event", "warning"}, {"message", message}}); }
    void Report(const Progress &progress) override {
        auto now = std::chrono::steady_clock::now();
        {
            std::scoped_lock lock(mutex_);
            bool new_phase = progress.phase != progress_.phase;
            progress_ = progress;
            if (!new_phase && now - last_ < std::chrono::milliseconds(250)) return;
            last_ = now;
        }
        SendProgress();
    }
    void Wait(std::string_view why) override {
        {
            std::scoped_lock lock(mutex_);
            waits_because_ = why;
        }
        SendProgress();
    }

private:
    void SendProgress() {
        Json event;
        {
            std::scoped_lock lock(mutex_);
            bool waits = !waits_because_.empty();
            event = {{"event", "progress"},
                     {"phase", waits ? "waiting for the store" : progress_.phase},
                     {"done_bytes", progress_.done_bytes},
                     {"total_bytes", progress_.total_bytes},
                     {"stored_bytes", progress_.stored_bytes},
                     {"done_items", progress_.done_items},
                     {"total_items", progress_.total_items},
                     {"current", waits ? waits_because_ : progress_.current}};
        }
        Send(event);
    }

    FlagTicker &ticker_;
    std::mutex mutex_;
    bool left_ = false;
    std::chrono::steady_clock::time_point last_{};
    Progress progress_;
    std::string waits_because_;
};

// Lines down.
class RequestPipe {
public:
    // The next line, or nullopt at the end of the pipe; nullopt too when `stop` is raised.
    std::optional<std::string> Line(const std::atomic<bool> &stop) {
        for (;;) {
            if (std::size_t end = buffer_.find('\n'); end != std::string::npos) {
                std::string line = buffer_.substr(0, end);
                buffer_.erase(0, end + 1);
                return line;
            }
            pollfd wait{STDIN_FILENO, POLLIN, 0};
            int ready = poll(&wait, 1, 100);
            if (stop.load()) return std::nullopt;
            if (ready <= 0) continue;
            char block[16 << 10];
            std::size_t n = ReadSome(STDIN_FILENO, {reinterpret_cast<std::byte *>(block), sizeof block},
                                     "the pipe from the server");
            if (n == 0) return std::nullopt;
            buffer_.append(block, n);
        }
    }

private:
    std::string buffer_;
};

// A job dies with the worker that started it; one that may outlive it must be able to let go while its main thread is busy. The kernel
// keeps the wish for each thread (PR_SET_PDEATHSIG), so it moves to the one that hears the server.
class Leash {
public:
    explicit Leash(bool may_be_let_go) {
        if (may_be_let_go && prctl(PR_GET_PDEATHSIG, &signal_) == 0) prctl(PR_SET_PDEATHSIG, 0);
    }
    void Take() const { prctl(PR_SET_PDEATHSIG, signal_); }
    void LetGo() const { prctl(PR_SET_PDEATHSIG, 0); }

private:
    int signal_ = 0;
};

// What came down after the request and is no cancellation, for a job that goes on (Engine::next_request).
class LaterLines {
public:
    void Add(Json line) {
        std::scoped_lock lock(mutex_);
        lines_.push_back(std::move(line));
        news_.notify_one();
    }
    void Close() {
        std::scoped_lock lock(mutex_);
        closed_ = true;
        news_.notify_one();
    }
    std::optional<Json> Take() {
        std::unique_lock lock(mutex_);
        news_.wait(lock, [&] { return closed_ || !lines_.empty(); });
        if (closed_) return std::nullopt;
        Json line = std::move(lines_.front());
        lines_.pop_front();
        return line;
    }

private:
    std::mutex mutex_;
    std::condition_variable news_;
    std::deque<Json> lines_;
    bool closed_ = false;
};

Json ParseLine(const std::optional<std::string> &line, const char *what) {
    if (!line) throw Error(Code::kCancelled, fmt::format("the server ended the pipe before {}", what));
    Json json = Json::parse(*line, nullptr, false);
    if (!json.is_object()) throw Error(Code::kInvalidArgument, fmt::format("{} is not a JSON object", what));
    return json;
}

void CheckProtocol(const Json &hello) {
    int theirs = hello.value("protocol", 0);
    if (theirs == kProtocol || theirs == kProtocol - 1) return;
    throw Error(Code::kUnsupported,
                fmt::format("the server speaks engine protocol {}, this engine speaks {}", theirs, kProtocol), {},
                theirs > kProtocol ? "Upgrade the engine program: it is older than the server's library."
                                   : "Restart the server: it runs an older library than is installed.");
}

void SendError(EventPipe &events, const Error &error, bool changed) {
    events.Send({{"event", "error"},
                 {"code", CodeName(error.code)},
                 {"sqlstate", error.Sqlstate()},
                 {"message", error.message},
                 {"detail", error.detail.empty() ? Json() : Json(error.detail)},
                 {"hint", error.hint.empty() ? Json() : Json(error.hint)},
                 {"changed", changed}});
}

Json RunRequest(const Json &request, EventPipe &events, FlagTicker &ticker, Farewell &farewell, LaterLines &later,
                bool &changed) {
    std::string name = request.value("verb", "");
    const Verb *verb = FindVerb(name);
    if (!verb)
        throw Error(Code::kUnsupported, fmt::format("this engine has no verb \"{}\"", name), {},
                    "Upgrade the engine program to the version of the extension.");
    Config config = FromEnvironment(ReadVariable);
    Json settings = request.value("settings", Json::object());    // items() refers to it
    for (const auto &[key, value] : settings.items())
        config.Set(key, value.is_string() ? value.get<std::string>() : value.dump(), Origin::kRequest);
    Json caller = request.value("caller", Json::object());
    auto text = [&](const char *member) {
        return caller.contains(member) && caller[member].is_string() ? caller[member].get<std::string>()
                                                                     : std::string();
    };
    Engine engine(std::move(config),
                  {text("role"), text("session_user"), text("application_name"), text("client_addr")}, events, ticker);
    for (const Json &one : request.value("expects", Json::array()))
        engine.Expect({one.value("location", ""), one.value("repository", ""), one.value("backup_id", ""),
                       one.value("finished_at", "")});
    engine.begun = [&](const BackupId &id) { events.Send({{"event", "started"}, {"backup_id", id}}); };
    engine.writing = [&](const std::string &transaction, const std::optional<BackupId> &safety_backup) {
        events.Send({{"event", "writing"},
                     {"transaction", transaction},
                     {"safety_backup_id", safety_backup ? Json(*safety_backup) : Json()}});
    };
    engine.committed = [&] {
        changed = true;
        events.Send({{"event", "committed"}});
    };
    engine.next_request = [&] { return later.Take(); };
    engine.answer = [&](const Json &line) { events.Send(line); };
    engine.farewell = &farewell;
    engine.is_told_of_the_end = true;
    return verb->run(engine, Arguments(verb->flags, request.value("arguments", Json::object()), name));
}

}    // namespace

int RunJob() {
    Farewell farewell(SystemClock());
    FarewellTicker ticker(farewell);
    EventPipe events(ticker);
    events.Send({{"protocol", kProtocol}, {"engine", ARK_VERSION}, {"format", kFormatVersion}});
    std::atomic<bool> stop{false};
    RequestPipe requests;
    LaterLines later;
    std::thread listener;
    bool changed = false;
    int status = 0;
    try {
        CheckProtocol(ParseLine(requests.Line(stop), "its first line"));
        Json request = ParseLine(requests.Line(stop), "the request");
        const Leash leash(request.value("verb", "") == "wal-ship");
        listener = std::thread([&, leash] {
            leash.Take();
            // A line that asks to cancel, the end of the pipe, or a broken pipe: each ends the job.
            try {
                while (std::optional<std::string> line = requests.Line(stop)) {
                    Json message = Json::parse(*line, nullptr, false);
                    if (!message.is_object()) continue;
                    if (message.value("cancel", false)) break;
                    if (message.value("farewell", false)) {
                        if (!farewell.Begin()) break;
                        leash.LetGo();
                        events.Leave();
                        return later.Close();
                    }
                    later.Add(std::move(message));
                }
            } catch (const Error &) {
                ticker.Cancel();
            }
            if (!stop.load()) ticker.Cancel();
            later.Close();
        });
        events.Send({{"event", "result"}, {"result", RunRequest(request, events, ticker, farewell, later, changed)}});
    } catch (const Error &error) {
        SendError(events, error, changed);
        status = ExitCodeOf(error.code);
    } catch (const std::filesystem::filesystem_error &error) {
        Error told = FileError(error);
        SendError(events, told, changed);
        status = ExitCodeOf(told.code);
    } catch (const std::exception &error) {
        SendError(events, Error(Code::kInternal, error.what()), changed);
        status = 1;
    }
    stop.store(true);
    if (listener.joinable()) listener.join();
    return status;
}

}    // namespace ark::cli
