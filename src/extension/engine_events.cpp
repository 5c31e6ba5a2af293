#include "extension/engine_events.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "config/settings.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

using Json = nlohmann::json;

constexpr int kProtocol = 1;

// ASCII with escapes, so that a server in another encoding can store it.
std::string Dump(const Json &json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

// jsonb cannot hold the character zero.
void ReplaceZeros(Json &json) {
    if (json.is_string()) {
        auto &text = json.get_ref<std::string &>();
        for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
            text.replace(at, 1, "\xEF\xBF\xBD");
    } else if (json.is_structured()) {
        for (Json &item : json) ReplaceZeros(item);
    }
}

// For messages: the server's encoding, or ASCII where that is not UTF-8.
std::string Words(const Json &json, const char *member) {
    auto at = json.find(member);
    if (at == json.end() || !at->is_string()) return {};
    std::string text = *at;
    bool utf8 = GetDatabaseEncoding() == PG_UTF8;
    for (char &c : text)
        if (c == '\0' || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) c = '?';
    return text;
}

int64 Number(const Json &json, const char *member) {
    auto at = json.find(member);
    return at != json.end() && at->is_number() ? at->get<int64>() : 0;
}

void ReadProgress(const Json &line, JobProgress *out) {
    CopyText(out->phase, sizeof out->phase, Words(line, "phase"));
    CopyText(out->current, sizeof out->current, Words(line, "current"));
    out->done_bytes = Number(line, "done_bytes");
    out->total_bytes = Number(line, "total_bytes");
    out->stored_bytes = Number(line, "stored_bytes");
    out->done_items = Number(line, "done_items");
    out->total_items = Number(line, "total_items");
}

void ReadFailure(const Json &line, Failure *out) {
    std::string state = Words(line, "sqlstate");
    out->sqlstate =
        state.size() == 5 ? MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]) : ERRCODE_INTERNAL_ERROR;
    CopyText(out->message, sizeof out->message, Words(line, "message"));
    CopyText(out->detail, sizeof out->detail, Words(line, "detail"));
    CopyText(out->hint, sizeof out->hint, Words(line, "hint"));
}

// 0: there is none, or it cannot be read.
TimestampTz Moment(const Json &line, const char *member) try {
    std::string text = Words(line, member);
    if (text.empty()) return 0;
    constexpr int64 kEpochs = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
    return std::chrono::duration_cast<std::chrono::microseconds>(ParseTime(text).time_since_epoch()).count() - kEpochs;
} catch (const Error &) {
    return 0;
}

void ReadQueue(const Json &line, QueueState *out) {
    CopyText(out->store, sizeof out->store, Words(line, "store"));
    CopyText(out->last_copied, sizeof out->last_copied, Words(line, "last_copied"));
    out->copied_until_at = Moment(line, "copied_until");
    out->waiting_files = Number(line, "waiting_files");
    out->waiting_bytes = Number(line, "waiting_bytes");
    out->waiting_since = Moment(line, "waiting_since");
    out->looked_at = Moment(line, "looked_at");
    out->failing_since = Moment(line, "failing_since");
    CopyText(out->error, sizeof out->error, Words(line, "error"));
    CopyText(out->hint, sizeof out->hint, Words(line, "hint"));
}

EventKind KindOf(const Json &line) {
    if (line.contains("protocol")) return EventKind::kHello;
    std::string name = Words(line, "event");
    if (name == "progress") return EventKind::kProgress;
    if (name == "notice") return EventKind::kNotice;
    if (name == "warning") return EventKind::kWarning;
    if (name == "started") return EventKind::kStarted;
    if (name == "writing") return EventKind::kWriting;
    if (name == "committed") return EventKind::kCommitted;
    if (name == "result" && line.contains("result") && line["result"].is_object()) return EventKind::kResult;
    if (name == "error") return EventKind::kError;
    if (name == "archived") return EventKind::kArchived;
    if (name == "not_archived") return EventKind::kNotArchived;
    if (name == "leaving") return EventKind::kLeaving;
    if (name == "shipped") return EventKind::kShipped;
    if (name == "queue") return EventKind::kQueue;
    return EventKind::kUnknown;    // of a later protocol: not our concern
}

void Read(Json &line, Event *event) {
    event->kind = KindOf(line);
    switch (event->kind) {
    case EventKind::kHello:
        event->protocol = static_cast<int>(Number(line, "protocol"));
        event->text = PallocText(Words(line, "engine"));
        break;
    case EventKind::kProgress: ReadProgress(line, &event->progress); break;
    case EventKind::kNotice:
    case EventKind::kWarning: event->text = PallocText(Words(line, "message")); break;
    case EventKind::kStarted: event->text = PallocText(Words(line, "backup_id")); break;
    case EventKind::kWriting:
        event->text = PallocText(Words(line, "transaction"));
        event->safety_backup_id = PallocText(Words(line, "safety_backup_id"));
        break;
    case EventKind::kResult:
        ReplaceZeros(line["result"]);
        event->text = PallocText(Words(line["result"], "message"));
        event->json = PallocText(Dump(line["result"]));
        break;
    case EventKind::kError:
        ReadFailure(line, &event->failure);
        event->changed = line.contains("changed") && line["changed"] == true;
        break;
    case EventKind::kArchived:
        event->id = Number(line, "id");
        event->was_ahead = line.contains("was_ahead") && line["was_ahead"] == true;
        break;
    case EventKind::kNotArchived:
        event->id = Number(line, "id");
        ReadFailure(line, &event->failure);
        break;
    case EventKind::kLeaving:
    case EventKind::kShipped:
        CopyText(event->shipped.shipped_until, sizeof event->shipped.shipped_until, Words(line, "until"));
        event->shipped.shipped_at = Moment(line, "at");
        break;
    case EventKind::kQueue: ReadQueue(line, &event->queue); break;
    case EventKind::kCommitted:
    case EventKind::kUnknown:
    case EventKind::kBroken: break;
    }
}

}    // namespace

Event ParseEvent(const char *text, std::size_t length) {
    return CallCore([&] {
        Event event{};
        Json line = Json::parse(text, text + length, nullptr, false);
        if (line.is_object()) {
            Read(line, &event);
        } else {
            event.kind = EventKind::kBroken;
            event.failure.sqlstate = ERRCODE_PROTOCOL_VIOLATION;
            CopyText(event.failure.message, sizeof event.failure.message,
                     "the engine wrote a line that is not a JSON object");
        }
        return event;
    });
}

char *FormatRequest(int64 job_id, const char *verb, const char *arguments, const char *caller, const char *expects,
                    const EngineDefaults &defaults) {
    // Settings are read here, in server code; the objects are made behind the door.
    const char *values[64] = {};
    int count = 0;
    for (const Setting &setting : Settings()) values[count++] = pstrdup(SettingText(setting.name));
    return CallCore([&] {
        Json hello{{"protocol", kProtocol}, {"engine", ARK_VERSION}, {"format", 1}};
        Json request{{"verb", verb},
                     {"job_id", job_id},
                     {"settings", Json::object()},
                     {"arguments", Json::parse(arguments)},
                     {"caller", Json::parse(caller)},
                     {"expects", Json::parse(expects)}};
        Json &settings = request["settings"];
        int index = 0;
        for (const Setting &setting : Settings()) {
            const char *value = values[index++];
            bool used = (setting.used_by & kUsedByEngine) || std::string_view(setting.name) == "database";
            if (used && *value) settings[setting.name] = value;
        }
        auto set_default = [&](const char *name, const char *value) {
            if (!settings.contains(name)) settings[name] = value;
        };
        set_default("store", defaults.store);
        set_default("conninfo", defaults.conninfo);
        set_default("pg_bindir", defaults.pg_bindir);
        // The session's actor, not that of this worker.
        settings.erase("actor");
        if (request["caller"].contains("actor") && request["caller"]["actor"].is_string())
            settings["actor"] = request["caller"]["actor"];
        return PallocText(Dump(hello) + "\n" + Dump(request) + "\n");
    });
}

char *FormatArchiveRequest(int64 id, const char *path) {
    return CallCore([&] { return PallocText(Dump({{"archive", path}, {"id", id}}) + "\n"); });
}

char *FormatCancel(const char *reason) {
    return CallCore([&] { return PallocText(Dump({{"cancel", true}, {"reason", reason}}) + "\n"); });
}

const char *FormatFarewell() { return "{\"farewell\":true}\n"; }

char *FormatOutcome(const Outcome &outcome) {
    return CallCore([&] {
        Json json{{"state", JobStateName(outcome.state)},
                  {"changed", outcome.changed},
                  {"bytes_read", outcome.bytes_read},
                  {"bytes_stored", outcome.bytes_stored},
                  {"warnings", Json::array()}};
        if (outcome.backup_id[0]) json["backup_id"] = outcome.backup_id;
        if (outcome.engine[0]) json["engine"] = outcome.engine;
        for (int i = 0; i < outcome.warning_count; i++) json["warnings"].push_back(outcome.warnings[i]);
        if (outcome.result) json["result"] = Json::parse(outcome.result);
        if (outcome.failure) {
            char state[6];
            int code = outcome.failure->sqlstate;
            for (int i = 0; i < 5; i++, code >>= 6) state[i] = static_cast<char>((code & 0x3F) + '0');
            state[5] = '\0';
            json["sqlstate"] = state;
            json["message"] = outcome.failure->message;
            if (outcome.failure->detail[0]) json["detail"] = outcome.failure->detail;
            if (outcome.failure->hint[0]) json["hint"] = outcome.failure->hint;
        }
        return PallocText(Dump(json));
    });
}

}    // namespace ark::pg
