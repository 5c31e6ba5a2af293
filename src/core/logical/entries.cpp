#include "logical/entries.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace ark {
namespace {

// What an entry's path says of its names; the format has them there and nowhere else.
std::vector<std::string> PathNames(const Json &entry, std::string_view what) {
    std::string path = JsonString(entry, "path", what);
    std::vector<std::string> names;
    for (std::size_t at = 0; at <= path.size();) {
        std::size_t slash = std::min(path.find('/', at), path.size());
        names.push_back(PercentDecode(std::string_view(path).substr(at, slash - at)));
        at = slash + 1;
    }
    if (names.size() < 3) throw Error(Code::kCorrupt, fmt::format("entry \"{}\" names no {}", path, what));
    return names;
}

// A member that must be an array, of T each.
template <class T>
std::vector<T> List(const Json &json, const char *member, std::string_view what) {
    std::vector<T> list;
    if (!json.contains(member) || json[member].is_null()) return list;
    try {
        json[member].get_to(list);
    } catch (const Json::exception &e) {
        throw Error(Code::kCorrupt, fmt::format("\"{}\" of {} is not understood", member, what), e.what());
    }
    return list;
}

char Letter(const Json &json, const char *member, std::string_view what) {
    std::string text = JsonString(json, member, what);
    if (text.size() != 1) throw Error(Code::kCorrupt, fmt::format("\"{}\" of {} is not understood", member, what));
    return text[0];
}

std::int64_t Signed(const Json &json, const char *member, std::string_view what) {
    if (!json.contains(member) || !json[member].is_number_integer())
        throw Error(Code::kCorrupt, fmt::format("\"{}\" of {} is not a number", member, what));
    return json[member].get<std::int64_t>();
}

Json ColumnJson(const BackupColumn &column) {
    return {{"name", column.name},         {"type", column.type},           {"base_type", column.base_type},
            {"not_null", column.not_null}, {"generated", column.generated}, {"identity", column.identity},
            {"plain", column.plain}};
}

BackupColumn ColumnFromJson(const Json &json) {
    constexpr std::string_view kWhat = "a column of a backup";
    return {JsonString(json, "name", kWhat),      JsonString(json, "type", kWhat),
            JsonString(json, "base_type", kWhat), JsonFlag(json, "not_null", kWhat),
            JsonString(json, "generated", kWhat), JsonString(json, "identity", kWhat),
            JsonFlag(json, "plain", kWhat)};
}

Json NamesOrNull(const std::vector<std::string> &names) { return names.empty() ? Json() : Json(names); }

}    // namespace

std::string TablePrefix(std::string_view schema, std::string_view name) {
    return "table/" + PercentEncode(schema) + "/" + PercentEncode(name) + "/";
}
std::string RowsPath(const BackupTable &table) { return TablePrefix(table.schema, table.name) + "data/"; }
std::string ChunkPath(const std::string &table_prefix, std::uint64_t chunk) {
    return fmt::format("{}data/{:010}", table_prefix, chunk);
}
std::string SequencePath(std::string_view schema, std::string_view name) {
    return "sequence/" + PercentEncode(schema) + "/" + PercentEncode(name);
}
std::string LargeObjectPath(std::uint64_t oid) { return fmt::format("large_object/{:010}", oid); }
std::string_view LeafOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Json FramesJson(const std::vector<FrameRef> &frames) {
    Json json = Json::array();
    for (const FrameRef &frame : frames) json.push_back(ToJson(frame));
    return json;
}

Json ContentEntry(std::string_view path, const std::vector<FrameRef> &frames) {
    std::uint64_t size = 0;
    for (const FrameRef &frame : frames) size += frame.size;
    return {{"path", path}, {"frames", FramesJson(frames)}, {"size", size}};
}

Json ColumnsEntry(const BackupTable &table) {
    Json columns = Json::array();
    for (const BackupColumn &column : table.columns) columns.push_back(ColumnJson(column));
    Json entry = {{"path", TablePrefix(table.schema, table.name) + "columns"},
                  {"oid", table.oid},
                  {"owner", table.owner},
                  {"kind", std::string(1, table.kind)},
                  {"persistence", std::string(1, table.persistence)},
                  {"columns", columns},
                  {"copy", table.copy},
                  {"key", table.key},
                  {"partition_of", NamesOrNull(table.partition_of)},
                  {"inherits", table.inherits}};
    if (!table.filter.empty()) entry["filter"] = table.filter;
    return entry;
}

BackupTable TableFromEntry(const Json &entry) {
    constexpr std::string_view kWhat = "a table of a backup";
    std::vector<std::string> names = PathNames(entry, kWhat);
    BackupTable table;
    table.schema = names[1];
    table.name = names[2];
    table.oid = JsonNumber(entry, "oid", kWhat);
    table.owner = JsonString(entry, "owner", kWhat);
    table.kind = Letter(entry, "kind", kWhat);
    table.persistence = Letter(entry, "persistence", kWhat);
    if (!entry.contains("columns") || !entry["columns"].is_array())
        throw Error(Code::kCorrupt, fmt::format("{} has no columns", kWhat));
    for (const Json &column : entry["columns"]) table.columns.push_back(ColumnFromJson(column));
    table.copy = List<std::string>(entry, "copy", kWhat);
    table.key = List<std::string>(entry, "key", kWhat);
    table.partition_of = List<std::string>(entry, "partition_of", kWhat);
    table.inherits = List<std::pair<std::string, std::string>>(entry, "inherits", kWhat);
    if (entry.contains("filter")) table.filter = JsonString(entry, "filter", kWhat);
    return table;
}

Json TotalsEntry(const BackupTable &table) {
    return {{"path", TablePrefix(table.schema, table.name) + "totals"},
            {"rows", table.rows},
            {"bytes", table.bytes},
            {"rows_digest", table.rows_digest}};
}

void AddTotals(BackupTable &table, const Json &totals) {
    constexpr std::string_view kWhat = "the totals of a table of a backup";
    table.rows = JsonNumber(totals, "rows", kWhat);
    table.bytes = JsonNumber(totals, "bytes", kWhat);
    table.rows_digest = JsonString(totals, "rows_digest", kWhat);
}

Json SequenceEntry(const BackupSequence &sequence) {
    return {{"path", SequencePath(sequence.schema, sequence.name)},
            {"oid", sequence.oid},
            {"owner", sequence.owner},
            {"type", sequence.type},
            {"last_value", sequence.last_value},
            {"is_called", sequence.is_called},
            {"owned_by", NamesOrNull(sequence.owned_by)}};
}

BackupSequence SequenceFromEntry(const Json &entry) {
    constexpr std::string_view kWhat = "a sequence of a backup";
    std::vector<std::string> names = PathNames(entry, kWhat);
    BackupSequence sequence;
    sequence.schema = names[1];
    sequence.name = names[2];
    sequence.oid = JsonNumber(entry, "oid", kWhat);
    sequence.owner = JsonString(entry, "owner", kWhat);
    sequence.type = JsonString(entry, "type", kWhat);
    sequence.last_value = Signed(entry, "last_value", kWhat);
    sequence.is_called = JsonFlag(entry, "is_called", kWhat);
    sequence.owned_by = List<std::string>(entry, "owned_by", kWhat);
    return sequence;
}

}    // namespace ark
