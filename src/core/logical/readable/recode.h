// Rows in a server encoding other than UTF-8 turned into UTF-8 for other people's formats.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ark {

class Recoder {
public:
    // `encoding` as PostgreSQL spells it. UTF8 and SQL_ASCII pass unchanged. Throws kUnsupported for one that iconv does not know.
    explicit Recoder(std::string_view encoding);
    ~Recoder();
    bool Needed() const { return state_ != nullptr; }
    // Replaces `utf8`. Throws kCorrupt for text that is not of the encoding.
    void Convert(std::string_view text, std::string &utf8);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
