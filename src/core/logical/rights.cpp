#include "logical/rights.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "logical/child_process.h"

namespace ark {
namespace {

struct FoundProgram {
    std::filesystem::path path;
    std::string version;    // "15.18"
    int major = 0;
};

// "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
std::optional<FoundProgram> AskVersion(const std::filesystem::path &path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
    std::string said;
    try {
        ChildProcess child({path.string(), "--version"}, {}, NeverCancelled());
        Bytes part(4096);
        while (std::size_t length = child.Read(part)) said += AsText({part.data(), length});
        if (child.Wait() != 0) return std::nullopt;
    } catch (const Error &e) {
        if (e.code != Code::kPermissionDenied && e.code != Code::kNotFound) throw;
        return std::nullopt;
    }
    std::size_t at = said.find("(PostgreSQL) ");
    if (at == std::string::npos) return std::nullopt;
    std::string version = said.substr(at + 13, said.find_first_of(" \n", at + 13) - at - 13);
    return FoundProgram{path, version, std::atoi(version.c_str())};
}

std::vector<std::filesystem::path> PlacesToLook(const std::string &pg_bindir, int server_major) {
    if (!pg_bindir.empty()) return {pg_bindir};
    std::vector<std::filesystem::path> places;
    std::error_code ignored;
    std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
    if (!self.empty()) places.push_back(self.parent_path());
    places.push_back(fmt::format("/usr/lib/postgresql/{}/bin", server_major));
    const char *path = std::getenv("PATH");
    std::string_view rest = path ? path : "";
    while (!rest.empty()) {
        std::size_t colon = std::min(rest.find(':'), rest.size());
        if (colon > 0) places.emplace_back(rest.substr(0, colon));
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return places;
}

FoundProgram FindSuitable(const std::string &pg_bindir, int server_version_num) {
    int server_major = server_version_num / 10000;
    std::string need = fmt::format("pg_dump of PostgreSQL {} or later is needed", server_major);
    std::string hint =
        fmt::format("install the package postgresql-client-{}, or set ark.pg_bindir to the directory of its programs",
                    server_major);
    std::vector<FoundProgram> too_old;
    for (const std::filesystem::path &place : PlacesToLook(pg_bindir, server_major)) {
        std::optional<FoundProgram> found = AskVersion(place / "pg_dump");
        if (found && found->major >= server_major) return *found;
        if (found) too_old.push_back(*found);
    }
    if (too_old.empty()) throw Error(Code::kNotFound, "could not find pg_dump", need, hint);
    std::string seen;
    for (const FoundProgram &old : too_old)
        seen += fmt::format("{}{} at {}", seen.empty() ? "" : ", ", old.version, old.path.string());
    throw Error(Code::kUnsupported, "pg_dump is older than the server", fmt::format("found: {}; {}", seen, need), hint);
}

}    // namespace

std::vector<std::string> MissingRights(Connection &connection) {
    Result role = connection.Query(
        "SELECT r.rolsuper, r.rolbypassrls, pg_catalog.quote_ident(r.rolname),"
        " pg_catalog.pg_has_role(r.oid, 'pg_read_all_data', 'USAGE'), pg_catalog.pg_has_role(r.oid, "
        "'pg_read_all_settings', 'USAGE')"
        " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user");
    std::vector<std::string> statements;
    if (role.Bool(0, 0)) return statements;
    std::string name = role.String(0, 2);
    if (!role.Bool(0, 3)) statements.push_back("GRANT pg_read_all_data TO " + name);
    if (!role.Bool(0, 1)) statements.push_back("ALTER ROLE " + name + " BYPASSRLS");
    if (!role.Bool(0, 4)) statements.push_back("GRANT pg_read_all_settings TO " + name);
    return statements;
}

std::string FindPgDump(const std::string &pg_bindir, int server_version_num) {
    return FindSuitable(pg_bindir, server_version_num).path.string();
}

std::string DescribePgDump(const std::string &pg_bindir, int server_version_num) {
    FoundProgram found = FindSuitable(pg_bindir, server_version_num);
    return fmt::format("pg_dump {} at {}", found.version, found.path.string());
}

}    // namespace ark
