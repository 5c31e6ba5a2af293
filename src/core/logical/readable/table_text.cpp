// One table as CSV, JSON or SQL.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "logical/entries.h"
#include "logical/partitions.h"
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

// Fields of COPY text in another order; tabs in values are escaped.
class Reorder {
public:
    Reorder(const std::vector<std::string> &from, const std::vector<std::string> &to) {
        for (const std::string &column : to)
            places_.push_back(static_cast<std::size_t>(std::distance(from.begin(), std::ranges::find(from, column))));
        same_ = from == to;
    }
    std::string_view operator()(std::string_view row) {
        if (same_) return row;
        fields_.clear();
        bool newline = row.ends_with('\n');
        if (newline) row.remove_suffix(1);
        for (std::size_t at = 0; at <= row.size();) {
            std::size_t end = std::min(row.find('\t', at), row.size());
            fields_.push_back(row.substr(at, end - at));
            at = end + 1;
        }
        out_.clear();
        for (const std::size_t &place : places_) {
            if (&place != places_.data()) out_ += '\t';
            out_ += place < fields_.size() ? fields_[place] : std::string_view("\\N");
        }
        if (newline) out_ += '\n';
        return out_;
    }

private:
    std::vector<std::size_t> places_;
    bool same_ = true;
    std::vector<std::string_view> fields_;
    std::string out_;
};

ContentStream RowsOfSources(BackupReader &backup, const ReadableTable &table) {
    std::vector<std::string> paths;
    for (const BackupTable &source : table.sources) paths.push_back(RowsPath(source));
    return backup.Contents(std::move(paths));
}

// Rows of the table, one at a time, in UTF-8, with its columns in their order.
void ForEachRow(BackupReader &backup, const ReadableTable &table, const std::function<void(std::string_view)> &visit) {
    Recoder recoder(backup.manifest().body.value("encoding", "UTF8"));
    ContentStream contents = RowsOfSources(backup, table);
    for (const BackupTable &source : table.sources) {
        Reorder reorder(source.copy, table.table.copy);
        CopyRowScanner scanner;
        std::string utf8;
        contents.Next([&](ByteView block) {
            scanner.Feed(block, [&](std::string_view row) {
                if (!recoder.Needed()) return visit(reorder(row));
                recoder.Convert(row, utf8);
                visit(reorder(utf8));
            });
        });
        scanner.Finish();
    }
}

std::string CopyStatement(const BackupTable &table, const BackupTable &source) {
    std::string columns;
    for (const std::string &column : source.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(column);
    return fmt::format("COPY {}{} FROM stdin;\n", QualifiedName(table.schema, table.name),
                       columns.empty() ? "" : " (" + columns + ")");
}

// By its schema, or along public and then anywhere if only one has the name.
const BackupTable &Resolve(const std::vector<BackupTable> &all, const EntityTable &wanted) {
    std::vector<const BackupTable *> found;
    for (const BackupTable &table : all) {
        if (table.name != wanted.table || (!wanted.schema.empty() && wanted.schema != table.schema)) continue;
        if (wanted.schema.empty() && table.schema == "public") return table;
        found.push_back(&table);
    }
    if (found.empty())
        throw Error(Code::kNotFound,
                    fmt::format("the backup has no table \"{}\"",
                                wanted.schema.empty() ? wanted.table : wanted.schema + "." + wanted.table),
                    {}, "SELECT * FROM ark.backup_contents or pg_ark list --contents BACKUP shows its tables.")
            .WithSqlstate("42P01");
    if (found.size() > 1)
        throw Error(Code::kInvalidArgument,
                    fmt::format("\"{}\" is the name of {} tables in the backup", wanted.table, found.size()), {},
                    "Name the schema too: schema.table.");
    return *found.front();
}

}    // namespace

std::vector<ReadableTable> FindReadable(BackupReader &backup, const Entity &entity) {
    std::vector<BackupTable> all;
    backup.Tables([&](const BackupTable &table) { all.push_back(table); });
    std::vector<ReadableTable> found;
    for (const EntityTable &wanted : entity.tables) {
        ReadableTable readable;
        readable.table = Resolve(all, wanted);
        readable.sources = FindPartitions(all, readable.table).leaves;
        for (const BackupTable &source : readable.sources) {
            readable.rows += source.rows;
            if (!wanted.filter.empty() && source.filter != wanted.filter)
                throw Error(
                    Code::kUnsupported,
                    fmt::format("entity \"{}\" is a part of table \"{}\", and the backup holds another", entity.name,
                                source.schema + "." + source.name),
                    fmt::format("Its filter is {}, and filters are applied when a backup is taken.", wanted.filter),
                    "Export it from a backup of this entity, or take one: --now.");
        }
        found.push_back(std::move(readable));
    }
    return found;
}

TextFormat ParseTextFormat(std::string_view text) {
    if (text == "sql") return TextFormat::kSql;
    if (text == "csv") return TextFormat::kCsv;
    if (text == "json") return TextFormat::kJson;
    if (text == "jsonl") return TextFormat::kJsonl;
    throw Error(Code::kInvalidArgument, fmt::format("there is no export format \"{}\"", text),
                "The formats are directory, sql, csv, json and jsonl.");
}

void ExportTable(BackupReader &backup, const ReadableTable &readable, TextFormat format,
                 const std::function<void(std::string_view)> &write) {
    std::string out;
    auto flush = [&](std::size_t at_least) {
        if (out.size() < at_least) return;
        write(out);
        out.clear();
    };
    if (format ==
        TextFormat::kSql) {    // rows as they are, in the server's encoding, which the statement before them names
        write(
            fmt::format("SET client_encoding = {};\n", QuoteLiteral(backup.manifest().body.value("encoding", "UTF8"))));
        ContentStream contents = RowsOfSources(backup, readable);
        for (const BackupTable &source : readable.sources) {
            write(CopyStatement(readable.table, source));
            contents.Next([&](ByteView rows) { write(AsText(rows)); });
            write(kCopyEnd);
        }
        return;
    }
    if (format == TextFormat::kCsv) {
        CopyToCsv csv(readable.table.copy);
        csv.AppendHeader(out);
        ForEachRow(backup, readable, [&](std::string_view row) {
            csv.AppendRow(row, out);
            flush(kBlock);
        });
        flush(1);
        return;
    }
    const BackupTable &table = readable.table;
    std::vector<JsonColumn> columns;
    for (const std::string &name : table.copy) {
        auto at = std::ranges::find(table.columns, name, &BackupColumn::name);
        columns.push_back(at == table.columns.end() ? JsonColumn{name} : JsonColumnOf(*at));
    }
    CopyToJson json(columns);
    bool array = format == TextFormat::kJson, first = true;
    if (array) out = "[";
    ForEachRow(backup, readable, [&](std::string_view row) {
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
