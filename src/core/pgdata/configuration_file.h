// What a server's configuration files set, for where no server can be asked. PostgreSQL's rules: guc-file.l. A line that a server would
// refuse sets nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ark {

struct ConfigurationLine {
    std::string name;    // in lower case
    std::string value;
    bool operator==(const ConfigurationLine &) const = default;
};

std::vector<ConfigurationLine> ParseConfiguration(std::string_view text);    // in order, include directives too

// The value that the file, or what it includes, gives to `name`: the last one counts. nullopt: none does. A file that cannot be read gives none.
std::optional<std::string> ConfiguredValue(const std::filesystem::path &file, std::string_view name);

}    // namespace ark
