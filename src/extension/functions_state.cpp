// What SQL may ask of this process and of shared memory: live jobs, cancellation, the server's own facts.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/url.h"
#include "extension/job_worker.h"
#include "extension/rows.h"
#include "extension/same_disk.h"
#include "extension/settings.h"
#include "extension/submit.h"
#include "pgdata/owner_mark.h"
#include "pgdata/restore_origin.h"

namespace ark::pg {

char *DefaultStorePath() {
    char *path = static_cast<char *>(palloc(MAXPGPATH));
    strlcpy(path, DataDir, MAXPGPATH);
    get_parent_directory(path);
    strlcat(path, "/pg_ark_store", MAXPGPATH);
    return path;
}

char *DefaultStore() {
    const char *path = DefaultStorePath();
    return CallCore([&] {
        Url url;
        url.scheme = "file";
        url.path = path;
        url.parameters["name"] = "local";
        return PallocText(url.ToString());
    });
}

namespace {

using Json = nlohmann::json;

Json DescribeStores(const std::string &stores, const std::string &data, bool is_default) {
    Json out = Json::array();
    for (std::size_t begin = 0; begin <= stores.size();) {
        std::size_t end = std::min(stores.find(',', begin), stores.size());
        std::string text = stores.substr(begin, end - begin);
        begin = end + 1;
        text.erase(0, text.find_first_not_of(' '));
        text.erase(text.find_last_not_of(' ') + 1);
        if (text.empty()) continue;
        Url url = ParseUrl(text);
        std::string name = url.parameters.contains("name") ? url.parameters["name"] : url.Label();
        out.push_back({{"name", name},
                       {"url", text},
                       {"scheme", url.scheme},
                       {"ack", url.parameters.contains("ack") ? url.parameters["ack"] : "required"},
                       {"is_default", is_default},
                       {"same_disk", url.scheme == "file" && OnSameDisk(url.path, data)}});
    }
    return out;
}

// What tells this cluster from a copy of it. Machine ids are for comparing only, so they are shown as a digest by SQL.
// `timeline`: that which the server writes; none while it recovers.
Json Fingerprint(const std::string &data, const std::string &system_identifier, const std::string &machine,
                 std::optional<TimelineId> timeline) {
    struct stat info {};
    stat(data.c_str(), &info);
    std::optional<RestoredMark> mark = ReadRestoredMark(data);
    std::optional<RestoreOrigin> origin = RestoreOriginOf(data, timeline);
    return {{"system_identifier", system_identifier},
            {"data_directory", data},
            {"device", std::to_string(info.st_dev)},
            {"inode", std::to_string(info.st_ino)},
            {"machine", machine},
            {"restored", mark ? mark->id : ""},
            {"restored_from", origin ? Describe(*origin) : ""}};
}

// What the stores said last of this server's right to write; null: nothing, or of another directory.
Json OwnershipOf(const std::string &data) {
    std::optional<OwnerMark> mark = ReadOwnerMark(data);
    std::optional<DirectoryIdentity> now = IdentityOf(data);
    if (!mark || !now || !mark->IsOf(*now, std::filesystem::canonical(data))) return {};
    return {{"state", WordOf(mark->ownership)}, {"timeline", mark->timeline.value}};
}

// Plain code: the first line of /etc/machine-id, or nothing.
void ReadMachineId(char *to, std::size_t size) {
    to[0] = '\0';
    FILE *file = AllocateFile("/etc/machine-id", "r");
    if (!file) return;
    if (fgets(to, static_cast<int>(size), file)) to[strcspn(to, "\n")] = '\0';
    FreeFile(file);
}

}    // namespace

// Everything that the views and checks want to know of the server, as one JSON object.
ARK_FUNCTION(ark_server_state) {
    char machine[128];
    ReadMachineId(machine, sizeof machine);
    TimeLineID timeline = RecoveryInProgress() ? 0 : GetWALInsertionTimeLine();
    const char *system = psprintf(UINT64_FORMAT, GetSystemIdentifier());
    const char *store = SettingText("store");
    bool is_default = !store[0];
    if (is_default) store = DefaultStore();
    const char *engine = shared ? EnginePath() : "";
    bool engine_found = shared && access(engine, X_OK) == 0;
    pid_t launcher = shared ? shared->launcher_pid : 0;
    bool ready = shared && shared->ready;
    bool enabled = shared && SettingBool("enabled"), scheduler = shared && SettingBool("scheduler");
    const char *database = pstrdup(SettingText("database"));
    const char *zone = pstrdup(SettingText("timezone"));
    bool encrypted = SettingText("encryption_key")[0] != '\0';
    bool preloaded = shared != nullptr;
    char *json = CallCore([&] {
        Json state{{"preloaded", preloaded},   {"library_version", ARK_VERSION},
                   {"engine_path", engine},    {"engine_found", engine_found},
                   {"launcher_pid", launcher}, {"ready", ready},
                   {"enabled", enabled},       {"scheduler", scheduler},
                   {"database", database},     {"timezone", *zone ? zone : "UTC"},
                   {"encryption", encrypted}};
        state["fingerprint"] =
            Fingerprint(DataDir, system, machine, timeline == 0 ? std::nullopt : std::optional(TimelineId{timeline}));
        state["ownership"] = OwnershipOf(DataDir);
        try {
            state["stores"] = DescribeStores(store, DataDir, is_default);
        } catch (const Error &error) {
            state["stores"] = Json::array();
            state["store_error"] = error.message;
        }
        return PallocText(state.dump(-1, ' ', true, Json::error_handler_t::replace));
    });
    PG_RETURN_TEXT_P(cstring_to_text(json));
}

// (job_id, state, action, verb, source, database, kind, schedule, caller, backup_id, restore_id, queued_at, started_at, phase, current,
//  done_bytes, total_bytes, stored_bytes, done_items, total_items, updated_at, waiting_for, worker_pid, engine_pid)
ARK_FUNCTION(ark_live_jobs) {
    RowWriter row(fcinfo);
    if (!shared) return Datum(0);
    auto *slot = static_cast<JobSlot *>(palloc(sizeof(JobSlot)));
    for (const JobSlot &theirs : shared->slots) {
        CopyShared(theirs, slot);
        if (slot->state == JobState::kFree || IsFinal(slot->state) || !slot->recorded) continue;
        const JobProgress &progress = slot->progress;
        row.Number(slot->job_id);
        row.Text(JobStateName(slot->state));
        row.Text(slot->request.action);
        row.Text(slot->request.verb);
        row.Text(slot->request.source);
        row.Text(slot->request.database);
        row.Text(slot->request.kind);
        row.Text(slot->request.schedule);
        row.Text(slot->request.caller);
        row.Text(slot->backup_id);
        row.Known(slot->restore_id);
        row.Number(slot->queued_at);
        row.Known(slot->started_at);
        row.Text(progress.phase);
        row.Text(progress.current);
        row.Number(progress.done_bytes);
        row.Known(progress.total_bytes);
        row.Number(progress.stored_bytes);
        row.Number(progress.done_items);
        row.Known(progress.total_items);
        row.Known(progress.updated_at);
        row.Text(slot->waiting_for);
        row.Known(slot->worker_pid);
        row.Known(slot->engine_pid);
        row.End();
    }
    return Datum(0);
}

// (job_id, reason) -> whether there was such a job, still at work
ARK_FUNCTION(ark_request_cancel) {
    RequireSharedState();
    PG_RETURN_BOOL(CancelJob(PG_GETARG_INT64(0), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

// Makes the launcher look at schedules and identity now; for functions that run after their effect is committed.
ARK_FUNCTION(ark_wake_launcher) {
    RequireSharedState();
    WakeLauncher();
    PG_RETURN_VOID();
}

}    // namespace ark::pg
