#include "physical/leftover_standbys.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "config/standby_names.h"
#include "pgdata/configuration_file.h"

namespace ark {
namespace {

constexpr std::string_view kSetting = "synchronous_standby_names";

bool WaitsForAny(const std::string &names) {
    try {
        return ParseStandbyNames(names).count > 0;
    } catch (const Error &) {    // no server starts with it
        return false;
    }
}

}    // namespace

LeftoverStandbys FindLeftoverStandbys(const std::filesystem::path &pgdata, std::string_view automatic) {
    std::optional<std::string> names;
    for (ConfigurationLine &line : ParseConfiguration(automatic))
        if (line.name == kSetting) names = std::move(line.value);
    bool is_automatic = names.has_value();
    if (!is_automatic) names = ConfiguredValue(pgdata / "postgresql.conf", kSetting);
    if (!names || !WaitsForAny(*names)) return {};
    return {*names, is_automatic};
}

std::string WithoutStandbys(std::string_view automatic) {
    std::string out;
    while (!automatic.empty()) {
        std::size_t end = std::min(automatic.find('\n'), automatic.size() - 1) + 1;
        if (!automatic.substr(0, end).starts_with(kSetting)) out += automatic.substr(0, end);
        automatic.remove_prefix(end);
    }
    if (!out.empty() && out.back() != '\n') out += '\n';
    return out + "# pg_ark restore: the standbys of the original do not follow this cluster.\n" +
           std::string(kSetting) + " = ''\n";
}

}    // namespace ark
