#include "logical/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "logical/restore/consequences.h"
#include "logical/restore/merge.h"
#include "logical/restore/recreate.h"
#include "logical/restore/safety.h"
#include "logical/restore/targets.h"

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
        run_as_.emplace(connection_);
        caller_ = RoleOf(request.caller);
    }

    RestoreResult Run() {
        FindTargets();
        Stage();
        if (!in_transaction_) Begin();
        if (!request_.dry_run) LockTargets();
        Compare();
        if (request_.dry_run) {
            connection_.Execute("ROLLBACK");
            result_.message = fmt::format("dry run: {}; nothing was changed", Summary());
            return std::move(result_);
        }
        Refuse();
        Write();
        return std::move(result_);
    }

private:
    std::uint64_t RoleOf(const std::string &name) {
        Result role = name.empty()
                          ? connection_.Query("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user")
                          : connection_.Query("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1", {name});
        if (role.rows() == 0) throw Error(Code::kNotFound, fmt::format("there is no role \"{}\"", name));
        return role.Unsigned(0, 0);
    }

    void Begin() {
        connection_.Execute(request_.dry_run ? "BEGIN ISOLATION LEVEL REPEATABLE READ"
                                             : "BEGIN ISOLATION LEVEL READ COMMITTED");
        connection_.Execute(fmt::format("SET LOCAL lock_timeout = {}", QuoteLiteral(request_.lock_timeout)));
        in_transaction_ = true;
    }

    void FindTargets() {
        std::vector<Wanted> wanted = request_.undo && request_.entities.empty()
                                         ? AllTables(backup_)
                                         : FindWanted(backup_, request_.entities, request_.filter);
        if (wanted.empty()) throw Error(Code::kInvalidArgument, "there is nothing to restore");
        std::set<std::pair<std::string, std::string>> dropped;
        for (const Wanted &one : wanted) {
            Target target;
            target.sources = one.sources;
            target.filter = one.filter;
            if (request_.mode == RestoreMode::kSideBySide && !request_.undo) {
                if (!in_transaction_) Begin();
                target.live = CreateBeside(connection_, one, request_.target_schema, target.notes);
                target.created = true;
            } else {
                std::string schema = request_.target_schema.empty() ? one.table.schema : request_.target_schema;
                std::optional<LiveTable> live = LoadLiveTable(connection_, schema, one.table.name);
                if (!live) {
                    CheckRecreatable(one, schema);
                    dropped.insert({one.table.schema, one.table.name});
                    for (const BackupTable &source : one.sources) dropped.insert({source.schema, source.name});
                    target.created = true;
                    target.live.schema = one.table.schema;
                    target.live.name = one.table.name;
                } else {
                    target.live = *live;
                }
            }
            targets_.push_back(std::move(target));
        }
        if (!dropped.empty()) Recreate(dropped);
        for (Target &target : targets_) {
            if (target.live.forces_row_security)
                throw Error(
                    Code::kPermissionDenied,
                    fmt::format("table \"{}\" forces row security on its owner too, so its rows cannot be compared",
                                target.Name()),
                    {},
                    fmt::format("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY for the restore, or use mode side_by_side.",
                                target.live.Qualified()));
        }
        if (request_.with_referenced) AddReferenced();
        for (std::size_t i = 0; i < targets_.size(); i++) PlanColumns(targets_[i], static_cast<int>(i) + 1);
    }

    void CheckRecreatable(const Wanted &wanted, const std::string &schema) {
        std::string name = schema + "." + wanted.table.name;
        if (request_.undo || schema != wanted.table.schema || backup_.manifest().clear.kind != "logical")
            throw Error(Code::kNotFound,
                        fmt::format("table \"{}\" does not exist in database \"{}\"", name, request_.target_database),
                        {},
                        "Use mode side_by_side, which makes its own table; or a backup of the whole database, from "
                        "which a dropped table is made again.")
                .WithSqlstate("42P01");
    }

    // Dropped tables come back whole: definition first, rows, then keys, indexes, foreign keys, triggers and grants.
    void Recreate(const std::set<std::pair<std::string, std::string>> &dropped) {
        if (!in_transaction_) Begin();
        recipe_ = FindRecipe(backup_, dropped);
        std::vector<std::string> left;
        RunEntries(connection_, recipe_.before, left);
        for (Target &target : targets_) {
            if (target.live.oid != 0) continue;
            target.live = *LoadLiveTable(connection_, target.live.schema, target.live.name);
            target.notes.push_back(
                "the table was dropped: it is made again with its keys, indexes, triggers and grants");
        }
    }

    // Rows that the chosen rows reference, from the same backup, at any depth.
    void AddReferenced() {
        for (std::size_t i = 0; i < targets_.size(); i++)
            for (const ForeignKey &key : std::vector<ForeignKey>(targets_[i].live.references)) {
                if (std::ranges::any_of(targets_, [&](const Target &target) { return target.live.oid == key.to; }))
                    continue;
                Result name = connection_.Query(
                    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
                    "c.relnamespace WHERE c.oid = $1::oid",
                    {std::to_string(key.to)});
                std::vector<Wanted> parent =
                    FindWanted(backup_, {{"", {{name.String(0, 0), name.String(0, 1), ""}}}}, "");
                Target target;
                target.live = *LoadLiveTable(connection_, name.String(0, 0), name.String(0, 1));
                target.sources = parent.front().sources;
                target.referenced_only = true;
                target.notes.push_back("brought in for the rows that reference it: only missing rows are inserted");
                targets_.push_back(std::move(target));
            }
    }

    void Stage() {
        Progress progress;
        progress.phase = "stage";
        progress.total_items = targets_.size();
        for (const Target &target : targets_)
            for (const BackupTable &source : target.sources) progress.total_bytes += source.bytes;
        for (Target &target : targets_) {
            ticker_.Check();
            CreateStage(connection_, target);
            if (request_.undo)
                LoadUndo(connection_, target, backup_);
            else
                LoadStage(connection_, target, backup_, ticker_, log_, progress);
            FilterStage(connection_, target, caller_);
            progress.done_items++;
        }
        for (const Target &target : targets_)
            if (target.referenced_only) KeepReferenced(target);
    }

    // Of a table that was only brought in, the rows that staged rows really reference.
    void KeepReferenced(const Target &parent) {
        std::string needed;
        for (const Target &child : targets_)
            for (const ForeignKey &key : child.live.references) {
                if (key.to != parent.live.oid || child.live.oid == parent.live.oid) continue;
                std::string match;
                for (std::size_t i = 0; i < key.from_columns.size(); i++)
                    match += fmt::format("{}c.{} = x.{}", i ? " AND " : "", QuoteIdentifier(key.from_columns[i]),
                                         QuoteIdentifier(key.to_columns[i]));
                needed += fmt::format(" AND NOT EXISTS (SELECT FROM {} c WHERE {})", child.stage, match);
            }
        connection_.Query(fmt::format("DELETE FROM {} x WHERE true{}", parent.stage, needed));
    }

    void LockTargets() {
        std::vector<const Target *> ordered;
        for (const Target &target : targets_) ordered.push_back(&target);
        std::ranges::sort(ordered, {}, [](const Target *target) {
            return target->live.oid;
        });    // one order for all: no deadlock between restores
        for (const Target *target : ordered) {
            try {
                connection_.Execute(fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", target->live.Only()));
            } catch (Error &error) {
                if (error.Sqlstate() != "55P03") throw;
                throw Error(Code::kConflict,
                            fmt::format("could not lock \"{}\" for the restore within {}", target->Name(),
                                        request_.lock_timeout),
                            "Another session writes to it or holds a stronger lock. Nothing was changed.",
                            "Try again, stop the writers, or give a longer lock_timeout. pg_locks shows who holds it.")
                    .WithSqlstate("55P03");
            }
        }
    }

    RestoreMode Mode() const {
        return request_.undo                               ? RestoreMode::kUpsert
               : request_.mode == RestoreMode::kSideBySide ? RestoreMode::kInsertMissing
                                                           : request_.mode;
    }

    void Compare() {
        log_.Report({.phase = "compare",
                     .done_bytes = 0,
                     .total_bytes = 0,
                     .stored_bytes = 0,
                     .done_items = 0,
                     .total_items = targets_.size(),
                     .current = {}});
        for (const Target &target : targets_) {
            ticker_.Check();
            RestoreMode mode =
                target.created || (request_.undo && target.live.key.empty()) ? RestoreMode::kInsertMissing : Mode();
            DiffCounts counts =
                ComputeDiff(connection_, target, mode,
                            target.referenced_only ? std::vector<std::string>{} : request_.columns, caller_);
            if (request_.undo) counts.to_delete += AddUndoDeletes(connection_, target);
            steps_.push_back({&target, counts});
        }
        for (const MergeStep &step : steps_) result_.tables.push_back(PlanOf(step));
    }

    TablePlan PlanOf(const MergeStep &step) {
        const Target &target = *step.target;
        TablePlan plan;
        plan.table_name = target.Name();
        plan.to_insert = step.counts.to_insert;
        plan.to_update = step.counts.to_update;
        plan.to_delete = step.counts.to_delete;
        plan.unchanged = step.counts.unchanged;
        plan.notes = target.notes;
        FindConsequences(connection_, target, targets_, step.counts, plan);
        for (const UserTrigger &trigger : target.live.triggers)
            if (trigger.enabled != 'D' && trigger.enabled != 'R')
                plan.triggers.push_back(trigger.name + (request_.fire_triggers ? " (fires)" : " (skipped)"));
        plan.locks = target.created ? "none: the table is new"
                                    : "SHARE ROW EXCLUSIVE: reads go on, writes wait until the restore is done";
        bool may_see = connection_
                           .Query("SELECT pg_catalog.has_table_privilege($1::oid, $2::oid, 'SELECT')",
                                  {std::to_string(caller_), std::to_string(target.live.oid)})
                           .Bool(0, 0);
        if (may_see) plan.sample_keys = SampleKeys(connection_, target);
        return plan;
    }

    std::string Summary() const {
        std::uint64_t inserted = 0, updated = 0, deleted = 0;
        for (const MergeStep &step : steps_) {
            inserted += step.counts.to_insert;
            updated += step.counts.to_update;
            deleted += step.counts.to_delete;
        }
        return fmt::format("{} rows to insert, {} to update, {} to delete in {} {}", inserted, updated, deleted,
                           steps_.size(), steps_.size() == 1 ? "table" : "tables");
    }

    // Everything that speaks against writing, before anything is written.
    void Refuse() const {
        for (const TablePlan &plan : result_.tables) {
            std::string notes;
            for (const std::string &note : plan.notes) notes += (notes.empty() ? "" : "; ") + note;
            for (const std::string &cascade : plan.cascades) notes += (notes.empty() ? "" : "; ") + cascade;
            if (ReachesOthers(plan) && !request_.cascade)
                throw Error(
                    Code::kConflict,
                    fmt::format("restoring \"{}\" would change rows of tables that were not named; nothing was changed",
                                plan.table_name),
                    notes, "Name those tables too, or give cascade => true.");
            if (plan.conflicts > 0)
                throw Error(Code::kConflict,
                            fmt::format("{} rows of \"{}\" cannot be restored; nothing was changed", plan.conflicts,
                                        plan.table_name),
                            notes,
                            "See the plan with dry_run => true; narrow it with a filter, name the tables they need, or "
                            "use mode side_by_side.");
            CheckExpectation(plan);
        }
    }

    void CheckExpectation(const TablePlan &plan) const {
        if (request_.expect.is_null()) return;
        for (const Json &shown : request_.expect) {
            if (shown.value("table_name", "") != plan.table_name) continue;
            if (plan.to_delete <= shown.value("to_delete", std::uint64_t{0}) &&
                plan.to_update <= shown.value("to_update", std::uint64_t{0}))
                return;
            throw Error(
                Code::kConflict,
                fmt::format("the plan no longer fits table \"{}\"; nothing was changed", plan.table_name),
                fmt::format("It showed {} rows to update and {} to delete; now it would be {} and {}.",
                            shown.value("to_update", 0), shown.value("to_delete", 0), plan.to_update, plan.to_delete),
                "Make a new plan with dry_run => true.");
        }
        throw Error(Code::kConflict,
                    fmt::format("the plan does not name table \"{}\"; nothing was changed", plan.table_name), {},
                    "Make a new plan with dry_run => true.");
    }

    void Write() {
        std::vector<MergeStep> live;    // those whose change an undo would have to take back
        for (const MergeStep &step : steps_)
            if (!step.target->created && step.counts.to_insert + step.counts.to_update + step.counts.to_delete > 0)
                live.push_back(step);
        if (!live.empty() && request_.safety) {
            result_.safety_backup = WriteSafetyCopy(connection_, live, request_, context_);
        }
        std::string summary = Summary();
        try {
            log_.Report({.phase = "merge",
                         .done_bytes = 0,
                         .total_bytes = 0,
                         .stored_bytes = 0,
                         .done_items = 0,
                         .total_items = steps_.size(),
                         .current = {}});
            Merge(connection_, *run_as_, steps_, request_);
            std::vector<std::string> left;
            RunEntries(connection_, recipe_.after, left);
            RunEntries(connection_, recipe_.last, left);
            for (const std::string &entry : left) result_.warnings.push_back(fmt::format("left as it is: {}", entry));
            for (std::size_t i = 0; i < targets_.size(); i++)
                for (const std::string &note : AdvanceSequences(connection_, *LiveAgain(targets_[i])))
                    result_.tables[i].notes.push_back(note);
            ticker_.Check();    // the last moment at which nothing was changed
        } catch (const Error &) {
            DropSafetyCopy();
            throw;
        }
        connection_.Execute("COMMIT");
        result_.committed = true;
        for (const Target &target : targets_) connection_.Execute(fmt::format("ANALYZE {}", target.live.Qualified()));
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

    // After a table was made again its serial sequences are known only now.
    const Target *LiveAgain(Target &target) {
        if (target.created)
            if (std::optional<LiveTable> live = LoadLiveTable(connection_, target.live.schema, target.live.name))
                target.live = *live;
        return &target;
    }

    // The restore failed before its commit was tried: what was kept equals what is live.
    void DropSafetyCopy() {
        if (!result_.safety_backup) return;
        EndBackup(*context_.repository, *result_.safety_backup, "the restore it was made for was rolled back",
                  request_.caller, context_.clock);
        result_.safety_backup.reset();
    }

    const RestoreRequest &request_;
    BackupReader &backup_;
    SafetyContext context_;
    Ticker &ticker_;
    Log &log_;
    Connection connection_;
    std::optional<RunAs> run_as_;
    std::uint64_t caller_ = 0;
    std::vector<Target> targets_;
    std::vector<MergeStep> steps_;
    TableRecipe recipe_;
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
