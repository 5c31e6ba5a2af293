#include "logical/readable/recode.h"

#include <fmt/format.h>
#include <iconv.h>

#include <cerrno>
#include <map>

#include "base/error.h"

namespace ark {
namespace {

// PostgreSQL's names where iconv has others (PostgreSQL documentation, "Character Set Support").
std::string IconvName(std::string_view encoding) {
    static const std::map<std::string_view, std::string_view> kNames{{"LATIN1", "ISO-8859-1"},
                                                                     {"LATIN2", "ISO-8859-2"},
                                                                     {"LATIN3", "ISO-8859-3"},
                                                                     {"LATIN4", "ISO-8859-4"},
                                                                     {"LATIN5", "ISO-8859-9"},
                                                                     {"LATIN6", "ISO-8859-10"},
                                                                     {"LATIN7", "ISO-8859-13"},
                                                                     {"LATIN8", "ISO-8859-14"},
                                                                     {"LATIN9", "ISO-8859-15"},
                                                                     {"LATIN10", "ISO-8859-16"},
                                                                     {"ISO_8859_5", "ISO-8859-5"},
                                                                     {"ISO_8859_6", "ISO-8859-6"},
                                                                     {"ISO_8859_7", "ISO-8859-7"},
                                                                     {"ISO_8859_8", "ISO-8859-8"},
                                                                     {"KOI8R", "KOI8-R"},
                                                                     {"KOI8U", "KOI8-U"},
                                                                     {"EUC_JP", "EUC-JP"},
                                                                     {"EUC_CN", "EUC-CN"},
                                                                     {"EUC_KR", "EUC-KR"},
                                                                     {"EUC_TW", "EUC-TW"},
                                                                     {"EUC_JIS_2004", "EUC-JISX0213"},
                                                                     {"JOHAB", "JOHAB"}};
    if (auto at = kNames.find(encoding); at != kNames.end()) return std::string(at->second);
    if (encoding.starts_with("WIN")) return "CP" + std::string(encoding.substr(3));
    return std::string(encoding);
}

}    // namespace

struct Recoder::State {
    explicit State(iconv_t opened) : handle(opened) {}
    State(const State &) = delete;
    iconv_t handle;
    ~State() { iconv_close(handle); }
};

Recoder::Recoder(std::string_view encoding) {
    if (encoding.empty() || encoding == "UTF8" || encoding == "SQL_ASCII") return;
    iconv_t handle = iconv_open("UTF-8", IconvName(encoding).c_str());
    if (handle == reinterpret_cast<iconv_t>(-1))
        throw Error(Code::kUnsupported, fmt::format("rows in encoding {} cannot be turned into UTF-8 here", encoding),
                    {}, "Use the formats directory or sql, which keep the encoding.");
    state_ = std::make_unique<State>(handle);
}

Recoder::~Recoder() = default;

void Recoder::Convert(std::string_view text, std::string &utf8) {
    utf8.resize(text.size() * 4 + 16);    // no character of a server encoding needs more than four bytes
    char *in = const_cast<char *>(text.data()), *out = utf8.data();
    std::size_t in_left = text.size(), out_left = utf8.size();
    iconv(state_->handle, nullptr, nullptr, nullptr, nullptr);
    if (iconv(state_->handle, &in, &in_left, &out, &out_left) == static_cast<std::size_t>(-1))
        throw Error(Code::kCorrupt, "a row is not valid in the server's encoding",
                    fmt::format("At byte {} of the row.", text.size() - in_left));
    utf8.resize(utf8.size() - out_left);
}

}    // namespace ark
