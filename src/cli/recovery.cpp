#include "cli/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "cli/stores.h"
#include "repo/wal_gaps.h"
#include "wal/reach.h"
#include "wal/stored_history.h"
#include "wal/tail_windows.h"

namespace ark::cli {
namespace {

constexpr std::size_t kWindowsTold = 20;
constexpr int kLooksAtAHole = 6;    // a second apart
constexpr auto kYoungHole = std::chrono::seconds(20);

std::string TargetText(const RecoveryTarget &target) {
    using enum RecoveryTarget::Kind;
    switch (target.kind) {
    case kEnd: return "the end of the archive";
    case kTime: return FormatTime(ParseMoment(target.value), true);
    case kLsn: return "position " + target.value;
    case kName: return fmt::format("restore point \"{}\"", target.value);
    case kXid: return "transaction " + target.value;
    case kImmediate: break;
    }
    return "the end of a base backup";
}

RecoveryGoal GoalOf(Engine &engine, const std::shared_ptr<Repository> &repository, const RecoveryTarget &target,
                    std::vector<std::string> &warnings) {
    using enum RecoveryTarget::Kind;
    RecoveryGoal goal;
    goal.timeline = target.timeline;
    switch (target.kind) {
    case kEnd: break;
    case kImmediate: goal.kind = RecoveryGoal::Kind::kConsistent; break;
    case kTime:
        goal.kind = RecoveryGoal::Kind::kTime;
        goal.time = ParseMoment(target.value);
        break;
    case kLsn:
        goal.kind = RecoveryGoal::Kind::kPosition;
        goal.position = ParseLsn(target.value);
        break;
    case kName:
        if (std::optional<RestorePoint> point = FindRestorePoint(*repository, *engine.Keys(repository), target.value)) {
            goal.kind = RecoveryGoal::Kind::kPosition;
            goal.position = {point->lsn.value - 1};    // the last byte of its record
            goal.on = point->timeline;
            break;
        }
        goal.kind = RecoveryGoal::Kind::kUnplaced;
        warnings.push_back(fmt::format(
            "the store does not say where restore point \"{}\" lies (ark.create_restore_point() would have): if it is "
            "older than the backup, choose an earlier one with --restore-point",
            target.value));
        break;
    case kXid: goal.kind = RecoveryGoal::Kind::kUnplaced; goal.transaction = std::stoull(target.value);
    }
    return goal;
}

void WarnOfTransaction(const Recovery &recovery, const RecoveryWindow &window, std::vector<std::string> &warnings) {
    auto base = std::ranges::find(recovery.bases, window.backup, &BaseBackup::id);
    if (base != recovery.bases.end() && !base->snapshot)
        warnings.push_back(fmt::format(
            "backup {} does not say which transactions had ended before it did: if that one had, choose an earlier "
            "backup with --restore-point",
            window.backup));
    warnings.push_back(
        "the store does not say where a transaction ended: if its WAL has no such one, the server stops at the end of "
        "it with "
        "\"recovery ended before configured recovery target was reached\", and the command can be run again with "
        "another target and --delta");
}

Error Outside(const Repository &repository, const Recovery &recovery, const RecoveryTarget &target,
              const std::string &why_not) {
    std::string detail = why_not.empty() ? std::string() : why_not + ".";
    if (!recovery.windows.empty()) detail += " The windows are:";
    for (std::size_t i = 0; i < recovery.windows.size(); i++) {
        if (i == kWindowsTold) {
            detail += fmt::format("\n… and {} more", recovery.windows.size() - i);
            break;
        }
        detail += "\n" + DescribeWindow(recovery.windows[i]);
    }
    return Error(Code::kNotFound,
                 fmt::format("no recovery window of {} contains {}", repository.cluster().Path(), TargetText(target)),
                 detail,
                 recovery.bases.empty() ? "Take a base backup: pg_ark backup --kind physical."
                                        : "Choose a target inside of one, or another --target-timeline. WAL counts "
                                          "when its segment is in the store: "
                                          "SELECT pg_switch_wal() sends the one that is being written.");
}

// Segments are archived several at once: one may come a little later than the next. What was given up does not come.
bool HasAYoungHole(const Recovery &recovery, TimePoint now) {
    return std::ranges::any_of(recovery.windows, [&](const RecoveryWindow &window) {
        return window.end == RecoveryWindow::End::kHole && window.why.empty() && window.beyond_stored &&
               *window.beyond_stored > now - kYoungHole;
    });
}

Recovery LookOnce(Engine &engine, const std::shared_ptr<Repository> &repository) {
    Recovery recovery;
    std::shared_ptr<KeyRing> keys = engine.Keys(repository);
    recovery.backups = ListBackups(*repository, keys.get(), engine.clock().Now());
    recovery.bases = BaseBackupsOf(recovery.backups);
    recovery.floors = ReadWalFloors(*repository, keys.get());
    recovery.archive = ReadWalArchive(*repository, *keys, engine.ticker());
    std::vector<layout::TailName> tail = recovery.archive.UsefulTail();
    recovery.windows = RecoveryWindows(recovery.archive, recovery.bases, recovery.floors);
    std::map<std::pair<TimelineId, Lsn>, std::optional<KnownTime>> known;    // windows mostly end together
    if (!tail.empty() || recovery.archive.HasPartials())
        ReachIntoTail(recovery.windows, recovery.archive, recovery.bases, tail,
                      [&](const TimelineHistory &history, Lsn end) -> std::optional<TimePoint> {
                          if (tail.empty()) return std::nullopt;
                          auto [at, fresh] = known.try_emplace({history.timeline(), end});
                          if (fresh) at->second = FindKnownTime(*repository, *keys, history, end);
                          return at->second ? std::optional(at->second->until) : std::nullopt;
                      });
    ExplainHoles(recovery.windows, ReadWalGaps(*repository, keys.get()));
    return recovery;
}

// Where a clock was set back, a commit with a later time lies before the last one. So many of the last segments are looked at, and all if
// the backup was named.
constexpr std::size_t kLookedBack = 16;

WalReach ReachOf(Engine &engine, const std::shared_ptr<Repository> &repository, const BaseBackup &base,
                 const RecoveryWindow &window, std::optional<TimePoint> moment, bool named) {
    std::shared_ptr<KeyRing> keys = engine.Keys(repository);
    return FindWalReach(*repository, *keys, StoredHistory(*repository, *keys, window.timeline), base.segment_size,
                        {.from = base.start,
                         .until = window.until,
                         .times = moment.has_value(),
                         .moment = moment,
                         .segments = named ? std::numeric_limits<std::size_t>::max() : kLookedBack},
                        engine.ticker());
}

// What the WAL itself says of a moment that is younger than what the store knows of a window: commits that were shipped without a time,
// or by a server whose clock is ahead of the store's.
class WalTimes {
public:
    WalTimes(Engine &engine, const std::shared_ptr<Repository> &repository, const RecoveryGoal &goal)
        : engine_(engine), repository_(repository), goal_(goal) {}

    bool Contain(const BaseBackup &backup, const RecoveryWindow &window) {
        auto [at, fresh] = until_.try_emplace({window.timeline, window.until});    // windows mostly end together
        if (fresh) at->second = Until(backup, window);
        return at->second && goal_.time <= *at->second;
    }

private:
    std::optional<TimePoint> Until(const BaseBackup &backup, const RecoveryWindow &window) try {
        return ReachOf(engine_, repository_, backup, window, goal_.time, goal_.backup.has_value()).Until();
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) throw;
        engine_.log().Warn(fmt::format("where the last commit lies is not known: {} {}", error.message, error.detail));
        return std::nullopt;
    }

    Engine &engine_;
    const std::shared_ptr<Repository> &repository_;
    const RecoveryGoal &goal_;
    std::map<std::pair<TimelineId, Lsn>, std::optional<TimePoint>> until_;
};

bool Contains(const Recovery &recovery, const RestorePoint &point) {
    Lsn last{point.lsn.value - 1};
    return std::ranges::any_of(recovery.windows, [&](const RecoveryWindow &window) {
        return window.Opens() && window.from <= last && last < window.until &&
               recovery.archive.HistoryOf(window.timeline).At(last) == point.timeline;
    });
}

std::string_view EndName(RecoveryWindow::End end) {
    switch (end) {
    case RecoveryWindow::End::kHole: return "hole";
    case RecoveryWindow::End::kExpired: return "expired";
    case RecoveryWindow::End::kArchive: break;
    }
    return "archive";
}

Json PointToJson(const RestorePoint &point, bool restorable) {
    return {{"name", point.name},
            {"lsn", point.lsn.Text()},
            {"timeline", point.timeline.value},
            {"time", FormatTime(point.at, true)},
            {"taken_by", point.by},
            {"reason", point.reason.empty() ? Json() : Json(point.reason)},
            {"key", point.object},
            {"restorable", restorable},
            {"why_not", restorable ? Json() : Json("no recovery window contains it")}};
}

void AddWarning(Json &result, std::string warning) {
    if (!result.contains("warnings")) result["warnings"] = Json::array();
    result["warnings"].push_back(std::move(warning));
}

void AddRecoveryOf(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository) {
    Recovery recovery = ReadRecovery(engine, repository);
    Json windows = Json::array(), points = Json::array();
    for (const RecoveryWindow &window : recovery.windows) windows.push_back(WindowToJson(window));
    for (const RestorePoint &point : ListRestorePoints(*repository, *engine.Keys(repository)))
        points.push_back(PointToJson(point, Contains(recovery, point)));
    for (Json *list : {&windows, &points})
        for (Json &one : *list) {
            one["store"] = engine.StoreName();
            one["encrypted"] = repository->encrypted();
        }
    for (Json &window : windows) result["windows"].push_back(std::move(window));
    for (Json &point : points) result["points"].push_back(std::move(point));
    result["stores_read"].push_back(engine.StoreName());
}

}    // namespace

Recovery ReadRecovery(Engine &engine, const std::shared_ptr<Repository> &repository) {
    for (int look = 1;; look++) {
        Recovery recovery = LookOnce(engine, repository);
        if (look == kLooksAtAHole || !HasAYoungHole(recovery, engine.clock().Now())) return recovery;
        engine.ticker().Check();
        engine.clock().Sleep(std::chrono::seconds(1));
    }
}

RecoveryChoice ChooseRecovery(Engine &engine, const std::shared_ptr<Repository> &repository,
                              const RecoveryTarget &target, const std::string &restore_point) {
    RecoveryChoice out;
    RecoveryGoal goal = GoalOf(engine, repository, target, out.warnings);
    if (!restore_point.empty())
        goal.backup = engine.Find(repository, restore_point, {}, "physical").manifest.clear.backup;
    Recovery recovery = ReadRecovery(engine, repository);
    WalTimes times(engine, repository, goal);
    WindowChoice choice = ChooseWindow(
        recovery.archive, recovery.bases, recovery.windows, goal,
        [&](const BaseBackup &backup, const RecoveryWindow &window) { return times.Contain(backup, window); });
    if (!choice.window) throw Outside(*repository, recovery, target, choice.why_not);
    out.window = *choice.window;
    auto base = std::ranges::find(recovery.bases, out.window.backup, &BaseBackup::id);
    if (base->damaged)
        out.warnings.push_back(fmt::format(
            "the newest verification of backup {} found it damaged: the restore ends where it comes to that",
            base->id));
    for (const BackupId &newer : choice.passed_over)
        out.warnings.push_back(
            fmt::format("the newest verification of backup {} found it damaged: backup {} is taken, which is older, so "
                        "that more WAL is to be replayed",
                        newer, base->id));
    if (goal.transaction) WarnOfTransaction(recovery, out.window, out.warnings);
    out.named = goal.backup.has_value();
    for (BackupSummary &backup : recovery.backups)
        if (backup.manifest.clear.backup == out.window.backup) out.backup = std::move(backup);
    return out;
}

RecoveryTarget Reachable(Engine &engine, const std::shared_ptr<Repository> &repository, const RecoveryChoice &choice,
                         RecoveryTarget target) {
    using enum RecoveryTarget::Kind;
    std::optional<BaseBackup> base = BaseBackupOf(choice.backup);
    bool is_time = target.kind == kTime;
    if ((!is_time && target.kind != kLsn) || !base) return target;
    WalReach reach;
    try {
        reach = ReachOf(engine, repository, *base, choice.window,
                        is_time ? std::optional(ParseMoment(target.value)) : std::nullopt, choice.named);
    } catch (const Error &error) {    // the recovery may end before it
        if (error.code != Code::kCorrupt) throw;
        engine.log().Warn(fmt::format("where the last {} lies is not known: {} {}", is_time ? "commit" : "record",
                                      error.message, error.detail));
        return target;
    }
    std::optional<TargetPosition> position =
        is_time ? PositionOf(ParseMoment(target.value), target.inclusive, reach, base->stopped)
                : PositionOf(ParseLsn(target.value), reach);
    if (!position) return target;
    if (is_time)
        engine.log().Note(fmt::format("nothing was committed between {} and {}: recovery goes to position {}",
                                      reach.last_outcome ? FormatTime(*reach.last_outcome, true) : "the backup",
                                      target.value, position->lsn.Text()));
    else
        engine.log().Note(fmt::format(
            "no record in the store begins at {} or behind it: recovery goes to the last one before, at position {}",
            target.value, position->lsn.Text()));
    bool behind = position->lsn >= base->stop;
    target.kind = behind ? kLsn : kImmediate;
    target.value = behind ? position->lsn.Text() : "immediate";
    target.inclusive = position->inclusive;
    return target;
}

Json WindowToJson(const RecoveryWindow &window) {
    bool opens = window.Opens();
    return {{"backup_id", window.backup},
            {"timeline", window.timeline.value},
            {"window_start", FormatTime(window.opens, true)},
            {"window_end", opens ? Json(FormatTime(*window.until_stored, true)) : Json()},
            {"from_lsn", window.from.Text()},
            {"until_lsn", opens ? Json(window.until.Text()) : Json()},
            {"end", EndName(window.end)},
            {"missing", window.end == RecoveryWindow::End::kHole ? Json(window.missing.Text()) : Json()},
            {"why", window.why.empty() ? Json() : Json(window.why)},
            {"restorable", opens}};
}

void AddRecovery(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository) {
    result["windows"] = Json::array();
    result["points"] = Json::array();
    result["stores_read"] = Json::array();
    AddRecoveryOf(result, engine, repository);
    for (OneStore &store : EachStore(engine.config())) {
        if (store.name == engine.StoreName() || store.name.empty()) continue;
        store.config.Set("cluster", repository->cluster().Path(), Origin::kFlag);
        Patience patience(engine.ticker(), engine.clock());
        Engine other(store.config, engine.caller(), SilentLog(), patience);
        try {
            AddRecoveryOf(result, other, other.OpenForReading());
        } catch (const Error &error) {
            engine.ticker().Check();
            if (error.code == Code::kNotFound) {    // it has none, as far as it is there
                result["stores_read"].push_back(store.name);
                continue;
            }
            AddWarning(result, fmt::format("the recovery windows of {} are not known: {}", StoreWords(store.name),
                                           error.message));
        }
    }
}

void AddRecoveryIfReadable(Json &result, Engine &engine, const std::shared_ptr<Repository> &repository) {
    try {
        AddRecovery(result, engine, repository);
    } catch (const Error &error) {
        AddWarning(result, "the recovery windows are not known: " + error.message);
    }
}

}    // namespace ark::cli
