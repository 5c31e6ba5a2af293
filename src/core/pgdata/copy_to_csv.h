// COPY text to CSV, byte for byte what PostgreSQL's COPY … CSV prints: RFC 4180 with "\n" line ends, NULL as nothing,
// the empty string as "". The encoding is that of the rows. Errors: kCorrupt for a row that is not one of the table.
#pragma once

#include "pgdata/copy_text.h"

namespace ark {

class CopyToCsv {
public:
    explicit CopyToCsv(std::vector<std::string> columns) : columns_(std::move(columns)) {}

    void AppendHeader(std::string &to) const;
    void AppendRow(std::string_view row, std::string &to);    // a row of CopyRowScanner as a line

private:
    void AppendField(std::optional<std::string_view> value, std::string &to) const;

    std::vector<std::string> columns_;
    std::vector<std::string_view> fields_;
    std::string scratch_;
};

}    // namespace ark
