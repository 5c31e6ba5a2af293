#include "logical/restore/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "logical/filter.h"

namespace ark {
namespace {

std::string StageType(const Target &target, const std::string &column) {
    const LiveColumn *live = target.live.Column(column);
    return live && live->plain ? live->type : "text";
}

std::string List(const std::vector<std::string> &names) {
    std::string out;
    for (const std::string &name : names) out += (out.empty() ? "" : ", ") + QuoteIdentifier(name);
    return out;
}

}    // namespace

std::string Staged(const Target &target, std::string_view column) {
    const LiveColumn *live = target.live.Column(column);
    std::string name = "s." + QuoteIdentifier(column);
    return live->plain ? name : fmt::format("({}::{})", name, live->type);
}

void PlanColumns(Target &target, int number) {
    target.stage = fmt::format("pg_temp.ark_stage_{}", number);
    target.diff = fmt::format("pg_temp.ark_diff_{}", number);
    std::set<std::string> in_backup, gone;
    for (const BackupTable &source : target.sources)
        for (const std::string &column : source.copy) {
            in_backup.insert(column);
            if (!target.live.Column(column)) gone.insert(column);
        }
    std::string added, missing;
    for (const LiveColumn &column : target.live.columns) {
        if (column.generated) continue;
        if (in_backup.contains(column.name)) {
            target.columns.push_back(column.name);
            continue;
        }
        added += (added.empty() ? "" : ", ") + column.name;
        if (column.not_null && !column.has_default) missing += (missing.empty() ? "" : ", ") + column.name;
    }
    std::string lost;
    for (const std::string &column : gone) lost += (lost.empty() ? "" : ", ") + column;
    if (!lost.empty())
        target.notes.push_back(
            fmt::format("columns of the backup that the table no longer has are left out: {}", lost));
    if (!added.empty())
        target.notes.push_back(
            fmt::format("columns that came after the backup get their default in new rows: {}", added));
    if (!missing.empty())
        throw Error(
            Code::kConflict,
            fmt::format("table \"{}\" has required columns that the backup does not have: {}", target.Name(), missing),
            lost.empty() ? "" : fmt::format("The backup has these, which the table does not: {}.", lost),
            "If a column was renamed, rename it back for the restore, or give it a default; or use mode side_by_side.");
}

void CreateStage(Connection &connection, const Target &target) {
    std::set<std::string> seen;
    std::string columns;
    for (const BackupTable &source : target.sources)
        for (const std::string &column : source.copy)
            if (seen.insert(column).second)
                columns += fmt::format(", {} {}", QuoteIdentifier(column), StageType(target, column));
    connection.Execute(fmt::format("CREATE TEMP TABLE {} (ark_row bigint GENERATED ALWAYS AS IDENTITY{})",
                                   target.stage.substr(8), columns));
    connection.Execute(fmt::format("GRANT SELECT ON {} TO PUBLIC", target.stage));
}

void LoadStage(Connection &connection, const Target &target, BackupReader &backup, Ticker &ticker, Log &log,
               Progress &progress) {
    for (const BackupTable &source : target.sources) {
        progress.current = source.schema + "." + source.name;
        if (source.copy.empty()) {    // rows without columns: only their number counts
            connection.Query(
                fmt::format("INSERT INTO {} OVERRIDING USER VALUE SELECT FROM pg_catalog.generate_series(1, {})",
                            target.stage, source.rows));
            continue;
        }
        Connection::CopyIn copy =
            connection.BeginCopyIn(fmt::format("COPY {} ({}) FROM STDIN", target.stage, List(source.copy)));
        try {
            backup.Rows(source, [&](ByteView rows) {
                ticker.Check();
                copy.Write(rows);
                progress.done_bytes += rows.size();
                log.Report(progress);
            });
        } catch (const Error &error) {
            copy.Fail(error.message);
            throw;
        }
        copy.Finish();
    }
    if (!target.live.key.empty()) {
        std::string key;
        for (const KeyColumn &column : target.live.key)
            if (std::ranges::find(target.columns, column.name) != target.columns.end())
                key += (key.empty() ? "" : ", ") + QuoteIdentifier(column.name);
        if (!key.empty()) connection.Execute(fmt::format("ANALYZE {} ({})", target.stage, key));
    }
}

void FilterStage(Connection &connection, const Target &target, std::uint64_t caller) {
    if (target.filter.empty()) return;
    CheckFilter(target.filter);
    std::string columns;
    for (const std::string &column : target.columns)
        columns += fmt::format(", {} AS {}", Staged(target, column), QuoteIdentifier(column));
    std::string matching = fmt::format("SELECT ark_row FROM (SELECT ark_row{} FROM {} s) AS {} WHERE ({})", columns,
                                       target.stage, QuoteIdentifier(target.live.name), target.filter);
    try {
        connection.Query(
            fmt::format("DELETE FROM {} AS x WHERE NOT EXISTS (SELECT FROM {} WHERE t.ark_row = x.ark_row)",
                        target.stage, RunAs::Select(caller, matching, "ark_row bigint")));
    } catch (Error &error) {
        if (error.code == Code::kCancelled) throw;
        error.InContext(fmt::format("could not evaluate the filter \"{}\" on \"{}\"", target.filter, target.Name()));
        throw;
    }
}

}    // namespace ark
