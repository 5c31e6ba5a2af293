// Pure pieces of the core for SQL: schedules and retention, JSON in and JSON out.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "extension/boundary.h"
#include "retention/apply.h"
#include "schedule/due.h"

namespace ark::pg {
namespace {

using Json = nlohmann::json;

const char *TextArgument(FunctionCallInfo fcinfo, int argument) { return text_to_cstring(PG_GETARG_TEXT_PP(argument)); }

Datum JsonText(char *json) { return PointerGetDatum(cstring_to_text(json)); }

std::string Text(const Json &json, const char *member) {
    auto at = json.find(member);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

bool Flag(const Json &json, const char *member) {
    auto at = json.find(member);
    return at != json.end() && at->is_boolean() && at->get<bool>();
}

Json Time(TimePoint time) { return FormatTime(time, true); }

std::vector<Schedule> ReadSchedules(const Json &json) {
    std::vector<Schedule> schedules;
    for (const Json &item : json) {
        Schedule schedule;
        schedule.name = Text(item, "name");
        schedule.cron = ParseCron(Text(item, "cron"));
        schedule.zone = std::make_shared<const TimeZone>(TimeZone::Load(Text(item, "zone")));
        schedule.enabled = Flag(item, "enabled");
        schedule.running = Flag(item, "running");
        schedule.decided_until = ParseTime(Text(item, "decided_until"));
        schedules.push_back(std::move(schedule));
    }
    return schedules;
}

Json WriteDecision(const Decision &decision) {
    Json out{{"skips", Json::array()}, {"runs", Json::array()}, {"decided", Json::array()}, {"next_wake", nullptr}};
    for (const SkippedRun &skip : decision.skips)
        out["skips"].push_back({{"schedule", skip.schedule},
                                {"reason", SkipReasonName(skip.reason)},
                                {"first", Time(skip.first)},
                                {"last", Time(skip.last)},
                                {"count", skip.count},
                                {"message", skip.message}});
    for (const DueRun &run : decision.runs)
        out["runs"].push_back({{"schedule", run.schedule}, {"due", Time(run.due)}, {"catch_up", run.catch_up}});
    for (const Decided &decided : decision.decided) {
        Json row{{"schedule", decided.schedule}, {"until", Time(decided.until)}, {"set_back", nullptr}};
        if (decided.set_back != Duration::zero()) row["set_back"] = HumanDuration(decided.set_back);
        out["decided"].push_back(std::move(row));
    }
    if (decision.next_wake) out["next_wake"] = Time(*decision.next_wake);
    return out;
}

BackupInfo ReadBackup(const Json &item) {
    BackupInfo backup;
    backup.id = Text(item, "backup_id");
    backup.sequence = item.value("sequence", std::uint64_t{0});
    backup.kind = Text(item, "kind");
    backup.source = Text(item, "source");
    backup.database = Text(item, "database");
    backup.finished = ParseTime(Text(item, "finished_at"));
    if (std::string stored = Text(item, "stored_at"); !stored.empty()) backup.stored = ParseTime(stored);
    backup.held = Flag(item, "held");
    if (std::string until = Text(item, "held_until"); !until.empty()) backup.held_until = ParseTime(until);
    backup.verified = Flag(item, "verified");
    if (Flag(item, "damaged")) backup.state = BackupState::kDamaged;
    return backup;
}

}    // namespace

// (cron, zone, after) -> the next moment; raises what is wrong with the expression or the zone
ARK_FUNCTION(ark_next_run) {
    const char *cron = TextArgument(fcinfo, 0), *zone = TextArgument(fcinfo, 1), *after = TextArgument(fcinfo, 2);
    return JsonText(CallCore([&] {
        return PallocText(FormatTime(NextRun(ParseCron(cron), TimeZone::Load(zone), ParseTime(after)), true));
    }));
}

// (schedules, pause, now) -> {skips, runs, decided, next_wake}
ARK_FUNCTION(ark_decide_schedules) {
    const char *schedules = TextArgument(fcinfo, 0), *pause = PG_ARGISNULL(1) ? nullptr : TextArgument(fcinfo, 1),
               *now = TextArgument(fcinfo, 2);
    return JsonText(CallCore([&] {
        std::optional<Pause> paused;
        if (pause) {
            Json json = Json::parse(pause);
            paused = Pause{ParseTime(Text(json, "since")), std::nullopt};
            if (std::string until = Text(json, "until"); !until.empty()) paused->until = ParseTime(until);
        }
        return PallocText(WriteDecision(Decide(ReadSchedules(Json::parse(schedules)), paused, ParseTime(now)))
                              .dump(-1, ' ', true, Json::error_handler_t::replace));
    }));
}

// (policy) -> "keep the last 7, …"; raises what is wrong with it
ARK_FUNCTION(ark_describe_policy) {
    const char *policy = TextArgument(fcinfo, 0);
    return JsonText(
        CallCore([&] { return PallocText(DescribePolicy(ParsePolicy(nlohmann::ordered_json::parse(policy)))); }));
}

// (policy, backups, now, zone) -> [{backup_id, keep, reason}]
ARK_FUNCTION(ark_apply_policy) {
    const char *policy = TextArgument(fcinfo, 0), *backups = TextArgument(fcinfo, 1), *now = TextArgument(fcinfo, 2),
               *zone = TextArgument(fcinfo, 3);
    return JsonText(CallCore([&] {
        TimeZone local = TimeZone::Load(zone);
        std::vector<BackupInfo> infos;
        for (const Json &item : Json::parse(backups)) infos.push_back(ReadBackup(item));
        Json out = Json::array();
        for (const Verdict &verdict : Apply(ParsePolicy(nlohmann::ordered_json::parse(policy)), std::move(infos),
                                            ParseTime(now), [&](TimePoint at) { return local.ToLocal(at); }))
            out.push_back({{"backup_id", verdict.id}, {"keep", verdict.keep}, {"reason", verdict.reason}});
        return PallocText(out.dump(-1, ' ', true, Json::error_handler_t::replace));
    }));
}

}    // namespace ark::pg
