#include "logical/restore/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "logical/filter.h"

namespace ark {
namespace {

std::string WithoutSchema(const std::string &temporary) { return temporary.substr(temporary.find('.') + 1); }

std::vector<std::string> SourceColumns(const Target &target) {
    std::vector<std::string> columns;
    for (const BackupTable &source : target.sources)
        for (const std::string &column : source.copy)
            if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
    return columns;
}

std::string Joined(const std::vector<std::string> &names) {
    std::string out;
    for (const std::string &name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

}    // namespace

std::string Staged(std::string_view column) { return "s." + QuoteIdentifier(column); }

std::string ColumnList(const std::vector<std::string> &columns, std::string_view prefix) {
    std::string out;
    for (const std::string &column : columns)
        out += (out.empty() ? "" : ", ") + std::string(prefix) + QuoteIdentifier(column);
    return out;
}

std::string TypedColumns(const LiveTable &live, const std::vector<std::string> &columns) {
    std::string out;
    for (const std::string &column : columns)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", QuoteIdentifier(column), live.Column(column)->type);
    return out;
}

void GrantToOwner(Connection &connection, const LiveTable &live, std::string_view temporary) {
    connection.Execute(fmt::format("GRANT SELECT ON {} TO {}", temporary, QuoteIdentifier(live.owner_name)));
}

std::string ReferencedKeys(const LiveTable &from, const LiveTable &to, const ForeignKey &key, const std::string &rows) {
    std::string columns, types;
    for (std::size_t i = 0; i < key.from_columns.size(); i++) {
        std::string name = QuoteIdentifier(key.from_columns[i]);
        const LiveColumn *mine = from.Column(key.from_columns[i]), *theirs = to.Column(key.to_columns[i]);
        bool own_type = mine->type.find('.') != std::string::npos && mine->type != theirs->type;
        columns += fmt::format("{}s.{}{}", i ? ", " : "", name, own_type ? "::" + theirs->type + " AS " + name : "");
        types += fmt::format("{}{} {}", i ? ", " : "", name, own_type ? theirs->type : mine->type);
    }
    return "SELECT * FROM " + RunAs::SelectAsOwner(from.owner, fmt::format("SELECT {} FROM {}", columns, rows), types);
}

void NameTemporaries(Target &target, int number) {
    target.stage = fmt::format("pg_temp.ark_stage_{}", number);
    target.diff = fmt::format("pg_temp.ark_diff_{}", number);
}

void PlanColumns(Target &target) {
    std::vector<std::string> in_backup = SourceColumns(target), added, missing;
    for (const std::string &column : in_backup)
        if (!target.live.Column(column)) target.gone.push_back(column);
    for (const LiveColumn &column : target.live.columns) {
        if (column.generated) continue;
        if (std::ranges::find(in_backup, column.name) != in_backup.end()) {
            target.columns.push_back(column.name);
            continue;
        }
        added.push_back(column.name);
        if (column.not_null && !column.has_default) missing.push_back(column.name);
    }
    std::string lost = Joined(target.gone);
    if (!lost.empty())
        target.notes.push_back(
            fmt::format("columns of the backup that the table no longer has are left out: {}", lost));
    if (!added.empty())
        target.notes.push_back(
            fmt::format("columns that came after the backup get their default in new rows: {}", Joined(added)));
    if (!missing.empty())
        throw Error(
            Code::kConflict,
            fmt::format("table \"{}\" has required columns that the backup does not have: {}", target.Name(),
                        Joined(missing)),
            lost.empty() ? "" : fmt::format("The backup has these, which the table does not: {}.", lost),
            "If a column was renamed, rename it back for the restore, or give it a default; or use mode side_by_side.");
}

void FillTemporary(Connection &connection, const Target &target, const std::string &table,
                   const std::vector<std::string> &columns, const std::function<void(const std::string &table)> &load) {
    bool plain = true;
    std::string definition;
    std::vector<std::string> kept;
    for (const std::string &column : columns) {
        const LiveColumn *live = target.live.Column(column);
        if (live && !live->generated) kept.push_back(column);
        plain = plain && (!live || live->plain);
        definition += fmt::format(", {} {}", QuoteIdentifier(column), live && live->plain ? live->type : "text");
    }
    std::string raw = plain ? table : table + "_raw";
    connection.Execute(fmt::format("CREATE TEMP TABLE {} (ark_row bigint GENERATED ALWAYS AS IDENTITY{})",
                                   WithoutSchema(raw), definition));
    GrantToOwner(connection, target.live, raw);
    load(raw);
    if (plain) return;
    std::string casts, types = TypedColumns(target.live, kept);
    for (const std::string &column : kept)
        casts += fmt::format(", {}::{}", QuoteIdentifier(column), target.live.Column(column)->type);
    connection.Execute(fmt::format("CREATE TEMP TABLE {} (ark_row bigint, {})", WithoutSchema(table), types));
    GrantToOwner(connection, target.live, table);
    connection.Query(
        fmt::format("INSERT INTO {} SELECT * FROM {}", table,
                    RunAs::SelectAsOwner(target.live.owner, fmt::format("SELECT ark_row{} FROM {}", casts, raw),
                                         "ark_row bigint, " + types)));
    connection.Execute("DROP TABLE " + raw);
}

void CopyInto(Connection &connection, BackupReader &backup, const std::string &table,
              const std::vector<std::string> &columns,
              const std::function<void(const std::function<void(ByteView)> &)> &rows) {
    if (columns.empty()) {    // only their number counts
        std::ptrdiff_t number = 0;
        rows([&](ByteView bytes) { number += std::ranges::count(AsText(bytes), '\n'); });
        connection.Query(fmt::format("INSERT INTO {} SELECT FROM pg_catalog.generate_series(1, {})", table, number));
        return;
    }
    Connection::CopyIn copy =
        connection.BeginCopyIn(fmt::format("COPY {} ({}) FROM STDIN WITH (ENCODING {})", table, ColumnList(columns),
                                           QuoteLiteral(backup.manifest().body.value("encoding", "UTF8"))));
    try {
        rows([&](ByteView bytes) { copy.Write(bytes); });
    } catch (const Error &error) {
        copy.Fail(error.message);
        throw;
    }
    copy.Finish();
}

void LoadStage(Connection &connection, const Target &target, BackupReader &backup, ContentStream &contents,
               Ticker &ticker, Log &log, Progress &progress) {
    FillTemporary(connection, target, target.stage, SourceColumns(target), [&](const std::string &table) {
        for (const BackupTable &source : target.sources) {
            progress.current = source.schema + "." + source.name;
            CopyInto(connection, backup, table, source.copy, [&](const std::function<void(ByteView)> &write) {
                contents.Next([&](ByteView rows) {
                    ticker.Check();
                    write(rows);
                    progress.done_bytes += rows.size();
                    log.Report(progress);
                });
            });
        }
    });
    std::vector<std::string> key{"ark_row"};    // not of types with code of their own, which ANALYZE may run
    for (const KeyColumn &column : target.live.key)
        if (std::ranges::find(target.columns, column.name) != target.columns.end() &&
            target.live.Column(column.name)->type.find('.') == std::string::npos)
            key.push_back(column.name);
    connection.Execute(fmt::format("ANALYZE {} ({})", target.stage, ColumnList(key)));
}

std::string Matching(const Target &target, const std::string &table, std::uint64_t caller) {
    std::string list = ColumnList(target.columns);
    std::string query =
        fmt::format("SELECT ark_row FROM (SELECT ark_row{}{} FROM {}) AS {} WHERE ({})", list.empty() ? "" : ", ", list,
                    table, QuoteIdentifier(target.live.name), target.filter);
    return RunAs::SelectAsCaller(caller, query, "ark_row bigint");
}

void FilterStage(Connection &connection, const Target &target, std::uint64_t caller) {
    if (target.filter.empty()) return;
    CheckFilter(target.filter);
    std::string role =
        connection.Query("SELECT pg_catalog.pg_get_userbyid($1::oid)", {std::to_string(caller)}).String(0, 0);
    connection.Execute(fmt::format("GRANT SELECT ON {} TO {}", target.stage, QuoteIdentifier(role)));
    try {
        connection.Query(
            fmt::format("DELETE FROM {} AS x WHERE NOT EXISTS (SELECT FROM {} WHERE t.ark_row = x.ark_row)",
                        target.stage, Matching(target, target.stage, caller)));
    } catch (Error &error) {
        if (error.code == Code::kCancelled) throw;
        error.InContext(fmt::format("could not evaluate the filter \"{}\" on \"{}\"", target.filter, target.Name()));
        throw;
    }
}

}    // namespace ark
