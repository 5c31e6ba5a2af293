#include "logical/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "logical/entries.h"
#include "logical/restore/caller_rights.h"
#include "logical/restore/commit.h"
#include "logical/restore/consequences.h"
#include "logical/restore/large_objects.h"
#include "logical/restore/merge.h"
#include "logical/restore/recreate.h"
#include "logical/restore/referenced.h"
#include "logical/restore/refusal.h"
#include "logical/restore/safety.h"
#include "logical/restore/targets.h"
#include "logical/restore/unique_values.h"

namespace ark {
namespace {

class Restore {
public:
    Restore(const RestoreRequest &request, BackupReader &backup, const SafetyContext &context, Ticker &ticker, Log &log)
        : request_(request),
          backup_(backup),
          context_(context),
          ticker_(ticker),
          log_(log),
          connection_(request.conninfo, request.target_database, "pg_ark restore", ticker, log) {
        ApplySessionContract(connection_, false);
        // Names are UTF-8 everywhere in a backup; rows are not, and their COPY says so.
        if (connection_.Parameter("server_encoding") != "SQL_ASCII")
            connection_.Execute("SET client_encoding = 'UTF8'");
        run_as_.emplace(connection_);
        recreation_.emplace(connection_, *run_as_);
        caller_ = FindCaller(connection_, request.caller);
    }

    RestoreResult Run() {
        FindTargets();
        CheckRights();
        if (request_.with_referenced) AddReferenced();
        for (std::size_t i = 0; i < targets_.size(); i++) {
            NameTemporaries(targets_[i], static_cast<int>(i) + 1);
            PlanColumns(targets_[i]);
        }
        Stage();
        if (!in_transaction_) Begin();
        if (!request_.dry_run)
            for (const Target *target : InLockOrder()) Lock(*target);
        Compare();
        FollowDeletes();
        SettleValues();
        FindObjects();
        for (const Target &target : targets_) steps_.push_back({&target, CountDiff(connection_, target)});
        for (std::size_t i = 0; i < steps_.size(); i++) result_.tables.push_back(PlanOf(i));
        FindOrder();
        for (const auto &[name, kind] : views_) result_.tables.push_back(PlanOfView(name, kind));
        if (request_.dry_run) {
            connection_.Execute("ROLLBACK");
            result_.message = fmt::format("dry run: {}; nothing was changed", Summary());
            return std::move(result_);
        }
        RefuseConflicts(result_.tables, request_);
        Write();
        return std::move(result_);
    }

private:
    void Begin() {
        connection_.Execute(request_.dry_run ? "BEGIN ISOLATION LEVEL REPEATABLE READ"
                                             : "BEGIN ISOLATION LEVEL READ COMMITTED");
        connection_.Execute(fmt::format("SET LOCAL lock_timeout = {}", QuoteLiteral(request_.lock_timeout)));
        in_transaction_ = true;
    }

    bool SideBySide() const { return request_.mode == RestoreMode::kSideBySide && !request_.undo; }

    void FindTargets() {
        std::vector<Wanted> wanted = request_.undo && request_.entities.empty()
                                         ? AllTables(backup_)
                                         : FindWanted(backup_, request_.entities, request_.filter);
        if (wanted.empty()) throw Error(Code::kInvalidArgument, "there is nothing to restore");
        std::set<RelationName> dropped;
        for (const Wanted &one : wanted) {
            if (!one.view.empty()) {
                FindView(one, dropped);
                continue;
            }
            Target target;
            target.sources = one.sources;
            target.filter = one.filter;
            if (SideBySide()) {
                if (!in_transaction_) Begin();
                std::optional<LiveTable> original = LoadLiveTable(connection_, one.table.schema, one.table.name);
                if (original) CheckCallerRights(connection_, caller_, *original, {"SELECT"});
                target.live = CreateBeside(connection_, *run_as_, one, request_.target_schema, target.notes);
                target.created = true;
                if (!original) CheckMayMakeFor(connection_, caller_, target.live.owner, target.Name());
            } else {
                FindLive(one, target, dropped);
            }
            targets_.push_back(std::move(target));
        }
        if (!dropped.empty()) Recreate(dropped);
    }

    void FindLive(const Wanted &wanted, Target &target, std::set<RelationName> &dropped) {
        std::string schema = request_.target_schema.empty() ? wanted.table.schema : request_.target_schema;
        std::optional<LiveTable> live = LoadLiveTable(connection_, schema, wanted.table.name);
        if (live) {
            target.live = *live;
            if (live->kind == 'p' && schema == wanted.table.schema && IsWholeDatabase())
                RecreatePartitions(wanted, target);
            return;
        }
        if (request_.undo || schema != wanted.table.schema || !IsWholeDatabase())
            throw Error(Code::kNotFound,
                        fmt::format("table \"{}.{}\" does not exist in database \"{}\"", schema, wanted.table.name,
                                    request_.target_database),
                        {},
                        "Use mode side_by_side, which makes its own table; or a backup of the whole database, from "
                        "which a dropped table is made again.")
                .WithSqlstate("42P01");
        dropped.insert({wanted.table.schema, wanted.table.name});
        dropped.insert(wanted.partitions.begin(), wanted.partitions.end());
        target.created = true;
        target.live.schema = wanted.table.schema;
        target.live.name = wanted.table.name;
    }

    void FindView(const Wanted &wanted, std::set<RelationName> &dropped) {
        RelationName name{wanted.table.schema, wanted.table.name};
        if (connection_
                .Query(
                    "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
                    "n.nspname = $1 AND c.relname = $2",
                    {name.first, name.second})
                .rows() > 0)
            throw Error(
                Code::kConflict,
                fmt::format("\"{}.{}\" is a view and exists, so there is nothing to restore", name.first, name.second),
                {}, "Restore the tables that it reads; then REFRESH MATERIALIZED VIEW, if it is one.");
        if (SideBySide() || request_.undo || !request_.target_schema.empty())
            throw Error(Code::kInvalidArgument, "a view can only be made again in its own place");
        dropped.insert(name);
        views_.emplace_back(name, wanted.view);
    }

    bool IsWholeDatabase() const { return backup_.manifest().clear.kind == "logical"; }

    // Dropped tables come back whole: definition first, rows, then keys, indexes, foreign keys, triggers and grants.
    void Recreate(const std::set<RelationName> &dropped) {
        if (!in_transaction_) Begin();
        Recipe recipe = FindRecipe(backup_, dropped);
        recreation_->Run(recipe.before);
        recipe_.Add(std::move(recipe));
        for (Target &target : targets_) {
            if (target.live.oid != 0) continue;
            std::optional<LiveTable> live = LoadLiveTable(connection_, target.live.schema, target.live.name);
            if (!live)
                throw Error(Code::kCorrupt,
                            fmt::format("the backup's schema does not make table \"{}\"", target.Name()));
            target.live = *live;
            target.notes.push_back(
                "the table was dropped: it is made again with its keys, indexes, triggers and grants");
        }
    }

    // Partitions that are gone come back, unless newer ones have taken their place.
    void RecreatePartitions(const Wanted &wanted, Target &target) {
        std::set<RelationName> gone;
        std::string names;
        for (const RelationName &partition : wanted.partitions)
            if (!LoadLiveTable(connection_, partition.first, partition.second)) {
                gone.insert(partition);
                names += (names.empty() ? "" : ", ") + partition.first + "." + partition.second;
            }
        if (gone.empty()) return;
        CheckMayMakeFor(connection_, caller_, target.live.owner, names);
        if (!in_transaction_) Begin();
        Recipe recipe = FindRecipe(backup_, gone);
        connection_.Execute("SAVEPOINT ark_partitions");
        try {
            recreation_->Run(recipe.before);
        } catch (const Error &error) {
            if (error.Sqlstate() != "42P17" && error.Sqlstate() != "23514") throw;
            connection_.Execute("ROLLBACK TO SAVEPOINT ark_partitions");
            target.notes.push_back(fmt::format("not made again, since others take their rows: {}", names));
            return;
        }
        recipe_.Add(std::move(recipe));
        target.live = *LoadLiveTable(connection_, target.live.schema, target.live.name);
        target.notes.push_back(fmt::format("partitions that were dropped are made again: {}", names));
    }

    void CheckRights() {
        for (const Target &target : targets_) {
            if (target.created && SideBySide()) continue;    // checked when it was made
            if (target.created)
                CheckMayMakeFor(connection_, caller_, target.live.owner, target.Name());
            else
                CheckCallerRights(connection_, caller_, target.live,
                                  NeededPrivileges(target, request_.mode, request_.undo));
        }
    }

    // Rows that the chosen rows reference, from the same backup, at any depth.
    void AddReferenced() {
        for (std::size_t i = 0; i < targets_.size(); i++)
            for (const ForeignKey &key : std::vector<ForeignKey>(targets_[i].live.references)) {
                if (std::ranges::any_of(targets_, [&](const Target &target) { return target.live.oid == key.to; }))
                    continue;
                Target target;
                target.referenced_only = true;
                target.live = LoadLiveTable(connection_, key.to);
                std::string schema = target.live.schema == request_.target_schema && !targets_[i].sources.empty()
                                         ? targets_[i].sources.front().schema
                                         : target.live.schema;
                target.sources = FindWanted(backup_, {{"", {{schema, target.live.name, ""}}}}, "").front().sources;
                target.notes.push_back("brought in for the rows that reference it: only missing rows are inserted");
                CheckCallerRights(connection_, caller_, target.live,
                                  NeededPrivileges(target, request_.mode, request_.undo));
                targets_.push_back(std::move(target));
            }
    }

    void Stage() {
        Progress progress;
        progress.phase = "stage";
        progress.total_items = targets_.size();
        for (const Target &target : targets_)
            for (const BackupTable &source : target.sources) progress.total_bytes += source.bytes;
        log_.Report(progress);    // the first rows may be long in coming
        std::vector<std::string> paths;
        for (const Target &target : targets_)
            for (const BackupTable &source : target.sources) paths.push_back(RowsPath(source));
        ContentStream contents = backup_.Contents(request_.undo ? std::vector<std::string>() : std::move(paths));
        for (const Target &target : targets_) {
            ticker_.Check();
            if (request_.undo)
                LoadUndo(connection_, target, backup_);
            else
                LoadStage(connection_, target, backup_, contents, ticker_, log_, progress);
            FilterStage(connection_, target, caller_.oid);
            progress.done_items++;
        }
        if (request_.with_referenced) KeepReferenced(connection_, targets_);
    }

    std::vector<const Target *> InLockOrder() const {
        std::vector<const Target *> ordered;
        for (const Target &target : targets_) ordered.push_back(&target);
        std::ranges::sort(ordered, {}, [](const Target *target) {
            return target->live.oid;
        });    // one order for all: no deadlock between restores
        return ordered;
    }

    void Lock(const Target &target) {
        try {
            connection_.Execute(fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", target.live.Only()));
        } catch (Error &error) {
            if (error.Sqlstate() != "55P03") throw;
            throw Error(
                Code::kConflict,
                fmt::format("could not lock \"{}\" for the restore within {}", target.Name(), request_.lock_timeout),
                "Another session writes to it or holds a stronger lock. Nothing was changed.",
                "Try again, stop the writers, or give a longer lock_timeout. pg_locks shows who holds it.")
                .WithSqlstate("55P03");
        }
    }

    RestoreMode Mode() const {
        return request_.undo                               ? RestoreMode::kUpsert
               : request_.mode == RestoreMode::kSideBySide ? RestoreMode::kInsertMissing
                                                           : request_.mode;
    }

    void ReportPhase(const char *phase, std::size_t items) {
        Progress progress;
        progress.phase = phase;
        progress.total_items = items;
        log_.Report(progress);
    }

    void Compare() {
        ReportPhase("compare", targets_.size());
        for (const Target &target : targets_) {
            ticker_.Check();
            CreateDiff(connection_, target);
            if (request_.undo)
                ComputeUndo(connection_, target, caller_.oid);
            else
                ComputeDiff(connection_, target, target.created ? RestoreMode::kInsertMissing : Mode(),
                            WantedColumns(target), caller_.oid);
        }
    }

    // Foreign keys carry a delete on to the rows that reference what is deleted. With `cascade` those are part of the
    // restore like any other: planned, kept for the undo, and followed further.
    void FollowDeletes() {
        std::deque<std::size_t> work;
        for (std::size_t i = 0; i < targets_.size(); i++) work.push_back(i);
        for (; !work.empty(); work.pop_front()) {
            std::size_t at = work.front();
            reach_.resize(std::max(reach_.size(), targets_.size()));
            if (CountDiff(connection_, targets_[at]).to_delete == 0) continue;
            for (const Reach &reach : FindReach(connection_, targets_[at], targets_)) {
                reach_[at].push_back(reach);
                bool changes = reach.key.on_delete == 'c' || reach.key.on_delete == 'n' || reach.key.on_delete == 'd';
                if (!request_.cascade || !changes) continue;
                std::size_t to = TargetOf(reach.key, at);
                if (AddReach(connection_, targets_[at], reach.key, targets_[to]) > 0 && reach.key.on_delete == 'c')
                    work.push_back(to);
            }
        }
        reach_.resize(targets_.size());
    }

    std::size_t TargetOf(const ForeignKey &key, std::size_t deleted_from) {
        for (std::size_t i = 0; i < targets_.size(); i++)
            if (targets_[i].live.oid == key.from) return i;
        Target target;
        target.live = LoadLiveTable(connection_, key.from);
        target.reached = true;
        target.notes.push_back(fmt::format("reached by foreign key {} when rows of {} are deleted", key.name,
                                           targets_[deleted_from].Name()));
        NameTemporaries(target, static_cast<int>(targets_.size()) + 1);
        if (!request_.dry_run) Lock(target);
        CreateDiff(connection_, target);
        targets_.push_back(std::move(target));
        return targets_.size() - 1;
    }

    void FindObjects() {
        std::set<std::uint32_t> lost;
        for (Target &target : targets_) {
            std::vector<LostObject> found = FindInBackup(backup_, FindLostObjects(connection_, target));
            if (!found.empty())
                target.notes.push_back(
                    fmt::format("{} large objects that its rows name are gone and come back", found.size()));
            for (LostObject &object : found)
                if (lost.insert(object.oid).second) objects_.push_back(std::move(object));
        }
    }

    const std::vector<std::string> &WantedColumns(const Target &target) const {
        static const std::vector<std::string> all;
        return target.referenced_only ? all : request_.columns;
    }

    void SettleValues() {
        FindKnownRules(backup_, targets_);
        for (const Target &target : targets_) {
            ticker_.Check();
            std::vector<std::string> updated = UpdatedColumns(target, WantedColumns(target));
            collisions_.push_back(SettleUniqueValues(connection_, target, updated, request_.fire_triggers));
        }
    }

    void FindOrder() {
        std::vector<Circle> circles;
        order_ = OrderMerge(connection_, steps_, circles);
        for (const Circle &circle : circles)
            for (std::size_t i = 0; i < steps_.size(); i++) {
                if (steps_[i].target->live.oid != circle.table) continue;
                result_.tables[i].conflicts += circle.rows;
                result_.tables[i].notes.push_back(circle.note);
            }
    }

    TablePlan PlanOf(std::size_t number) {
        const MergeStep &step = steps_[number];
        const Target &target = *step.target;
        TablePlan plan;
        plan.table_name = target.Name();
        plan.to_insert = step.counts.to_insert;
        plan.to_update = step.counts.to_update + step.counts.by_foreign_key;
        plan.to_delete = step.counts.to_delete;
        plan.unchanged = step.counts.unchanged;
        plan.notes = target.notes;
        bool may_see = connection_
                           .Query("SELECT pg_catalog.has_table_privilege($1::oid, $2::oid, 'SELECT')",
                                  {std::to_string(caller_.oid), std::to_string(target.live.oid)})
                           .Bool(0, 0);
        for (const Collision &collision : collisions_[number]) {
            plan.conflicts += collision.rows;
            plan.notes.push_back(Describe(collision, may_see));
        }
        FindMissingParents(connection_, target, targets_, step.counts, plan);
        for (const Reach &reach : reach_[number]) {
            const char *what = reach.key.on_delete == 'c'   ? "deleted (ON DELETE CASCADE)"
                               : reach.key.on_delete == 'n' ? "set to null (ON DELETE SET NULL)"
                                                            : "set to their default (ON DELETE SET DEFAULT)";
            if (reach.key.on_delete == 'a' || reach.key.on_delete == 'r') {
                plan.conflicts += reach.rows;
                plan.notes.push_back(
                    fmt::format("{} rows of {} reference rows that would be deleted", reach.rows, reach.key.from_name));
            } else {
                plan.cascades.push_back(
                    fmt::format("{} rows of {} would be {}", reach.rows, reach.key.from_name, what));
            }
        }
        for (const UserTrigger &trigger : target.live.triggers)
            if (trigger.enabled != 'D' && trigger.enabled != 'R' && !trigger.clone)
                plan.triggers.push_back(trigger.name + (request_.fire_triggers ? " (fires)" : " (skipped)"));
        plan.locks = target.created ? "none: the table is new"
                                    : "SHARE ROW EXCLUSIVE: reads go on, writes wait until the restore is done";
        if (may_see) plan.sample_keys = SampleKeys(connection_, target);
        return plan;
    }

    static std::string Describe(const Collision &collision, bool may_see) {
        std::string keys;
        for (const std::string &key : collision.keys) keys += (keys.empty() ? "" : ", ") + key;
        if (collision.rows > collision.keys.size()) keys += ", …";
        return fmt::format("{} rows cannot come back by {}: {}{}", collision.rows, collision.rule, collision.what,
                           may_see && !collision.keys.empty() ? " (keys " + keys + ")" : "");
    }

    static TablePlan PlanOfView(const RelationName &name, const std::string &kind) {
        TablePlan plan;
        plan.table_name = name.first + "." + name.second;
        plan.notes.push_back(kind == "VIEW" ? "the view was dropped: it is made again"
                                            : "the materialized view was dropped: it is made again and refreshed");
        plan.locks = "none: the view is new";
        return plan;
    }

    std::string Summary() const {
        std::uint64_t inserted = 0, updated = 0, deleted = 0;
        for (const MergeStep &step : steps_) {
            inserted += step.counts.to_insert;
            updated += step.counts.to_update + step.counts.by_foreign_key;
            deleted += step.counts.to_delete;
        }
        return fmt::format("{} rows to insert, {} to update, {} to delete in {} {}", inserted, updated, deleted,
                           steps_.size(), steps_.size() == 1 ? "table" : "tables");
    }

    void Write() {
        std::vector<MergeStep> live;    // those whose change an undo would have to take back
        for (const MergeStep &step : steps_)
            if (!step.target->created && step.counts.any()) live.push_back(step);
        if (!live.empty() && request_.safety)
            result_.safety_backup = WriteSafetyCopy(connection_, live, request_, context_);
        std::string summary = Summary(), transaction;
        try {
            transaction = connection_.Query("SELECT pg_catalog.pg_current_xact_id()").String(0, 0);
            if (request_.on_write) request_.on_write(transaction, result_.safety_backup);
            ReportPhase("merge", steps_.size());
            Merge(connection_, *run_as_, order_, request_);
            recreation_->Run(recipe_.after);
            recreation_->Run(recipe_.last);
            CheckViews();
            for (const std::string &left : BringBack(connection_, *recreation_, backup_, objects_, caller_, ticker_))
                result_.warnings.push_back(left);
            for (std::size_t i = 0; i < targets_.size(); i++)    // a table that was made again has its sequences now
                for (const std::string &note :
                     AdvanceSequences(connection_, LoadLiveTable(connection_, targets_[i].live.oid)))
                    result_.tables[i].notes.push_back(note);
            ticker_.Close();
            ticker_.Check();    // the last moment at which nothing was changed
            Commit(transaction);
        } catch (const CommitUnknown &) {
            throw;    // the copy may be needed
        } catch (Error &error) {
            DropSafetyCopy(transaction, error);
            throw;
        }
        for (const std::string &entry : recreation_->left()) result_.warnings.push_back(entry);
        Analyze();
        result_.message = summary + "; done";
        if (result_.safety_backup)
            result_.message += request_.restore_id > 0
                                   ? fmt::format(". To undo: SELECT * FROM ark.undo_restore({})", request_.restore_id)
                                   : fmt::format(". To undo: pg_ark restore-entities --undo --restore-point {}",
                                                 *result_.safety_backup);
        else if (live.empty())
            result_.message += ". No live row was changed";
        else
            result_.message += ". There is no safety copy, so it cannot be undone";
    }

    // Whoever may not make something for its owner may not have it made. The transaction is not committed yet.
    void CheckViews() {
        for (const auto &[name, kind] : views_) {
            Result owner = connection_.Query(
                "SELECT c.relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = $1 AND c.relname = $2",
                {name.first, name.second});
            if (owner.rows() == 0)
                throw Error(
                    Code::kConflict, fmt::format("view \"{}.{}\" cannot be made again", name.first, name.second),
                    recreation_->left().empty() ? "" : recreation_->left().front(), "Restore what it reads first.");
            CheckMayMakeFor(connection_, caller_, owner.Unsigned(0, 0), name.first + "." + name.second);
        }
    }

    // The restore is committed: what goes wrong here is no failure of it.
    void Analyze() {
        try {
            connection_.Execute("SET lock_timeout = '2s'");
            for (const Target &target : targets_)
                connection_.Execute(fmt::format("ANALYZE {}", target.live.Qualified()));
        } catch (const Error &error) {
            result_.warnings.push_back("the restore is done, but not every table was analyzed: " + error.message);
        }
    }

    void Commit(const std::string &transaction) {
        ReportPhase("commit", steps_.size());
        if (!CommitForCertain(connection_, transaction, request_.conninfo, request_.target_database, ticker_))
            result_.warnings.push_back("the connection was lost in the commit; the server says that it was committed");
        result_.committed = true;
        if (request_.on_commit) request_.on_commit();
    }

    // The restore was rolled back: what was kept equals what is live. The locks do not wait for the store.
    void DropSafetyCopy(const std::string &transaction, Error &why) {
        if (!result_.safety_backup || result_.committed) return;
        try {
            connection_.Execute("ROLLBACK");
        } catch (const Error &) {    // cancelled or lost: the server rolls back by itself
        }
        GiveUpSafetyCopy(*std::exchange(result_.safety_backup, {}), transaction, request_, context_, why);
    }

    const RestoreRequest &request_;
    BackupReader &backup_;
    SafetyContext context_;
    Ticker &ticker_;
    Log &log_;
    Connection connection_;
    std::optional<RunAs> run_as_;
    std::optional<Recreation> recreation_;
    Caller caller_;
    std::vector<Target> targets_;
    std::vector<std::vector<Reach>> reach_;    // of each target's deletes
    std::vector<std::pair<RelationName, std::string>> views_;
    std::vector<LostObject> objects_;
    std::vector<std::vector<Collision>> collisions_;    // of each target
    std::vector<MergeStep> steps_;
    MergeOrder order_;
    Recipe recipe_;
    RestoreResult result_;
    bool in_transaction_ = false;
};

}    // namespace

RestoreMode ParseRestoreMode(std::string_view text) {
    if (text == "insert_missing") return RestoreMode::kInsertMissing;
    if (text == "upsert") return RestoreMode::kUpsert;
    if (text == "replace") return RestoreMode::kReplace;
    if (text == "side_by_side") return RestoreMode::kSideBySide;
    throw Error(Code::kInvalidArgument, fmt::format("there is no restore mode \"{}\"", text),
                "The modes are insert_missing, upsert, replace and side_by_side.");
}

Json ToJson(const TablePlan &plan) {
    return {{"table_name", plan.table_name},
            {"to_insert", plan.to_insert},
            {"to_update", plan.to_update},
            {"to_delete", plan.to_delete},
            {"unchanged", plan.unchanged},
            {"conflicts", plan.conflicts},
            {"sample_keys", plan.sample_keys},
            {"triggers", plan.triggers},
            {"cascades", plan.cascades},
            {"locks", plan.locks},
            {"notes", plan.notes}};
}

RestoreResult RestoreEntities(const RestoreRequest &request, const BackupId &backup_id,
                              std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys, Clock &clock,
                              Random &random, Ticker &ticker, Log &log) {
    if (request.columns.size() > 0 && request.mode != RestoreMode::kUpsert)
        throw Error(Code::kInvalidArgument, "columns can be chosen with mode upsert only", {},
                    "insert_missing and replace write whole rows.");
    BackupReader backup(repository, keys, backup_id);
    SafetyContext context{repository, keys, clock, random};
    Restore restore(request, backup, context, ticker, log);
    try {
        return restore.Run();
    } catch (Error &error) {
        if (error.code == Code::kCancelled && error.detail.empty())
            error.WithDetail("The restore was cancelled; nothing was changed.");
        throw;
    }
}

}    // namespace ark
