#include "logical/restore/diff.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr const char *kDiffColumns = "op text, ark_row bigint, live_table oid, live_row tid";

std::string Quoted(std::string_view prefix, std::string_view column) {
    return std::string(prefix) + QuoteIdentifier(column);
}

std::string KeyMatch(const Target &target) {
    std::string match;
    for (const KeyColumn &column : target.live.key)
        match += fmt::format("{}l.{} {} {}", match.empty() ? "" : " AND ", QuoteIdentifier(column.name), column.equals,
                             Staged(target, column.name));
    return match;
}

// Images of rows: equal images are equal bytes, whatever the types' own idea of equality (or lack of one: json, point).
std::string Differs(const Target &target, const std::vector<std::string> &columns) {
    if (columns.empty()) return "false";
    std::string live, staged;
    for (const std::string &column : columns) {
        live += (live.empty() ? "" : ", ") + Quoted("l.", column);
        staged += (staged.empty() ? "" : ", ") + Staged(target, column);
    }
    return fmt::format("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", live, staged);
}

std::string WithKey(const Target &target, RestoreMode mode, const std::vector<std::string> &updated) {
    bool deletes = mode == RestoreMode::kReplace && !target.referenced_only;
    bool updates = mode != RestoreMode::kInsertMissing && !target.referenced_only;
    // A marker column on each side: a row of nulls is not an absent row.
    std::string op = fmt::format("CASE WHEN l.ctid IS NULL THEN 'i' WHEN s.ark_row IS NULL THEN 'd' ELSE 'u' END");
    std::string wanted = "l.ctid IS NULL";
    if (deletes) wanted += " OR s.ark_row IS NULL";
    if (updates)
        wanted += fmt::format(" OR (l.ctid IS NOT NULL AND s.ark_row IS NOT NULL AND {})", Differs(target, updated));
    return fmt::format(
        "SELECT {}, s.ark_row, l.tableoid, l.ctid FROM {} s {} JOIN (SELECT tableoid, ctid, * FROM {}) l ON {} WHERE "
        "{}",
        op, target.stage, deletes ? "FULL" : "LEFT", target.live.Only(), KeyMatch(target), wanted);
}

// Without a key rows are compared whole, as a multiset: the n-th copy of a row matches the n-th copy.
std::string WithoutKey(const Target &target, RestoreMode mode) {
    std::string live, staged;
    for (const std::string &column : target.columns) {
        live += (live.empty() ? "" : ", ") + Quoted("l.", column);
        staged += (staged.empty() ? "" : ", ") + Staged(target, column);
    }
    bool deletes = mode == RestoreMode::kReplace && !target.referenced_only;
    auto numbered = [](std::string_view what, std::string_view image, std::string_view from) {
        return fmt::format(
            "SELECT {}, i, pg_catalog.row_number() OVER (PARTITION BY i) AS n FROM (SELECT {}, ROW({})::text AS i FROM "
            "{}) x",
            what, what, image, from);
    };
    return fmt::format(
        "SELECT CASE WHEN l.ctid IS NULL THEN 'i' ELSE 'd' END, s.ark_row, l.tableoid, l.ctid FROM ({}) s {} JOIN ({}) "
        "l ON s.i = l.i AND s.n = l.n WHERE l.ctid IS NULL{}",
        numbered("ark_row", staged, target.stage + " s"), deletes ? "FULL" : "LEFT",
        numbered("tableoid, ctid", live, target.live.Only() + " l"), deletes ? " OR s.ark_row IS NULL" : "");
}

void KeepDeletesThatMatch(Connection &connection, const Target &target, std::uint64_t caller) {
    std::string matching = fmt::format("SELECT tableoid, ctid FROM {} WHERE ({})", target.live.Only(), target.filter);
    connection.Query(
        fmt::format("DELETE FROM {} AS d WHERE op = 'd' AND NOT EXISTS (SELECT FROM {} WHERE t.live_table = "
                    "d.live_table AND t.live_row = d.live_row)",
                    target.diff, RunAs::Select(caller, matching, "live_table oid, live_row tid")));
}

}    // namespace

std::vector<std::string> UpdatedColumns(const Target &target, const std::vector<std::string> &wanted) {
    std::vector<std::string> out;
    for (const std::string &column : target.columns) {
        bool key = std::ranges::any_of(target.live.key, [&](const KeyColumn &k) { return k.name == column; });
        bool chosen = wanted.empty() || std::ranges::find(wanted, column) != wanted.end();
        if (!key && chosen && !target.live.Column(column)->identity_always) out.push_back(column);
    }
    return out;
}

DiffCounts ComputeDiff(Connection &connection, const Target &target, RestoreMode mode,
                       const std::vector<std::string> &wanted, std::uint64_t caller) {
    for (const std::string &column : wanted)
        if (std::ranges::find(target.columns, column) == target.columns.end())
            throw Error(Code::kInvalidArgument,
                        fmt::format("table \"{}\" and its backup share no column \"{}\"", target.Name(), column));
    bool key = !target.live.key.empty() && std::ranges::all_of(target.live.key, [&](const KeyColumn &k) {
        return std::ranges::find(target.columns, k.name) != target.columns.end();
    });
    if (!key && mode == RestoreMode::kUpsert && !target.referenced_only)
        throw Error(
            Code::kInvalidArgument,
            fmt::format("table \"{}\" has no key to find rows by, so mode upsert cannot be used", target.Name()), {},
            "Use insert_missing or replace, which compare whole rows, or give the table a primary key.");
    std::string query = key ? WithKey(target, mode, UpdatedColumns(target, wanted)) : WithoutKey(target, mode);
    connection.Execute(fmt::format("CREATE TEMP TABLE {} ({})", target.diff.substr(8), kDiffColumns));
    connection.Execute(fmt::format("GRANT SELECT ON {} TO PUBLIC", target.diff));
    connection.Query(fmt::format("INSERT INTO {} SELECT * FROM {}", target.diff,
                                 RunAs::Select(target.live.owner, query, kDiffColumns)));
    if (mode == RestoreMode::kReplace && !target.filter.empty() && !target.referenced_only)
        KeepDeletesThatMatch(connection, target, caller);
    connection.Execute(fmt::format("ANALYZE {}", target.diff));
    Result counts = connection.Query(fmt::format(
        "SELECT count(*) FILTER (WHERE op = 'i'), count(*) FILTER (WHERE op = 'u'), count(*) FILTER (WHERE op = 'd'), "
        "(SELECT count(*) FROM {}) FROM {}",
        target.stage, target.diff));
    DiffCounts out{counts.Unsigned(0, 0), counts.Unsigned(0, 1), counts.Unsigned(0, 2), 0};
    out.unchanged = counts.Unsigned(0, 3) - out.to_insert - out.to_update;
    return out;
}

std::vector<std::string> SampleKeys(Connection &connection, const Target &target) {
    if (target.live.key.empty()) return {};
    std::string staged, live;
    for (const KeyColumn &column : target.live.key) {
        staged += (staged.empty() ? "" : ", ") + Staged(target, column.name) + "::text";
        live += (live.empty() ? "" : ", ") + Quoted("l.", column.name) + "::text";
    }
    // The first few of each kind, by key.
    std::string query = fmt::format(
        "(SELECT '+' || pg_catalog.concat_ws(',', {0}) FROM {2} d JOIN {3} s ON s.ark_row = d.ark_row WHERE d.op = 'i' "
        "ORDER BY d.ark_row LIMIT 3) UNION ALL "
        "(SELECT '~' || pg_catalog.concat_ws(',', {0}) FROM {2} d JOIN {3} s ON s.ark_row = d.ark_row WHERE d.op = 'u' "
        "ORDER BY d.ark_row LIMIT 3) UNION ALL "
        "(SELECT '-' || pg_catalog.concat_ws(',', {1}) FROM {2} d JOIN {4} l ON l.tableoid = d.live_table AND l.ctid = "
        "d.live_row WHERE d.op = 'd' ORDER BY d.live_row LIMIT 3)",
        staged, live, target.diff, target.stage, target.live.Only());
    Result rows = connection.Query("SELECT * FROM " + RunAs::Select(target.live.owner, query, "key text"));
    std::vector<std::string> keys;
    for (int r = 0; r < rows.rows(); r++) keys.push_back(rows.String(r, 0));
    return keys;
}

}    // namespace ark
