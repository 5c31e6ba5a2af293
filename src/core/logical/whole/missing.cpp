#include "logical/whole/missing.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr std::size_t kMostNamed = 20;

std::string TextArray(const std::set<std::string> &names) {
    std::string array = "{";
    for (const std::string &name : names) {
        array += array.size() > 1 ? ",\"" : "\"";
        for (char c : name) {
            if (c == '"' || c == '\\') array += '\\';
            array += c;
        }
        array += '"';
    }
    return array + "}";
}

std::vector<std::string> NotThere(Connection &connection, const std::set<std::string> &names, const char *catalog,
                                  const char *column) {
    std::vector<std::string> missing;
    if (names.empty()) return missing;
    Result result = connection.Query(
        fmt::format("SELECT wanted FROM pg_catalog.unnest($1::text[]) AS wanted WHERE wanted NOT IN (SELECT {}::text "
                    "FROM pg_catalog.{}) ORDER BY wanted",
                    column, catalog),
        {TextArray(names)});
    for (int row = 0; row < result.rows(); row++) missing.push_back(result.String(row, 0));
    return missing;
}

std::string Named(const char *what, const std::vector<std::string> &names) {
    if (names.empty()) return {};
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); i++)
        text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", names[i]);
    if (names.size() > kMostNamed) text += fmt::format(" and {} more", names.size() - kMostNamed);
    return fmt::format("{} {}", what, text);
}

}    // namespace

MissingOnServer FindMissing(Connection &connection, const DumpContents &contents,
                            const DatabaseRestoreRequest &request) {
    std::set<std::string> roles;
    if (request.owners) roles.insert(contents.owners.begin(), contents.owners.end());
    if (request.privileges) roles.insert(contents.grantees.begin(), contents.grantees.end());
    MissingOnServer missing;
    missing.roles = NotThere(connection, roles, "pg_roles", "rolname");
    if (request.tablespaces) {
        std::set<std::string> tablespaces = contents.tablespaces;
        if (!contents.create_tablespace.empty()) tablespaces.insert(contents.create_tablespace);
        missing.tablespaces = NotThere(connection, tablespaces, "pg_tablespace", "spcname");
    }
    missing.extensions = NotThere(connection, contents.extensions, "pg_available_extensions", "name");
    return missing;
}

void ThrowMissing(const MissingOnServer &missing) {
    std::string lists, hint;
    auto add = [&](const char *what, const std::vector<std::string> &names, const char *cure) {
        if (names.empty()) return;
        lists += (lists.empty() ? "" : "; ") + Named(what, names);
        hint += (hint.empty() ? "" : " ") + std::string(cure);
    };
    add("roles", missing.roles,
        "Make the roles (pg_ark cat globals/roles shows them), or restore with --no-owners and --no-privileges.");
    add("tablespaces", missing.tablespaces, "Make the tablespaces, or restore with --no-tablespaces.");
    add("extensions", missing.extensions, "Install the packages of the extensions.");
    throw Error(Code::kNotFound, "the server lacks what the backup's definitions name", lists, hint);
}

}    // namespace ark
