#include "logical/restore/diff.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

// Images of rows: equal images are equal bytes, whatever the types' own idea of equality (or lack of one: json, point).
std::string Differs(const std::vector<std::string> &columns) {
    if (columns.empty()) return "false";
    return fmt::format("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", ColumnList(columns, "l."),
                       ColumnList(columns, "s."));
}

bool HasKey(const Target &target) {
    return !target.live.key.empty() && std::ranges::all_of(target.live.key, [&](const KeyColumn &key) {
        return std::ranges::find(target.columns, key.name) != target.columns.end();
    });
}

std::string WithKey(const Target &target, RestoreMode mode, const std::vector<std::string> &updated) {
    bool deletes = mode == RestoreMode::kReplace && !target.referenced_only;
    bool updates = mode != RestoreMode::kInsertMissing && !target.referenced_only;
    std::string wanted = "l.ctid IS NULL";
    if (deletes) wanted += " OR s.ark_row IS NULL";
    if (updates) wanted += fmt::format(" OR (l.ctid IS NOT NULL AND s.ark_row IS NOT NULL AND {})", Differs(updated));
    return fmt::format(
        "SELECT CASE WHEN l.ctid IS NULL THEN 'i' WHEN s.ark_row IS NULL THEN 'd' ELSE 'u' END, s.ark_row, l.tableoid, "
        "l.ctid FROM {} s {} JOIN (SELECT tableoid, ctid, * FROM {}) l ON {} WHERE {}",
        target.stage, deletes ? "FULL" : "LEFT", target.live.Only(), KeyMatch(target), wanted);
}

// Without a key rows are compared whole, as a multiset.
std::string WithoutKey(const Target &target, RestoreMode mode) {
    bool deletes = mode == RestoreMode::kReplace && !target.referenced_only;
    return fmt::format(
        "SELECT CASE WHEN l.ctid IS NULL THEN 'i' ELSE 'd' END, s.ark_row, l.tableoid, l.ctid FROM ({}) s {} JOIN ({}) "
        "l ON s.i = l.i AND s.n = l.n WHERE l.ctid IS NULL{}",
        NumberedCopies("ark_row", target.columns, target.stage), deletes ? "FULL" : "LEFT",
        NumberedCopies("tableoid, ctid", target.columns, target.live.Only()), deletes ? " OR s.ark_row IS NULL" : "");
}

// The filter sees a copy of the rows, made by the table's owner: code that hangs on the live table does not run as the caller.
void KeepDeletesThatMatch(Connection &connection, const Target &target, std::uint64_t caller) {
    std::string table = target.diff + "_old", types = TypedColumns(target.live, target.columns);
    std::string columns = "ark_row bigint, live_table oid, live_row tid" + (types.empty() ? "" : ", " + types);
    std::string list = ColumnList(target.columns, "l.");
    connection.Execute(fmt::format("CREATE TEMP TABLE {} ({})", table.substr(table.find('.') + 1), columns));
    connection.Query(fmt::format(
        "INSERT INTO {} SELECT * FROM {}", table,
        RunAs::SelectAsOwner(target.live.owner,
                             fmt::format("SELECT row_number() OVER (), l.tableoid, l.ctid{}{} FROM {} d JOIN {} l ON "
                                         "l.tableoid = d.live_table AND l.ctid = d.live_row WHERE d.op = 'd'",
                                         list.empty() ? "" : ", ", list, target.diff, target.live.Only()),
                             columns)));
    std::string role =
        connection.Query("SELECT pg_catalog.pg_get_userbyid($1::oid)", {std::to_string(caller)}).String(0, 0);
    connection.Execute(fmt::format("GRANT SELECT ON {} TO {}", table, QuoteIdentifier(role)));
    connection.Query(
        fmt::format("DELETE FROM {0} AS d WHERE op = 'd' AND NOT EXISTS (SELECT FROM {1} o JOIN {2} ON t.ark_row = "
                    "o.ark_row WHERE o.live_table = d.live_table AND o.live_row = d.live_row)",
                    target.diff, table, Matching(target, table, caller)));
    connection.Execute("DROP TABLE " + table);
}

}    // namespace

std::string KeyMatch(const Target &target) {
    std::string match;
    for (const KeyColumn &column : target.live.key)
        match += fmt::format("{}l.{} {} {}", match.empty() ? "" : " AND ", QuoteIdentifier(column.name), column.equals,
                             Staged(column.name));
    return match;
}

std::string NumberedCopies(std::string_view what, const std::vector<std::string> &columns, std::string_view from) {
    return fmt::format(
        "SELECT {0}, i, row_number() OVER (PARTITION BY i) AS n FROM (SELECT {0}, ROW({1})::text AS i FROM {2} r) x",
        what, ColumnList(columns, "r."), from);
}

std::vector<std::string> UpdatedColumns(const Target &target, const std::vector<std::string> &wanted) {
    std::vector<std::string> out;
    for (const std::string &column : target.columns) {
        bool key = std::ranges::any_of(target.live.key, [&](const KeyColumn &k) { return k.name == column; });
        bool chosen = wanted.empty() || std::ranges::find(wanted, column) != wanted.end();
        if (!key && chosen && !target.live.Column(column)->identity_always) out.push_back(column);
    }
    return out;
}

void CreateDiff(Connection &connection, const Target &target) {
    connection.Execute(fmt::format("CREATE TEMP TABLE {} ({}, turn integer NOT NULL DEFAULT 0)",
                                   target.diff.substr(target.diff.find('.') + 1), kDiffColumns));
    GrantToOwner(connection, target.live, target.diff);
}

std::uint64_t AddToDiff(Connection &connection, const Target &target, const std::string &query) {
    return connection
        .Query(fmt::format("INSERT INTO {} SELECT * FROM {}", target.diff,
                           RunAs::SelectAsOwner(target.live.owner, query, kDiffColumns)))
        .affected();
}

void ComputeDiff(Connection &connection, const Target &target, RestoreMode mode, const std::vector<std::string> &wanted,
                 std::uint64_t caller) {
    for (const std::string &column : wanted)
        if (std::ranges::find(target.columns, column) == target.columns.end())
            throw Error(Code::kInvalidArgument,
                        fmt::format("table \"{}\" and its backup share no column \"{}\"", target.Name(), column));
    bool key = HasKey(target);
    if (!key && mode == RestoreMode::kUpsert && !target.referenced_only)
        throw Error(
            Code::kInvalidArgument,
            fmt::format("table \"{}\" has no key to find rows by, so mode upsert cannot be used", target.Name()), {},
            "Use insert_missing or replace, which compare whole rows, or give the table a primary key.");
    if (!key && !target.live.key.empty() && !target.gone.empty())
        throw Error(
            Code::kConflict,
            fmt::format("the key of table \"{}\" is not in the backup, so its rows cannot be found", target.Name()),
            fmt::format("The backup has columns that the table does not: {}.", ColumnList(target.gone)),
            "If a column of the key was renamed, rename it back for the restore; or use mode side_by_side.");
    AddToDiff(connection, target,
              key ? WithKey(target, mode, UpdatedColumns(target, wanted)) : WithoutKey(target, mode));
    if (mode == RestoreMode::kReplace && !target.filter.empty() && !target.referenced_only)
        KeepDeletesThatMatch(connection, target, caller);
    connection.Execute(fmt::format("ANALYZE {}", target.diff));
}

DiffCounts CountDiff(Connection &connection, const Target &target) {
    Result counts = connection.Query(fmt::format(
        "SELECT count(*) FILTER (WHERE op = 'i'), count(*) FILTER (WHERE op IN ('u', 'x')), count(*) FILTER (WHERE op "
        "= 'd'), count(*) FILTER (WHERE op = 'f'), {}, count(*) FILTER (WHERE op = 'x'), coalesce(greatest(max(turn), "
        "0), 0) FROM "
        "{}",
        target.reached ? "0" : fmt::format("(SELECT count(*) FROM {})", target.stage), target.diff));
    DiffCounts out{.to_insert = counts.Unsigned(0, 0),
                   .to_update = counts.Unsigned(0, 1),
                   .to_delete = counts.Unsigned(0, 2),
                   .unchanged = 0,
                   .exchanged = counts.Unsigned(0, 5),
                   .turns = counts.Unsigned(0, 6) + 1,
                   .by_foreign_key = counts.Unsigned(0, 3)};
    if (!target.reached) out.unchanged = counts.Unsigned(0, 4) - out.to_insert - out.to_update;
    return out;
}

std::vector<std::string> SampleKeys(Connection &connection, const Target &target) {
    if (target.live.key.empty()) return {};
    std::string staged, live;
    for (const KeyColumn &column : target.live.key) {
        if (!target.reached && std::ranges::find(target.columns, column.name) == target.columns.end()) return {};
        staged += (staged.empty() ? "" : ", ") + Staged(column.name) + "::text";
        live += (live.empty() ? "" : ", ") + ("l." + QuoteIdentifier(column.name)) + "::text";
    }
    auto staged_rows = [&](char sign, std::string_view ops) {
        return fmt::format(
            "(SELECT '{}' || concat_ws(',', {}) FROM {} d JOIN {} s ON s.ark_row = d.ark_row WHERE "
            "d.op IN ({}) ORDER BY d.ark_row LIMIT 3) UNION ALL ",
            sign, staged, target.diff, target.stage, ops);
    };
    auto live_rows = [&](char sign, char op) {
        return fmt::format(
            "(SELECT '{}' || concat_ws(',', {}) FROM {} d JOIN {} l ON l.tableoid = d.live_table AND "
            "l.ctid = d.live_row WHERE d.op = '{}' ORDER BY d.live_row LIMIT 3)",
            sign, live, target.diff, target.live.Only(), op);
    };
    std::string query = (target.reached ? live_rows('~', 'f') + " UNION ALL "
                                        : staged_rows('+', "'i'") + staged_rows('~', "'u', 'x'")) +
                        live_rows('-', 'd');
    Result rows = connection.Query("SELECT * FROM " + RunAs::SelectAsOwner(target.live.owner, query, "key text"));
    std::vector<std::string> keys;
    for (int r = 0; r < rows.rows(); r++) keys.push_back(rows.String(r, 0));
    return keys;
}

}    // namespace ark
