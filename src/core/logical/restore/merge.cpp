#include "logical/restore/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ark {
namespace {

std::string Names(const std::vector<std::string> &columns) {
    std::string out;
    for (const std::string &column : columns) out += (out.empty() ? "" : ", ") + QuoteIdentifier(column);
    return out;
}

std::string InsertSql(const Target &target) {
    std::string values;
    for (const std::string &column : target.columns) values += (values.empty() ? "" : ", ") + Staged(target, column);
    std::string into =
        target.columns.empty() ? "" : fmt::format(" ({}) OVERRIDING SYSTEM VALUE", Names(target.columns));
    return fmt::format(
        "INSERT INTO {}{} SELECT {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'i' ORDER BY s.ark_row",
        target.live.Qualified(), into, values, target.stage, target.diff);
}

std::string UpdateSql(const Target &target, const std::vector<std::string> &columns) {
    std::string set;
    for (const std::string &column : columns)
        set += fmt::format("{}{} = {}", set.empty() ? "" : ", ", QuoteIdentifier(column), Staged(target, column));
    return fmt::format(
        "UPDATE {} AS l SET {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'u' AND l.ctid = d.live_row "
        "AND l.tableoid = d.live_table",
        target.live.Only(), set, target.stage, target.diff);
}

std::string DeleteSql(const Target &target) {
    return fmt::format(
        "DELETE FROM {} AS l USING {} d WHERE d.op = 'd' AND l.ctid = d.live_row AND l.tableoid = d.live_table",
        target.live.Only(), target.diff);
}

// User triggers off for this transaction, each back to what it was afterwards. Internal ones (foreign keys) stay on.
class TriggersOff {
public:
    TriggersOff(Connection &connection, const std::vector<MergeStep> &steps, bool fire) : connection_(connection) {
        if (fire) return;
        for (const MergeStep &step : steps)
            for (const UserTrigger &trigger : step.target->live.triggers) {
                if (trigger.enabled == 'D' || trigger.enabled == 'R') continue;
                std::string name = QuoteIdentifier(trigger.name), table = step.target->live.Qualified();
                connection_.Execute(fmt::format("ALTER TABLE {} DISABLE TRIGGER {}", table, name));
                back_.push_back(fmt::format("ALTER TABLE {} ENABLE {}TRIGGER {}", table,
                                            trigger.enabled == 'A' ? "ALWAYS " : "", name));
            }
    }
    void PutBack() {
        if (back_.empty()) return;
        connection_.Execute("SET CONSTRAINTS ALL IMMEDIATE");    // a table with pending checks cannot be altered
        for (const std::string &statement : back_) connection_.Execute(statement);
    }

private:
    Connection &connection_;
    std::vector<std::string> back_;
};

class Merger {
public:
    Merger(RunAs &run_as, const std::vector<MergeStep> &steps, const RestoreRequest &request)
        : run_as_(run_as), steps_(steps), request_(request) {}

    void Deletes() {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step)
            if (step->counts.to_delete > 0)
                Run(*step, DeleteSql(*step->target), step->counts.to_delete, "deleted", true);
    }
    void InsertsAndUpdates() {
        for (const MergeStep &step : steps_) {
            if (step.counts.to_insert > 0) Run(step, InsertSql(*step.target), step.counts.to_insert, "inserted", false);
            if (step.counts.to_update > 0)
                Run(step, UpdateSql(*step.target, UpdatedColumns(*step.target, request_.columns)),
                    step.counts.to_update, "updated", false);
        }
    }

private:
    void Run(const MergeStep &step, const std::string &sql, std::uint64_t planned, const char *what, bool deletes) {
        std::uint64_t changed = run_as_.Execute(step.target->live.owner, sql);
        bool cascaded = deletes && changed < planned &&
                        std::ranges::any_of(step.target->live.references,
                                            [](const ForeignKey &key) { return key.on_delete == 'c'; });
        if (changed == planned || cascaded || request_.fire_triggers) return;
        throw Error(Code::kConflict,
                    fmt::format("{} rows of \"{}\" would have been {} instead of {}", changed, step.target->Name(),
                                what, planned),
                    "A rule, a referential action or a partition's own definition changed what was written; everything "
                    "was rolled back.",
                    "Run it again with dry_run, or restore side_by_side.");
    }

    RunAs &run_as_;
    const std::vector<MergeStep> &steps_;
    const RestoreRequest &request_;
};

}    // namespace

std::vector<MergeStep> ParentsFirst(std::vector<MergeStep> steps) {
    std::vector<MergeStep> out;
    std::set<std::uint64_t> waiting;
    for (const MergeStep &step : steps) waiting.insert(step.target->live.oid);
    while (!steps.empty()) {
        auto ready = std::ranges::find_if(steps, [&](const MergeStep &step) {
            return std::ranges::none_of(step.target->live.references, [&](const ForeignKey &key) {
                return key.to != step.target->live.oid && waiting.contains(key.to);
            });
        });
        if (ready == steps.end()) ready = steps.begin();    // a cycle: deferrable constraints may allow it
        waiting.erase(ready->target->live.oid);
        out.push_back(*ready);
        steps.erase(ready);
    }
    return out;
}

void Merge(Connection &connection, RunAs &run_as, const std::vector<MergeStep> &steps, const RestoreRequest &request) {
    std::vector<MergeStep> ordered = ParentsFirst(steps);
    TriggersOff triggers(connection, ordered, request.fire_triggers);
    Merger merger(run_as, ordered, request);
    connection.Execute("SET CONSTRAINTS ALL DEFERRED");
    connection.Execute("SAVEPOINT ark_merge");
    try {
        merger.Deletes();
        merger.InsertsAndUpdates();
        connection.Execute("SET CONSTRAINTS ALL IMMEDIATE");
    } catch (const Error &error) {
        if (error.Sqlstate() != "23503") throw;    // foreign_key_violation: the other order may do
        connection.Execute("ROLLBACK TO SAVEPOINT ark_merge");
        connection.Execute("SET CONSTRAINTS ALL DEFERRED");
        merger.InsertsAndUpdates();
        merger.Deletes();
        connection.Execute("SET CONSTRAINTS ALL IMMEDIATE");
    }
    triggers.PutBack();
}

std::vector<std::string> AdvanceSequences(Connection &connection, const Target &target) {
    std::vector<std::string> notes;
    for (const OwnedSequence &sequence : target.live.sequences) {
        std::string highest = RunAs::Select(
            target.live.owner,
            fmt::format("SELECT max({})::bigint FROM {}", QuoteIdentifier(sequence.column), target.live.Qualified()),
            "n bigint");
        Result moved = connection.Query(fmt::format(
            "SELECT pg_catalog.setval({0}::oid::regclass, m.n) FROM (SELECT n FROM {1}) m, {2} q, "
            "pg_catalog.pg_sequence p "
            "WHERE p.seqrelid = {0}::oid AND p.seqincrement > 0 AND m.n IS NOT NULL AND m.n <= p.seqmax AND "
            "m.n > CASE WHEN q.is_called THEN q.last_value ELSE q.last_value - p.seqincrement END",
            sequence.oid, highest, sequence.name));
        if (moved.rows() > 0)
            notes.push_back(fmt::format("sequence {} was moved forward to {}", sequence.name, moved.String(0, 0)));
    }
    return notes;
}

}    // namespace ark
