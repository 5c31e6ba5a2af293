#include "logical/restore/consequences.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

std::uint64_t Count(Connection &connection, std::uint64_t role, const std::string &query) {
    return connection.Query("SELECT * FROM " + RunAs::Select(role, query, "n bigint")).Unsigned(0, 0);
}

std::uint64_t OwnerOf(Connection &connection, std::uint64_t table) {
    return connection.Query("SELECT relowner FROM pg_catalog.pg_class WHERE oid = $1::oid", {std::to_string(table)})
        .Unsigned(0, 0);
}

const Target *Find(const std::vector<Target> &all, std::uint64_t oid) {
    auto at = std::ranges::find_if(all, [&](const Target &target) { return target.live.oid == oid; });
    return at == all.end() ? nullptr : &*at;
}

bool Has(const Target &target, const std::string &column) {
    return std::ranges::find(target.columns, column) != target.columns.end();
}

void TakenValues(Connection &connection, const Target &target, TablePlan &plan) {
    for (const std::vector<KeyColumn> &key : target.live.other_keys) {
        if (!std::ranges::all_of(key, [&](const KeyColumn &column) { return Has(target, column.name); })) continue;
        std::string match, names;
        for (const KeyColumn &column : key) {
            match += fmt::format("{}l.{} {} {}", match.empty() ? "" : " AND ", QuoteIdentifier(column.name),
                                 column.equals, Staged(target, column.name));
            names += (names.empty() ? "" : ", ") + column.name;
        }
        std::uint64_t taken =
            Count(connection, target.live.owner,
                  fmt::format("SELECT count(*) FROM {0} d JOIN {1} s ON s.ark_row = d.ark_row JOIN {2} l ON {3} WHERE "
                              "d.op IN ('i', 'u') "
                              "AND (d.live_row IS NULL OR d.live_row <> l.ctid OR d.live_table <> l.tableoid) "
                              "AND NOT EXISTS (SELECT FROM {0} x WHERE x.op IN ('d', 'u') AND x.live_row = l.ctid AND "
                              "x.live_table = l.tableoid)",
                              target.diff, target.stage, target.live.Only(), match));
        if (taken == 0) continue;
        plan.conflicts += taken;
        plan.notes.push_back(fmt::format("{} rows cannot come back: another live row has their ({})", taken, names));
    }
}

void MissingParents(Connection &connection, const Target &target, const std::vector<Target> &all, TablePlan &plan) {
    for (const ForeignKey &key : target.live.references) {
        if (!std::ranges::all_of(key.from_columns, [&](const std::string &column) { return Has(target, column); }))
            continue;
        const Target *parent = Find(all, key.to);
        if (parent && parent->created) continue;    // checked when its constraints come back
        std::string live, staged, not_null;
        for (std::size_t i = 0; i < key.from_columns.size(); i++) {
            std::string mine = Staged(target, key.from_columns[i]), to = QuoteIdentifier(key.to_columns[i]);
            live += fmt::format("{}p.{} {} {}", i ? " AND " : "", to, key.equals[i], mine);
            staged += fmt::format("{}ps.{} = {}", i ? " AND " : "", to, "s." + QuoteIdentifier(key.from_columns[i]));
            not_null += fmt::format(" AND s.{} IS NOT NULL", QuoteIdentifier(key.from_columns[i]));
        }
        std::string gone, coming;
        if (parent) {
            gone = fmt::format(
                " AND NOT EXISTS (SELECT FROM {} pd WHERE pd.op = 'd' AND pd.live_row = p.ctid AND pd.live_table = "
                "p.tableoid)",
                parent->diff);
            coming = fmt::format(" AND NOT EXISTS (SELECT FROM {} ps WHERE {})", parent->stage, staged);
        }
        std::uint64_t orphans =
            Count(connection, OwnerOf(connection, key.to),
                  fmt::format("SELECT count(*) FROM {} d JOIN {} s ON s.ark_row = d.ark_row WHERE d.op IN ('i', 'u'){} "
                              "AND NOT EXISTS (SELECT FROM {} p WHERE {}{}){}",
                              target.diff, target.stage, not_null, key.to_name, live, gone, coming));
        if (orphans == 0) continue;
        plan.conflicts += orphans;
        plan.notes.push_back(fmt::format(
            "{} rows reference rows of {} that are neither live nor restored: name it too, or use with_referenced",
            orphans, key.to_name));
    }
}

void ReachedByDeletes(Connection &connection, const Target &target, const std::vector<Target> &all, TablePlan &plan) {
    for (const ForeignKey &key : target.live.referenced_by) {
        if (key.from == target.live.oid || Find(all, key.from)) continue;
        std::string match;
        for (std::size_t i = 0; i < key.from_columns.size(); i++)
            match += fmt::format("{}l.{} {} c.{}", i ? " AND " : "", QuoteIdentifier(key.to_columns[i]), key.equals[i],
                                 QuoteIdentifier(key.from_columns[i]));
        // The referencing table's owner may not read this one, and the reverse: the superuser compares plain keys here, no user code runs.
        std::uint64_t reached = connection
                                    .Query(fmt::format("SELECT count(*) FROM {} c JOIN {} l ON {} JOIN {} d ON d.op = "
                                                       "'d' AND d.live_row = l.ctid AND d.live_table = l.tableoid",
                                                       key.from_name, target.live.Only(), match, target.diff))
                                    .Unsigned(0, 0);
        if (reached == 0) continue;
        switch (key.on_delete) {
        case 'c':
            plan.cascades.push_back(
                fmt::format("{} rows of {} would be deleted (ON DELETE CASCADE)", reached, key.from_name));
            break;
        case 'n':
            plan.cascades.push_back(
                fmt::format("{} rows of {} would be set to null (ON DELETE SET NULL)", reached, key.from_name));
            break;
        case 'd':
            plan.cascades.push_back(fmt::format("{} rows of {} would be set to their default (ON DELETE SET DEFAULT)",
                                                reached, key.from_name));
            break;
        default:
            plan.conflicts += reached;
            plan.notes.push_back(
                fmt::format("{} rows of {} reference rows that would be deleted", reached, key.from_name));
        }
    }
}

}    // namespace

void FindConsequences(Connection &connection, const Target &target, const std::vector<Target> &all,
                      const DiffCounts &counts, TablePlan &plan) {
    if (target.created) return;    // its constraints are made after its rows, and checked then
    if (counts.to_insert + counts.to_update > 0) {
        TakenValues(connection, target, plan);
        MissingParents(connection, target, all, plan);
    }
    if (counts.to_delete > 0) ReachedByDeletes(connection, target, all, plan);
}

bool ReachesOthers(const TablePlan &plan) { return !plan.cascades.empty(); }

}    // namespace ark
