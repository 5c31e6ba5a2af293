// Rows of COPY text: a field survives unescaping and escaping, and JSON made of it is always valid.
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pgdata/copy_to_csv.h"
#include "pgdata/copy_to_json.h"

using namespace ark;

// JSON knows no largest number, the parser does.
static bool IsJson(const std::string &text) {
    try {
        return !nlohmann::json::parse(text).is_discarded();
    } catch (const nlohmann::json::out_of_range &) {
        return true;
    } catch (const nlohmann::json::exception &) {
        return false;
    }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    std::string_view row = AsText(std::as_bytes(std::span(data, size))).substr(1);
    JsonColumn column{"c", static_cast<JsonKind>(data[0] & 3), (data[0] & 4) != 0};
    std::string json, csv, again, scratch;
    try {
        CopyToJson({column}).AppendRow(row, json);
        if (column.kind != JsonKind::kJson && !IsJson(json)) std::abort();
        CopyToCsv({"c"}).AppendRow(row, csv);
        std::string value(UnescapeCopyField(row, scratch).value_or(""));
        AppendCopyField(value, again);
        if (UnescapeCopyField(again, scratch) != value) std::abort();
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) std::abort();
    }
    return 0;
}
