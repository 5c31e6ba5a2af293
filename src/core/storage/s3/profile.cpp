#include "storage/s3/profile.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ark::s3 {
namespace {

std::string_view Trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r";
    std::size_t start = text.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return {};
    return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

std::string Path(const Environment &environment, const std::string &variable, const std::string &below_home) {
    if (std::string path = environment.Get(variable); !path.empty()) return path;
    std::string home = environment.Get("HOME");
    return home.empty() ? std::string() : home + below_home;
}

}    // namespace

std::map<std::string, Section> ParseIni(std::string_view text, const std::string &file) {
    std::map<std::string, Section> sections;
    Section *section = nullptr;
    for (int number = 1; !text.empty(); number++) {
        std::size_t end = text.find('\n');
        std::string_view raw = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        std::string_view line = Trim(raw);
        if (line.empty() || line[0] == '#' || line[0] == ';') continue;
        auto fail = [&](std::string_view why) {
            return Error(Code::kInvalidArgument, fmt::format("file \"{}\" is not understood", file),
                         fmt::format("line {}: {}", number, why));
        };
        if (line[0] == '[') {
            std::size_t close = line.find(']');
            if (close == std::string_view::npos) throw fail("the section's name has no end");
            section = &sections[std::string(Trim(line.substr(1, close - 1)))];
            continue;
        }
        if (raw[0] == ' ' || raw[0] == '\t') continue;
        std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) throw fail("it is neither a section nor a setting");
        if (section == nullptr) throw fail("a setting stands before the first section");
        (*section)[std::string(Trim(line.substr(0, equals)))] = Trim(line.substr(equals + 1));
    }
    return sections;
}

Profile ReadProfile(const Environment &environment, std::string name) {
    if (name.empty()) name = environment.Get("AWS_PROFILE");
    if (name.empty()) name = "default";
    Profile profile;
    profile.name = name;
    auto merge = [&](const std::string &path, const std::string &section) {
        if (path.empty()) return;
        profile.files += (profile.files.empty() ? "" : ", ") + path;
        std::optional<std::string> text = environment.file(path);
        if (!text) return;
        auto sections = ParseIni(*text, path);
        auto at = sections.find(section);
        if (at == sections.end()) return;
        profile.found = true;
        profile.settings.insert(at->second.begin(), at->second.end());    // what is there already stays
    };
    merge(Path(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"), name);
    std::string config = Path(environment, "AWS_CONFIG_FILE", "/.aws/config");
    merge(config, name == "default" ? name : "profile " + name);
    return profile;
}

}    // namespace ark::s3
