#include "pgdata/copy_to_csv.h"

#include <algorithm>

namespace ark {

void CopyToCsv::AppendHeader(std::string &to) const {
    for (std::size_t i = 0; i < columns_.size(); i++) {
        if (i > 0) to += ',';
        AppendField(columns_[i], to);
    }
    to += '\n';
}

void CopyToCsv::AppendRow(std::string_view row, std::string &to) {
    SplitCopyRow(row, columns_.size(), fields_);
    for (std::size_t i = 0; i < fields_.size(); i++) {
        if (i > 0) to += ',';
        AppendField(UnescapeCopyField(fields_[i], scratch_), to);
    }
    to += '\n';
}

// PostgreSQL: CopyAttributeOutCSV in copyto.c. A lone \. would end the data for its readers.
void CopyToCsv::AppendField(std::optional<std::string_view> value, std::string &to) const {
    if (!value) return;
    auto special = [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; };
    bool quoted = value->empty() || std::any_of(value->begin(), value->end(), special) ||
                  (columns_.size() == 1 && *value == "\\.");
    if (!quoted) {
        to += *value;
        return;
    }
    to += '"';
    std::size_t start = 0;
    for (std::size_t quote = value->find('"'); quote != std::string_view::npos; quote = value->find('"', start)) {
        to += value->substr(start, quote + 1 - start);
        to += '"';
        start = quote + 1;
    }
    to += value->substr(start);
    to += '"';
}

}    // namespace ark
