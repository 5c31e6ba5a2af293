// How results are shown to people: aligned tables and a progress bar on a terminal.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "repo/header.h"

namespace ark::cli {

// Columns aligned by the widest value, numbers to the right; prints nothing for no rows but `when_empty`.
class TextTable {
public:
    explicit TextTable(std::vector<std::string> headings);
    void Row(std::vector<std::string> cells);
    void Print(std::ostream &out, std::string_view when_empty) const;

private:
    std::vector<std::string> headings_;
    std::vector<std::vector<std::string>> rows_;
};

std::string TextOf(const Json &value);     // null is "", times and numbers as they are
std::string BytesOf(const Json &value);    // "1.5 GB"

// Notes and warnings on standard error; progress as one line that rewrites itself if that is a terminal.
std::unique_ptr<Log> MakeTerminalLog(bool quiet);

}    // namespace ark::cli
