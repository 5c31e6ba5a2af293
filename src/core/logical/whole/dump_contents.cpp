#include "logical/whole/dump_contents.h"

#include <algorithm>

#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

constexpr std::string_view kTemplate = " WITH TEMPLATE = template0";
constexpr std::string_view kThroughRoot = "-- load via partition root";    // pg_dump's mark of such an entry
constexpr std::string_view kTablespace = " TABLESPACE = ";

// "bob" or "\"Bob\"", at the end of a statement whose tail was taken away.
std::string Unquoted(std::string_view name) {
    if (name.size() < 2 || name.front() != '"') return std::string(name);
    std::string plain;
    for (std::size_t i = 1; i + 1 < name.size(); i++) {
        plain += name[i];
        if (name[i] == '"') i++;
    }
    return plain;
}

// Where the name begins with which the text ends; in quotes, where each quote within is doubled, anything may stand.
std::size_t LastName(std::string_view text) {
    if (!text.ends_with('"')) return text.rfind(' ') + 1;
    std::size_t at = text.size() - 1;
    while (at > 0 && text[--at] != '"') {}
    while (at > 0 && text[at - 1] == '"') {
        at--;
        while (at > 0 && text[--at] != '"') {}
    }
    return at;
}

std::string OptionsOf(const TocEntry &database) {
    std::string text = database.definition.value_or("");
    std::size_t at = text.rfind(kTemplate);
    if (at == std::string::npos) return {};
    text.erase(0, at + kTemplate.size());
    while (!text.empty() && (text.back() == '\n' || text.back() == ';')) text.pop_back();
    return text;
}

}    // namespace

std::vector<std::string> GranteesOf(std::string_view statements) {
    constexpr std::string_view kWithOption = " WITH GRANT OPTION";
    std::vector<std::string> grantees;
    while (!statements.empty()) {
        std::size_t end = std::min(statements.find('\n'), statements.size());
        std::string_view line = statements.substr(0, end);
        statements.remove_prefix(std::min(end + 1, statements.size()));
        if (line.find("GRANT ") == std::string_view::npos) continue;
        if (line.ends_with(';')) line.remove_suffix(1);
        if (line.ends_with(kWithOption)) line.remove_suffix(kWithOption.size());
        std::string_view name = line.substr(LastName(line));
        line.remove_suffix(name.size());
        if (line.ends_with(" TO ") && name != "PUBLIC") grantees.push_back(Unquoted(name));
    }
    return grantees;
}

DumpContents ReadDumpContents(SchemaFile &schema) {
    DumpContents contents;
    std::set<std::pair<std::string, std::string>> created;
    std::size_t place = 0;
    schema.ForEach([&](const TocEntry &entry) {
        contents.indexes.Add(entry);
        for (std::uint32_t oid : LargeObjectsCreated(entry)) contents.large_objects.push_back(oid);
        if (entry.description == "DATABASE") {
            contents.create_options = OptionsOf(entry);
            std::size_t at = contents.create_options.rfind(kTablespace);
            if (at == std::string::npos) return;
            contents.create_tablespace =
                Unquoted(std::string_view(contents.create_options).substr(at + kTablespace.size()));
            contents.create_options.resize(at);
            return;
        }
        // Its properties, comment, label and grants are not restored.
        if (entry.description.starts_with("DATABASE") || entry.tag.starts_with("DATABASE ")) return;
        if (entry.owner && !entry.owner->empty()) contents.owners.insert(*entry.owner);
        if (entry.tablespace && !entry.tablespace->empty()) contents.tablespaces.insert(*entry.tablespace);
        if (entry.description == "EXTENSION") contents.extensions.insert(entry.tag);
        bool grants = entry.description == "ACL" || entry.description == "DEFAULT ACL";
        if (grants)
            for (std::string &role : GranteesOf(entry.definition.value_or("")))
                contents.grantees.insert(std::move(role));
        if (entry.description == "TABLE" && entry.schema) created.emplace(*entry.schema, entry.tag);
        if (!HoldsRows(entry)) return;
        CopyTarget copy = ParseCopyStatement(entry.copy_statement.value_or(""));
        contents.rows.emplace(std::pair(*entry.schema, entry.tag),
                              TableRows{.table = std::move(copy.table),
                                        .columns = std::move(copy.columns),
                                        .created = created.contains({*entry.schema, entry.tag}),
                                        .through_root = entry.definition.value_or("").starts_with(kThroughRoot),
                                        .place = place++});
    });
    std::ranges::sort(contents.large_objects);
    return contents;
}

}    // namespace ark
