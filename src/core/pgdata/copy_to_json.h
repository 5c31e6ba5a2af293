// COPY text to JSON, one object a row, as PostgreSQL's row_to_json prints it but for this:
//   - a type that is not boolean, number, json or an array of these or of strings stays the text that COPY printed
//     (row_to_json knows composite types and prints timestamps with a T);
//   - line ends between the tokens of a json value become spaces, so that a row is one line;
//   - the output is valid UTF-8 whatever the rows are: a byte that is not becomes U+FFFD and is counted. Rows of another
//     encoding must be converted before.
// Errors: kCorrupt for a row that is not one of the table, or a value that is not of its type.
#pragma once

#include <cstdint>

#include "pgdata/copy_text.h"

namespace ark {

enum class JsonKind {
    kString,
    kBoolean,
    kNumber,    // NaN and infinities become strings
    kJson,      // embedded as it is
};

// By the oid of a built-in type; kString for all others. A domain goes by its base type, an array by its elements'.
JsonKind JsonKindOf(std::uint32_t type_oid);

struct JsonColumn {
    std::string name;
    JsonKind kind = JsonKind::kString;    // of the elements, if it is an array
    bool is_array = false;    // printed by array_out and with typdelim ',' (so not box[], int2vector, oidvector)
};

class CopyToJson {
public:
    explicit CopyToJson(const std::vector<JsonColumn> &columns);

    void AppendRow(std::string_view row, std::string &to);    // {"a":1,"b":null}, without a newline
    std::uint64_t ReplacedBytes() const { return replaced_; }

private:
    struct Column {
        std::string key;    // "name": in JSON, with the comma before it
        JsonKind kind;
        bool is_array;
    };
    void AppendScalar(std::string_view value, JsonKind kind, std::string &to);
    void AppendString(std::string_view value, std::string &to);
    void AppendArray(std::string_view literal, JsonKind kind, std::string &to);
    std::size_t AppendElements(std::string_view literal, std::size_t at, JsonKind kind, int depth, std::string &to);
    void AppendUtf8(std::string_view text, std::string &to);

    std::vector<Column> columns_;
    std::vector<std::string_view> fields_;
    std::string scratch_;
    std::string element_;
    std::uint64_t replaced_ = 0;
};

}    // namespace ark
