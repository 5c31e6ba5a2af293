#include "logical/restore/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ark {
namespace {

struct Statement {
    std::string with;    // a part that it needs: name AS (…)
    std::string sql;
};

struct Change {
    const Target *target;
    std::vector<Statement> statements;    // one after the other
    std::uint64_t rows;                   // of all of them
    const char *done;                     // "deleted"
};

std::string InsertSql(const Target &target) {
    std::string into =
        target.columns.empty() ? "" : fmt::format(" ({}) OVERRIDING SYSTEM VALUE", ColumnList(target.columns));
    return fmt::format(
        "INSERT INTO {}{} SELECT {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'i' ORDER BY s.ark_row",
        target.live.Qualified(), into, ColumnList(target.columns, "s."), target.stage, target.diff);
}

std::string UpdateSql(const Target &target, const std::vector<std::string> &columns, std::uint64_t turn) {
    std::string set;
    for (const std::string &column : columns)
        set += fmt::format("{}{} = {}", set.empty() ? "" : ", ", QuoteIdentifier(column), Staged(column));
    return fmt::format(
        "UPDATE {} AS l SET {} FROM {} s JOIN {} d ON d.ark_row = s.ark_row WHERE d.op = 'u' AND d.turn = {} AND "
        "l.ctid = "
        "d.live_row AND l.tableoid = d.live_table",
        target.live.Only(), set, target.stage, target.diff, turn);
}

// Rows that exchange unique values: all are gone before the first is there again. What the backup does not have is kept.
Statement ExchangeSql(const Target &target, const std::vector<std::string> &updated) {
    std::string gone = fmt::format("ark_gone_{}", target.live.oid);
    std::vector<std::string> stored;
    std::string values;
    for (const LiveColumn &column : target.live.columns) {
        if (column.generated) continue;
        stored.push_back(column.name);
        bool set = std::ranges::find(updated, column.name) != updated.end();
        values += (values.empty() ? "" : ", ") + (set ? Staged(column.name) : "g." + QuoteIdentifier(column.name));
    }
    return {
        .with = fmt::format("{} AS (DELETE FROM {} AS l USING {} d WHERE d.op = 'x' AND l.ctid = d.live_row AND "
                            "l.tableoid = d.live_table RETURNING d.ark_row, {})",
                            gone, target.live.Only(), target.diff, ColumnList(stored, "l.")),
        .sql = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} g JOIN {} s ON s.ark_row = "
                           "g.ark_row WHERE (SELECT count(*) FROM {}) > 0",
                           target.live.Qualified(), ColumnList(stored), values, gone, target.stage, gone)};
}

std::string DeleteSql(const Target &target) {
    return fmt::format(
        "DELETE FROM {} AS l USING {} d WHERE d.op = 'd' AND l.ctid = d.live_row AND l.tableoid = d.live_table",
        target.live.Only(), target.diff);
}

std::vector<Change> Deletes(const std::vector<MergeStep> &steps) {
    std::vector<Change> out;
    for (const MergeStep &step : steps)
        if (step.counts.to_delete > 0)
            out.push_back({step.target, {{"", DeleteSql(*step.target)}}, step.counts.to_delete, "deleted"});
    return out;
}

std::vector<Change> UpdatesAndInserts(const std::vector<MergeStep> &steps, const std::vector<std::string> &columns) {
    std::vector<Change> out;
    for (const MergeStep &step : steps) {
        const Target *target = step.target;
        std::vector<std::string> updated = UpdatedColumns(*target, columns);
        // First what gives up values, then those that take them.
        Change update{target, {}, step.counts.to_update - step.counts.exchanged, "updated"};
        for (std::uint64_t turn = 0; update.rows > 0 && turn < step.counts.turns; turn++)
            update.statements.push_back({"", UpdateSql(*target, updated, turn)});
        if (update.rows > 0) out.push_back(std::move(update));
        if (step.counts.exchanged > 0)
            out.push_back({target, {ExchangeSql(*target, updated)}, step.counts.exchanged, "updated"});
        if (step.counts.to_insert > 0)
            out.push_back({target, {{"", InsertSql(*target)}}, step.counts.to_insert, "inserted"});
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
    Merger(RunAs &run_as, bool fire_triggers) : run_as_(run_as), fire_triggers_(fire_triggers) {}

    void OneByOne(const std::vector<Change> &changes) {
        for (const Change &change : changes) {
            std::uint64_t rows = 0;
            for (const auto &[with, sql] : change.statements)
                rows += run_as_.Execute(change.target->live.owner, (with.empty() ? "" : "WITH " + with + " ") + sql);
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
        int number = 0;
        for (const Change &change : changes) {
            for (const auto &[with, sql] : change.statements) {
                parts += fmt::format("{}{}{}ark_{} AS ({} RETURNING 1)", number ? ", " : "", with,
                                     with.empty() ? "" : ", ", number, sql);
                counted += fmt::format("{}SELECT FROM ark_{}", number ? " UNION ALL " : "", number);
                number++;
            }
            planned += change.rows;
        }
        std::string limit = fire_triggers_ ? "" : fmt::format(" HAVING count(*) = {}", planned);
        if (run_as_.Execute(changes.front().target->live.owner,
                            fmt::format("WITH {} SELECT count(*) FROM ({}) x{}", parts, counted, limit)) != 1)
            ThrowOther(fmt::format("other rows than the {} planned would have been changed", planned));
    }

private:
    RunAs &run_as_;
    bool fire_triggers_;
};

bool OneOwner(const std::vector<Change> &changes) {
    return std::ranges::all_of(
        changes, [&](const Change &change) { return change.target->live.owner == changes.front().target->live.owner; });
}

}    // namespace

void Merge(Connection &connection, RunAs &run_as, const MergeOrder &order, const RestoreRequest &request) {
    std::vector<Change> deletes = Deletes(order.deletes), others = UpdatesAndInserts(order.writes, request.columns);
    std::vector<Change> all = deletes;
    all.insert(all.end(), others.begin(), others.end());
    if (all.empty()) return;
    TriggersOff triggers(connection, order.writes, request.fire_triggers);
    Merger merger(run_as, request.fire_triggers);
    if (order.at_once) {
        merger.AtOnce(all);
    } else {
        connection.Execute("SAVEPOINT ark_merge");
        try {
            merger.OneByOne(all);
        } catch (const Error &error) {
            if (error.Sqlstate() != "23503") throw;    // foreign_key_violation
            connection.Execute("ROLLBACK TO SAVEPOINT ark_merge");
            if (OneOwner(all)) {
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
