#include "pgdata/restored_mark.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr std::string_view kWords =
    "This directory was recovered from an archive: it takes over no cluster's path in a store by itself.";

struct Line {
    std::string_view name;
    std::string RestoredFrom::*member;
};
constexpr Line kLines[] = {{"repository ", &RestoredFrom::repository},
                           {"cluster ", &RestoredFrom::cluster},
                           {"backup ", &RestoredFrom::backup}};

}    // namespace

// The id is the last line, whatever stands before it.
std::string FormatRestoredMark(const RestoredMark &mark) {
    std::string text = fmt::format("{}\n", kWords);
    for (const Line &line : kLines)
        if (!(mark.from.*line.member).empty()) text += fmt::format("{}{}\n", line.name, mark.from.*line.member);
    return text + mark.id + "\n";
}

RestoredMark ParseRestoredMark(std::string_view text) {
    RestoredMark mark;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        mark.id = line;
        for (const Line &known : kLines)
            if (line.starts_with(known.name)) mark.from.*known.member = line.substr(known.name.size());
    }
    return mark;
}

std::optional<RestoredMark> ReadRestoredMark(const std::filesystem::path &data_directory) {
    try {
        return ParseRestoredMark(ReadWholeFile(data_directory / kRestoredMark));
    } catch (const Error &error) {
        if (error.code == Code::kNotFound) return std::nullopt;
        std::error_code hidden;
        if (error.code == Code::kPermissionDenied && std::filesystem::exists(data_directory / kRestoredMark, hidden))
            return RestoredMark{};    // it may not be read, and is there
        throw;
    }
}

void WriteRestoredMark(const std::filesystem::path &data_directory, const RestoredMark &mark) {
    WriteFileAtomically(data_directory / kRestoredMark, AsBytes(FormatRestoredMark(mark)));
}

void WriteRestoredMark(const std::filesystem::path &data_directory, const RestoredFrom &from, Random &random) {
    WriteRestoredMark(data_directory, RestoredMark{random.Hex(16), from});
}

}    // namespace ark
