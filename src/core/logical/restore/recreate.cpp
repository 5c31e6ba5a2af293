#include "logical/restore/recreate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "logical/readable/schema_file.h"

namespace ark {
namespace {

// What may be made again because a table was: not functions or types, which a table needs and does not own.
constexpr std::array<std::string_view, 22> kBelongs{"TABLE",
                                                    "TABLE ATTACH",
                                                    "SEQUENCE",
                                                    "SEQUENCE OWNED BY",
                                                    "DEFAULT",
                                                    "CONSTRAINT",
                                                    "CHECK CONSTRAINT",
                                                    "FK CONSTRAINT",
                                                    "INDEX",
                                                    "INDEX ATTACH",
                                                    "TRIGGER",
                                                    "POLICY",
                                                    "ROW SECURITY",
                                                    "RULE",
                                                    "STATISTICS",
                                                    "VIEW",
                                                    "MATERIALIZED VIEW",
                                                    "COMMENT",
                                                    "ACL",
                                                    "SECURITY LABEL",
                                                    "PUBLICATION TABLE",
                                                    "DEFAULT ACL"};

bool Belongs(const TocEntry &entry) {
    return std::ranges::find(kBelongs, std::string_view(entry.description)) != kBelongs.end();
}
bool ComesLast(const TocEntry &entry) {
    return entry.description == "ACL" || entry.description == "COMMENT" || entry.description == "SECURITY LABEL";
}

std::string OwnerStatement(const TocEntry &entry) {
    if (!entry.owner || entry.owner->empty() || !entry.schema) return {};
    for (std::string_view kind : {"TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW"})
        if (entry.description == kind)
            return fmt::format("ALTER {} {} OWNER TO {}", kind, QualifiedName(*entry.schema, entry.tag),
                               QuoteIdentifier(*entry.owner));
    return {};
}

bool IsThereAlready(const Error &error) {
    // duplicate table, object, column, function; relation or object that is itself gone (a foreign key of a table that was dropped too)
    static constexpr std::array<std::string_view, 6> kStates{"42P07", "42710", "42701", "42723", "42P01", "42P16"};
    return std::ranges::find(kStates, error.Sqlstate()) != kStates.end();
}

}    // namespace

TableRecipe FindRecipe(BackupReader &backup, const std::set<std::pair<std::string, std::string>> &tables) {
    SchemaFile toc(backup);
    std::set<std::int32_t> chosen, found_tables;
    toc.ForEach([&](const TocEntry &entry) {
        if (entry.description == "TABLE" && entry.schema && tables.contains({*entry.schema, entry.tag}))
            found_tables.insert(entry.dump_id);
    });
    if (found_tables.size() != tables.size())
        throw Error(Code::kNotFound, "the backup does not hold the definition of every table that is to be made again",
                    {}, "Take it from a backup of the whole database, or restore side_by_side.");
    chosen = found_tables;
    // Dependants come after what they depend on, so one pass finds them; a serial column's sequence comes before its table.
    std::set<std::int32_t> sequences;
    toc.ForEach([&](const TocEntry &entry) {
        if (entry.description == "SEQUENCE OWNED BY" &&
            std::ranges::any_of(entry.dependencies, [&](std::int32_t id) { return found_tables.contains(id); }))
            sequences.insert(entry.dependencies.begin(), entry.dependencies.end());
    });
    TableRecipe recipe;
    toc.ForEach([&](const TocEntry &entry) {
        bool wanted =
            chosen.contains(entry.dump_id) || (entry.description == "SEQUENCE" && sequences.contains(entry.dump_id));
        if (!wanted && Belongs(entry))
            wanted = std::ranges::any_of(entry.dependencies, [&](std::int32_t id) { return chosen.contains(id); });
        // Another table that inherits from this one, or is a partition that was not asked for, is not made again.
        if (entry.description == "TABLE" && !found_tables.contains(entry.dump_id)) wanted = false;
        if (!wanted || !entry.definition || entry.definition->empty()) {
            if (wanted) chosen.insert(entry.dump_id);
            return;
        }
        chosen.insert(entry.dump_id);
        TocEntry copy = entry;
        copy.raw.clear();
        if (ComesLast(entry))
            recipe.last.push_back(std::move(copy));
        else if (entry.section == DumpSection::kPostData || entry.description == "VIEW" ||
                 entry.description == "MATERIALIZED VIEW")
            recipe.after.push_back(std::move(copy));
        else
            recipe.before.push_back(std::move(copy));
    });
    return recipe;
}

void RunEntries(Connection &connection, const std::vector<TocEntry> &entries, std::vector<std::string> &left) {
    for (const TocEntry &entry : entries) {
        connection.Execute("SAVEPOINT ark_entry");
        try {
            connection.Execute(
                fmt::format("SET LOCAL default_tablespace = {}", QuoteLiteral(entry.tablespace.value_or(""))));
            if (entry.access_method && !entry.access_method->empty())
                connection.Execute(
                    fmt::format("SET LOCAL default_table_access_method = {}", QuoteIdentifier(*entry.access_method)));
            connection.Execute(*entry.definition);
            if (std::string owner = OwnerStatement(entry); !owner.empty()) connection.Execute(owner);
            connection.Execute("RELEASE SAVEPOINT ark_entry");
        } catch (Error &error) {
            if (entry.description == "TABLE" || !IsThereAlready(error)) {
                error.InContext(fmt::format("could not make {} \"{}\" again", entry.description, entry.tag));
                throw;
            }
            connection.Execute("ROLLBACK TO SAVEPOINT ark_entry");
            left.push_back(fmt::format("{} {}", entry.description, entry.tag));
        }
    }
    connection.Execute("SET LOCAL default_tablespace = ''");
}

}    // namespace ark
