#include "logical/restore/unique_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "logical/restore/recreate.h"

namespace ark {
namespace {

constexpr int kMostTurns = 100;
constexpr const char *kMoveColumns = "ark_row bigint, op text, holder_table oid, holder_tid tid";

bool Contains(const std::vector<std::string> &names, const std::string &name) {
    return std::ranges::find(names, name) != names.end();
}

struct Written {
    bool updates = false;    // change the values of a rule
    bool mixed = false;      // of columns of the backup and of the live row
};

// The rows that the restore writes, as far as `rule` reads them, as they will be: ark_op, ark_row, ark_table, ark_tid
// (of the live row that they replace) and the rule's values as ark_v0, …; empty if the rule has nothing to say.
std::string NewRows(const Target &target, const std::vector<std::string> &updated, const UniqueRule &rule,
                    const std::string &values, Written &written) {
    bool inserts = true, updates = false, with_live = false;
    std::string columns;
    for (const std::string &column : rule.columns) {
        if (target.live.Column(column)->generated) return "";
        bool in_backup = Contains(target.columns, column), sets = Contains(updated, column);
        bool key = std::ranges::any_of(target.live.key, [&](const KeyColumn &k) { return k.name == column; });
        std::string name = QuoteIdentifier(column), value = "s." + name;
        if (!in_backup) value = "l." + name;
        if (in_backup && !sets && !key) value = fmt::format("CASE WHEN d.op = 'i' THEN s.{0} ELSE l.{0} END", name);
        with_live = with_live || value != "s." + name;
        inserts = inserts && in_backup;
        updates = updates || sets;
        columns += fmt::format(", {} AS {}", value, name);
    }
    written = {.updates = updates, .mixed = with_live};
    if (rule.columns.empty() || (!inserts && !updates)) return "";
    std::string live =
        fmt::format(" LEFT JOIN {} l ON l.tableoid = d.live_table AND l.ctid = d.live_row", target.live.Only());
    return fmt::format(
        "SELECT ark_op, ark_row, ark_table, ark_tid{} FROM (SELECT d.op AS ark_op, d.ark_row, d.live_table AS "
        "ark_table, "
        "d.live_row AS ark_tid{} FROM {} d JOIN {} s ON s.ark_row = d.ark_row{} WHERE d.op IN ({})) AS {}{}",
        values, columns, target.diff, target.stage, with_live ? live : "",
        !updates  ? "'i'"
        : inserts ? "'i', 'u'"
                  : "'u'",
        QuoteIdentifier(target.live.name), rule.predicate.empty() ? "" : fmt::format(" WHERE ({})", rule.predicate));
}

class Settler {
public:
    Settler(Connection &connection, const Target &target, const std::vector<std::string> &updated)
        : connection_(connection), target_(target), updated_(updated) {}

    std::vector<Collision> Run(bool in_turn) {
        connection_.Execute(
            fmt::format("CREATE TEMP TABLE ark_moves (rule integer, {}, holder_op text, holder bigint)", kMoveColumns));
        for (std::size_t i = 0; i < target_.live.rules.size(); i++) FindTaken(static_cast<int>(i));
        if (moves_ > 0 && in_turn)
            TakeTurns();
        else if (moves_ > 0)
            connection_.Query(
                fmt::format("UPDATE {} AS d SET op = 'x' FROM pg_temp.ark_moves m WHERE m.ark_row = "
                            "d.ark_row AND d.op = 'u' AND m.holder_op = 'u'",
                            target_.diff));
        connection_.Execute("DROP TABLE pg_temp.ark_moves");
        return std::move(found_);
    }

private:
    void FindTaken(int number) {
        const UniqueRule &rule = target_.live.rules[static_cast<std::size_t>(number)];
        std::string values, match, not_null, list;
        for (std::size_t i = 0; i < rule.values.size(); i++) {
            values += fmt::format(", ({}) AS ark_v{}", rule.values[i], i);
            match += fmt::format("{}n.ark_v{} {} l.ark_v{}", i ? " AND " : "", i, rule.equals[i], i);
            not_null += fmt::format("{}n.ark_v{} IS NOT NULL", i ? " AND " : "", i);
            list += fmt::format("{}n.ark_v{}", i ? ", " : "", i);
        }
        Written written;
        std::string rows = NewRows(target_, updated_, rule, values, written);
        if (rows.empty()) return;
        std::string live =
            fmt::format("SELECT tableoid AS ark_table, ctid AS ark_tid{} FROM {}{}", values, target_.live.Only(),
                        rule.predicate.empty() ? "" : fmt::format(" WHERE ({})", rule.predicate));
        // Sorted, so that the plan is the fastest for all rows and not for the first: it is read through a cursor.
        std::string taken = fmt::format(
            "SELECT n.ark_row, n.ark_op, l.ark_table, l.ark_tid FROM ({}) n JOIN ({}) l ON {} WHERE n.ark_tid IS NULL "
            "OR "
            "n.ark_tid <> l.ark_tid OR n.ark_table <> l.ark_table ORDER BY 1",
            rows, live, match);
        std::uint64_t holders =
            connection_
                .Query(fmt::format(
                    "INSERT INTO pg_temp.ark_moves SELECT {}, t.*, x.op, x.ark_row FROM {} LEFT JOIN {} x ON "
                    "x.live_row = t.holder_tid AND x.live_table = t.holder_table WHERE x.op IS DISTINCT "
                    "FROM 'd'",
                    number, RunAs::SelectAsOwner(target_.live.owner, taken, kMoveColumns), target_.diff))
                .affected();
        if (holders > 0) {
            Add(rule, "another live row has their values",
                fmt::format(
                    "SELECT ark_row FROM pg_temp.ark_moves WHERE rule = {} AND coalesce(holder_op, 'f') IN ('f', {})",
                    number, written.updates ? "'f'" : "'u'"));
            moves_ += connection_
                          .Query(fmt::format("SELECT count(*) FROM pg_temp.ark_moves WHERE rule = {} AND op = 'u' AND "
                                             "holder_op = 'u'",
                                             number))
                          .Unsigned(0, 0);
        }
        if (rule.groups && (written.mixed || !rule.in_backup)) FindDoubled(rule, rows, not_null, list);
    }

    void FindDoubled(const UniqueRule &rule, const std::string &rows, const std::string &not_null,
                     const std::string &list) {
        std::string doubled = fmt::format(
            "SELECT pg_catalog.unnest(r) FROM (SELECT pg_catalog.array_agg(n.ark_row) AS r FROM ({}) n WHERE {} GROUP "
            "BY {} "
            "HAVING count(*) > 1) g",
            rows, not_null, list);
        Add(rule, "several of them have the same values",
            "SELECT ark_row FROM " + RunAs::SelectAsOwner(target_.live.owner, doubled, "ark_row bigint"));
    }

    void Add(const UniqueRule &rule, std::string what, const std::string &rows) {
        connection_.Execute("CREATE TEMP TABLE ark_taken AS SELECT DISTINCT ark_row FROM (" + rows + ") r");
        Collision collision{.rule = rule.name, .what = std::move(what), .rows = 0, .keys = {}};
        collision.rows = connection_.Query("SELECT count(*) FROM pg_temp.ark_taken").Unsigned(0, 0);
        if (collision.rows > 0) {
            collision.keys = Keys();
            found_.push_back(std::move(collision));
        }
        connection_.Execute("DROP TABLE pg_temp.ark_taken");
    }

    // Keys of the first rows of ark_taken, turned into text by the table's owner.
    std::vector<std::string> Keys() {
        std::string text;
        for (const KeyColumn &column : target_.live.key) {
            if (!Contains(target_.columns, column.name)) return {};
            text += (text.empty() ? "" : ", ") + Staged(column.name) + "::text";
        }
        if (text.empty()) return {};
        GrantToOwner(connection_, target_.live, "pg_temp.ark_taken");
        std::string query = fmt::format(
            "SELECT concat_ws(',', {}) FROM {} s JOIN pg_temp.ark_taken t ON t.ark_row = s.ark_row ORDER BY s.ark_row "
            "LIMIT 3",
            text, target_.stage);
        Result rows = connection_.Query("SELECT * FROM " + RunAs::SelectAsOwner(target_.live.owner, query, "key text"));
        std::vector<std::string> keys;
        for (int r = 0; r < rows.rows(); r++) keys.push_back(rows.String(r, 0));
        return keys;
    }

    // A row whose values are free after some turn is updated in the next.
    void TakeTurns() {
        // A rule that is checked at the end of a statement lets values move as they like, if there is one statement only.
        std::string row_by_row;
        for (std::size_t i = 0; i < target_.live.rules.size(); i++)
            if (!target_.live.rules[i].deferrable) row_by_row += (row_by_row.empty() ? "" : ", ") + std::to_string(i);
        std::string moving = "m.op = 'u' AND m.holder_op = 'u'";
        if (row_by_row.empty() ||
            !connection_
                 .Query(fmt::format("SELECT EXISTS (SELECT FROM pg_temp.ark_moves m WHERE {} AND rule IN ({}))", moving,
                                    row_by_row))
                 .Bool(0, 0))
            return;
        connection_.Query(
            fmt::format("UPDATE {} SET turn = -1 WHERE op = 'u' AND ark_row IN (SELECT ark_row FROM "
                        "pg_temp.ark_moves m WHERE {})",
                        target_.diff, moving));
        for (int turn = 1; turn <= kMostTurns; turn++) {
            std::uint64_t settled =
                connection_
                    .Query(fmt::format(
                        "UPDATE {0} AS d SET turn = {1} WHERE d.op = 'u' AND d.turn = -1 AND NOT EXISTS (SELECT FROM "
                        "pg_temp.ark_moves m JOIN {0} h ON h.ark_row = m.holder WHERE m.ark_row = d.ark_row AND {2} "
                        "AND "
                        "h.op = 'u' AND h.turn = -1)",
                        target_.diff, turn, moving))
                    .affected();
            if (settled == 0) break;
        }
        for (std::size_t i = 0; i < target_.live.rules.size(); i++)
            Add(target_.live.rules[i],
                "they exchange values with one another, and triggers that fire or foreign keys that act on a delete "
                "allow "
                "no other way than one update after the other; first give one of them another value",
                fmt::format(
                    "SELECT m.ark_row FROM pg_temp.ark_moves m JOIN {} d ON d.ark_row = m.ark_row WHERE m.rule = "
                    "{} AND d.op = 'u' AND d.turn = -1 AND {}",
                    target_.diff, i, moving));
    }

    Connection &connection_;
    const Target &target_;
    const std::vector<std::string> &updated_;
    std::vector<Collision> found_;
    std::uint64_t moves_ = 0;
};

// A delete of one of its rows is more than half an update: other tables' rows would go or change with it.
bool DeletesReachFurther(const LiveTable &live, const std::vector<std::string> &updated) {
    return std::ranges::any_of(live.referenced_by, [&](const ForeignKey &key) {
        bool moves =
            std::ranges::any_of(key.to_columns, [&](const std::string &column) { return Contains(updated, column); });
        return key.on_delete != 'a' || (key.on_update != 'a' && moves);
    });
}

}    // namespace

void FindKnownRules(BackupReader &backup, std::vector<Target> &targets) {
    using Tags = std::array<RelationName, 2>;
    std::set<RelationName> tags;
    auto each = [&](const auto &visit) {
        for (Target &target : targets)
            if (!target.created && !target.reached && !target.sources.empty())
                for (UniqueRule &rule : target.live.rules) {
                    const BackupTable &source = target.sources.front();
                    visit(rule, Tags{RelationName{source.schema, source.name + " " + rule.name},
                                     RelationName{source.schema, rule.name}});
                }
    };
    each([&](UniqueRule &, const Tags &of_rule) { tags.insert(of_rule.begin(), of_rule.end()); });
    std::set<RelationName> known = FindRules(backup, tags);
    each([&](UniqueRule &rule, const Tags &of_rule) {
        rule.in_backup = known.contains(of_rule[0]) || known.contains(of_rule[1]);
    });
}

std::vector<Collision> SettleUniqueValues(Connection &connection, const Target &target,
                                          const std::vector<std::string> &updated, bool fire_triggers) {
    if (target.created || target.reached || target.live.rules.empty()) return {};
    bool writes =
        connection.Query(fmt::format("SELECT EXISTS (SELECT FROM {} WHERE op IN ('i', 'u'))", target.diff)).Bool(0, 0);
    if (!writes) return {};
    return Settler(connection, target, updated).Run(fire_triggers || DeletesReachFurther(target.live, updated));
}

}    // namespace ark
