// One table as CSV, JSON or SQL.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "logical/readable.h"
#include "logical/readable/recode.h"
#include "pgdata/copy_to_csv.h"
#include "pgdata/copy_to_json.h"
#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

constexpr std::size_t kBlock = 256 << 10;

JsonColumn JsonColumnOf(const BackupColumn &column) {
    std::string_view type =
        column.base_type.empty() ? std::string_view(column.type) : std::string_view(column.base_type);
    JsonColumn out{column.name, JsonKind::kString, type.ends_with("[]")};
    std::string name(type.substr(0, type.find_first_of("([")));
    while (!name.empty() && name.back() == ' ') name.pop_back();
    static constexpr std::array<std::string_view, 7> kNumbers{"smallint", "integer",          "bigint", "numeric",
                                                              "real",     "double precision", "oid"};
    if (name == "boolean")
        out.kind = JsonKind::kBoolean;
    else if (name == "json" || name == "jsonb")
        out.kind = JsonKind::kJson;
    else if (std::ranges::find(kNumbers, name) != kNumbers.end())
        out.kind = JsonKind::kNumber;
    if (type.starts_with("box")) out.is_array = false;    // box[] has another delimiter
    return out;
}

// Rows of the table, one at a time, in UTF-8.
void ForEachRow(BackupReader &backup, const BackupTable &table, const std::function<void(std::string_view)> &visit) {
    Recoder recoder(backup.manifest().body.value("encoding", "UTF8"));
    CopyRowScanner scanner;
    std::string utf8;
    backup.Rows(table, [&](ByteView block) {
        scanner.Feed(block, [&](std::string_view row) {
            if (!recoder.Needed()) return visit(row);
            recoder.Convert(row, utf8);
            visit(utf8);
        });
    });
    scanner.Finish();
}

std::string CopyStatement(const BackupTable &table) {
    std::string columns;
    for (const std::string &column : table.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(column);
    return fmt::format("COPY {}{} FROM stdin;\n", QualifiedName(table.schema, table.name),
                       columns.empty() ? "" : " (" + columns + ")");
}

}    // namespace

TextFormat ParseTextFormat(std::string_view text) {
    if (text == "sql") return TextFormat::kSql;
    if (text == "csv") return TextFormat::kCsv;
    if (text == "json") return TextFormat::kJson;
    if (text == "jsonl") return TextFormat::kJsonl;
    throw Error(Code::kInvalidArgument, fmt::format("there is no export format \"{}\"", text),
                "The formats are directory, sql, csv, json and jsonl.");
}

void ExportTable(BackupReader &backup, const BackupTable &table, TextFormat format,
                 const std::function<void(std::string_view)> &write) {
    std::string out;
    auto flush = [&](std::size_t at_least) {
        if (out.size() < at_least) return;
        write(out);
        out.clear();
    };
    if (format ==
        TextFormat::kSql) {    // rows as they are, in the server's encoding, which the statement before them names
        write(fmt::format("SET client_encoding = {};\n{}",
                          QuoteLiteral(backup.manifest().body.value("encoding", "UTF8")), CopyStatement(table)));
        backup.Rows(table, [&](ByteView rows) { write(AsText(rows)); });
        write(kCopyEnd);
        return;
    }
    if (format == TextFormat::kCsv) {
        CopyToCsv csv(table.copy);
        csv.AppendHeader(out);
        ForEachRow(backup, table, [&](std::string_view row) {
            csv.AppendRow(row, out);
            flush(kBlock);
        });
        flush(1);
        return;
    }
    std::vector<JsonColumn> columns;
    for (const std::string &name : table.copy) {
        auto at = std::ranges::find(table.columns, name, &BackupColumn::name);
        columns.push_back(at == table.columns.end() ? JsonColumn{name} : JsonColumnOf(*at));
    }
    CopyToJson json(columns);
    bool array = format == TextFormat::kJson, first = true;
    if (array) out = "[";
    ForEachRow(backup, table, [&](std::string_view row) {
        if (array) out += first ? "\n" : ",\n";
        first = false;
        json.AppendRow(row, out);
        if (!array) out += '\n';
        flush(kBlock);
    });
    if (array) out += "\n]\n";
    flush(1);
}

}    // namespace ark
