#include "logical/restore/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ark {
namespace {

struct Change {
    const Target *target;
    std::string sql;
    std::uint64_t rows;
    const char *done;    // "deleted"
    std::string free;    // of an update that sets unique columns: condition that no other row has the new values
};

std::string InsertSql(const Target &target) {
    std::string into =
        target.columns.empty() ? "" : fmt::format(" ({}) OVERRIDING SYSTEM VALUE", ColumnList(target.columns));
    return fmt::format(
        "INSERT INTO {}{} SELECT {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'i' ORDER BY s.ark_row",
        target.live.Qualified(), into, ColumnList(target.columns, "s."), target.stage, target.diff);
}

std::string UpdateSql(const Target &target, const std::vector<std::string> &columns) {
    std::string set;
    for (const std::string &column : columns)
        set += fmt::format("{}{} = {}", set.empty() ? "" : ", ", QuoteIdentifier(column), Staged(column));
    return fmt::format(
        "UPDATE {} AS l SET {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'u' AND l.ctid = d.live_row "
        "AND l.tableoid = d.live_table",
        target.live.Only(), set, target.stage, target.diff);
}

// Updates check unique keys row by row, so a value that one row gives up is not free for another within one statement.
std::string ValuesAreFree(const Target &target, const std::vector<std::string> &columns) {
    std::string free;
    for (const std::vector<KeyColumn> &key : target.live.other_keys) {
        bool set = false, all = true;
        std::string match;
        for (const KeyColumn &column : key) {
            set = set || std::ranges::find(columns, column.name) != columns.end();
            all = all && std::ranges::find(target.columns, column.name) != target.columns.end();
            match += fmt::format(" AND x.{} {} {}", QuoteIdentifier(column.name), column.equals, Staged(column.name));
        }
        if (set && all)
            free +=
                fmt::format(" AND NOT EXISTS (SELECT FROM {} x WHERE (x.ctid <> l.ctid OR x.tableoid <> l.tableoid){})",
                            target.live.Only(), match);
    }
    return free;
}

std::string DeleteSql(const Target &target) {
    return fmt::format(
        "DELETE FROM {} AS l USING {} d WHERE d.op = 'd' AND l.ctid = d.live_row AND l.tableoid = d.live_table",
        target.live.Only(), target.diff);
}

std::vector<Change> Deletes(const std::vector<MergeStep> &parents_first) {
    std::vector<Change> out;
    for (auto step = parents_first.rbegin(); step != parents_first.rend(); ++step)
        if (step->counts.to_delete > 0)
            out.push_back({step->target, DeleteSql(*step->target), step->counts.to_delete, "deleted", ""});
    return out;
}

std::vector<Change> UpdatesAndInserts(const std::vector<MergeStep> &parents_first,
                                      const std::vector<std::string> &columns) {
    std::vector<Change> out;
    for (const MergeStep &step : parents_first) {
        const Target *target = step.target;
        std::vector<std::string> updated = UpdatedColumns(*target, columns);
        if (step.counts.to_update > 0)    // first, since it may give up values that inserted rows have
            out.push_back({target, UpdateSql(*target, updated), step.counts.to_update, "updated",
                           ValuesAreFree(*target, updated)});
        if (step.counts.to_insert > 0)
            out.push_back({target, InsertSql(*target), step.counts.to_insert, "inserted", ""});
    }
    return out;
}

// User triggers off for this transaction, each back to what it was afterwards. Internal ones (foreign keys) stay on.
class TriggersOff {
public:
    TriggersOff(Connection &connection, const std::vector<MergeStep> &steps, bool fire) : connection_(connection) {
        if (fire) return;
        for (const MergeStep &step : steps)
            for (const UserTrigger &trigger : step.target->live.triggers) {
                if (trigger.enabled == 'D' || trigger.enabled == 'R') continue;
                std::string name = QuoteIdentifier(trigger.name);
                std::string disable = fmt::format("ALTER TABLE ONLY {} DISABLE TRIGGER {}", trigger.table, name);
                if (!done_.insert(disable).second) continue;
                connection_.Execute(disable);
                back_.push_back(fmt::format("ALTER TABLE ONLY {} ENABLE {}TRIGGER {}", trigger.table,
                                            trigger.enabled == 'A' ? "ALWAYS " : "", name));
            }
    }
    void PutBack() {
        for (const std::string &statement : back_) connection_.Execute(statement);
    }

private:
    Connection &connection_;
    std::set<std::string> done_;
    std::vector<std::string> back_;
};

[[noreturn]] void ThrowOther(const std::string &what) {
    throw Error(Code::kConflict, what,
                "A rule, a referential action or a partition's own definition changed what was written; everything was "
                "rolled back.",
                "Run it again with dry_run, or restore side_by_side.");
}

class Merger {
public:
    Merger(Connection &connection, RunAs &run_as, bool fire_triggers)
        : connection_(connection), run_as_(run_as), fire_triggers_(fire_triggers) {}

    void OneByOne(const std::vector<Change> &changes) {
        for (const Change &change : changes) {
            std::uint64_t rows = change.free.empty() ? Run(change, change.sql) : Update(change);
            // A row that is to go may have gone with the row that it referenced.
            bool cascaded = change.done == std::string_view("deleted") && rows < change.rows &&
                            std::ranges::any_of(change.target->live.references,
                                                [](const ForeignKey &key) { return key.on_delete == 'c'; });
            if (rows != change.rows && !cascaded && !fire_triggers_)
                ThrowOther(fmt::format("{} rows of \"{}\" would have been {} instead of {}", rows,
                                       change.target->Name(), change.done, change.rows));
        }
    }

    // References are checked at the end of a statement, and each part of it sees the rows as they were before it.
    void AtOnce(const std::vector<Change> &changes) {
        std::string parts, counted;
        std::uint64_t planned = 0;
        for (std::size_t i = 0; i < changes.size(); i++) {
            parts += fmt::format("{}ark_{} AS ({} RETURNING 1)", i ? ", " : "", i, changes[i].sql);
            counted += fmt::format("{}SELECT FROM ark_{}", i ? " UNION ALL " : "", i);
            planned += changes[i].rows;
        }
        std::string limit = fire_triggers_ ? "" : fmt::format(" HAVING count(*) = {}", planned);
        if (run_as_.Execute(changes.front().target->live.owner,
                            fmt::format("WITH {} SELECT count(*) FROM ({}) x{}", parts, counted, limit)) != 1)
            ThrowOther(fmt::format("other rows than the {} planned would have been changed", planned));
    }

private:
    std::uint64_t Run(const Change &change, const std::string &sql) {
        return run_as_.Execute(change.target->live.owner, sql);
    }

    // Where values move from row to row, rows whose new values are free go first, until all are done.
    std::uint64_t Update(const Change &change) {
        connection_.Execute("SAVEPOINT ark_update");
        try {
            return Run(change, change.sql);
        } catch (const Error &error) {
            if (error.Sqlstate() != "23505") throw;    // unique_violation
        }
        connection_.Execute("ROLLBACK TO SAVEPOINT ark_update");
        std::uint64_t done = 0;
        while (done < change.rows) {
            std::uint64_t rows = Run(change, change.sql + change.free);
            if (rows == 0)
                throw Error(Code::kConflict,
                            fmt::format("{} rows of \"{}\" exchange values of a unique key; nothing was changed",
                                        change.rows - done, change.target->Name()),
                            {}, "Set the key of one of them to another value first, or use mode side_by_side.")
                    .WithSqlstate("23505");
            done += rows;
        }
        return done;
    }

    Connection &connection_;
    RunAs &run_as_;
    bool fire_triggers_;
};

bool OneOwner(const std::vector<Change> &changes) {
    return std::ranges::all_of(
        changes, [&](const Change &change) { return change.target->live.owner == changes.front().target->live.owner; });
}

}    // namespace

std::vector<MergeStep> ParentsFirst(std::vector<MergeStep> steps, bool &circle) {
    std::vector<MergeStep> out;
    std::set<std::uint64_t> waiting;
    for (const MergeStep &step : steps) waiting.insert(step.target->live.oid);
    circle = false;
    while (!steps.empty()) {
        auto ready = std::ranges::find_if(steps, [&](const MergeStep &step) {
            return std::ranges::none_of(step.target->live.references, [&](const ForeignKey &key) {
                return key.to != step.target->live.oid && waiting.contains(key.to);
            });
        });
        if (ready == steps.end()) {
            circle = true;
            ready = steps.begin();
        }
        waiting.erase(ready->target->live.oid);
        out.push_back(*ready);
        steps.erase(ready);
    }
    return out;
}

void Merge(Connection &connection, RunAs &run_as, const std::vector<MergeStep> &steps, const RestoreRequest &request) {
    bool circle = false;
    std::vector<MergeStep> ordered = ParentsFirst(steps, circle);
    std::vector<Change> deletes = Deletes(ordered), others = UpdatesAndInserts(ordered, request.columns);
    std::vector<Change> all = deletes;
    all.insert(all.end(), others.begin(), others.end());
    if (all.empty()) return;
    bool one_owner = OneOwner(all);
    TriggersOff triggers(connection, ordered, request.fire_triggers);
    Merger merger(connection, run_as, request.fire_triggers);
    if (circle && one_owner) {
        merger.AtOnce(all);
    } else {
        connection.Execute("SAVEPOINT ark_merge");
        try {
            merger.OneByOne(all);
        } catch (const Error &error) {
            if (error.Sqlstate() != "23503") throw;    // foreign_key_violation
            connection.Execute("ROLLBACK TO SAVEPOINT ark_merge");
            if (one_owner) {
                merger.AtOnce(all);
            } else {
                merger.OneByOne(others);
                merger.OneByOne(deletes);
            }
        }
    }
    triggers.PutBack();
}

std::vector<std::string> AdvanceSequences(Connection &connection, const LiveTable &live) {
    std::vector<std::string> notes;
    for (const OwnedSequence &sequence : live.sequences) {
        std::string furthest =
            RunAs::SelectAsOwner(live.owner,
                                 fmt::format("SELECT {}({})::bigint FROM {}", sequence.ascending ? "max" : "min",
                                             QuoteIdentifier(sequence.column), live.Qualified()),
                                 "n bigint");
        Result moved = connection.Query(fmt::format(
            "SELECT pg_catalog.setval({0}::oid::regclass, m.n) FROM (SELECT n FROM {1}) m, {2} q, "
            "pg_catalog.pg_sequence p WHERE p.seqrelid = {0}::oid AND m.n BETWEEN p.seqmin AND p.seqmax AND NOT "
            "p.seqcycle AND (m.n - CASE WHEN q.is_called THEN q.last_value ELSE q.last_value - p.seqincrement END) * "
            "pg_catalog.sign(p.seqincrement::numeric) > 0",
            sequence.oid, furthest, sequence.name));
        if (moved.rows() > 0)
            notes.push_back(fmt::format("sequence {} was moved forward to {}", sequence.name, moved.String(0, 0)));
    }
    return notes;
}

}    // namespace ark
