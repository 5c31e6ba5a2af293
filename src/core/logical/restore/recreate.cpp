#include "logical/restore/recreate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "logical/readable/schema_file.h"

namespace ark {
namespace {

// What may be made again because a table was: not functions or types, which a table needs and does not own.
constexpr std::array<std::string_view, 23> kBelongs{"TABLE",
                                                    "TABLE ATTACH",
                                                    "SEQUENCE",
                                                    "SEQUENCE OWNED BY",
                                                    "SEQUENCE SET",
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
                                                    "MATERIALIZED VIEW DATA",
                                                    "COMMENT",
                                                    "ACL",
                                                    "SECURITY LABEL",
                                                    "PUBLICATION TABLE"};
constexpr std::array<std::string_view, 3> kRelations{"TABLE", "VIEW", "MATERIALIZED VIEW"};

template <class List>
bool IsOneOf(const std::string &description, const List &list) {
    return std::ranges::find(list, std::string_view(description)) != list.end();
}

bool IsView(const TocEntry &entry) { return entry.description == "VIEW" || entry.description == "MATERIALIZED VIEW"; }

bool ComesLast(const TocEntry &entry) {
    return entry.description == "ACL" || entry.description == "COMMENT" || entry.description == "SECURITY LABEL";
}

std::string OwnerStatement(const TocEntry &entry) {
    if (!entry.owner || entry.owner->empty() || !entry.schema) return {};
    for (std::string_view kind : {"TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW", "STATISTICS"})
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

// The server evaluates constant parts of a partition key (and later versions of a generated column) as whoever creates the table.
bool IsEvaluatedWhenMade(const TocEntry &entry) {
    return entry.description == "TABLE ATTACH" ||
           (entry.description == "TABLE" && (entry.definition->find("PARTITION BY") != std::string::npos ||
                                             entry.definition->find("GENERATED ALWAYS AS (") != std::string::npos));
}

std::set<std::string> NotValidated(Connection &connection) {
    Result rows =
        connection.Query("SELECT oid FROM pg_catalog.pg_constraint WHERE NOT convalidated AND contype IN ('f', 'c')");
    std::set<std::string> ids;
    for (int r = 0; r < rows.rows(); r++) ids.insert(rows.String(r, 0));
    return ids;
}

std::uint64_t RoleOid(Connection &connection, const TocEntry &entry) {
    Result role =
        connection.Query("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1", {entry.owner.value_or("")});
    if (role.rows() == 0)
        throw Error(Code::kNotFound,
                    fmt::format("role \"{}\", which owned it, does not exist", entry.owner.value_or("")), {},
                    "Create the role, then restore again.")
            .WithSqlstate("42704");
    return role.Unsigned(0, 0);
}

}    // namespace

void Recipe::Add(Recipe other) {
    for (auto part : {&Recipe::before, &Recipe::after, &Recipe::last})
        std::ranges::move(other.*part, std::back_inserter(this->*part));
}

std::string DescribedAs(BackupReader &backup, const RelationName &relation) {
    if (backup.manifest().clear.kind != "logical") return {};
    std::string found;
    SchemaFile(backup).ForEach([&](const TocEntry &entry) {
        if (IsOneOf(entry.description, kRelations) && entry.schema == relation.first && entry.tag == relation.second)
            found = entry.description;
    });
    return found;
}

std::set<RelationName> FindRules(BackupReader &backup, const std::set<RelationName> &tags) {
    std::set<RelationName> found;
    if (backup.manifest().clear.kind != "logical" || tags.empty()) return found;
    SchemaFile(backup).ForEach([&](const TocEntry &entry) {
        if ((entry.description == "CONSTRAINT" || entry.description == "INDEX") && entry.schema &&
            tags.contains({*entry.schema, entry.tag}))
            found.insert({*entry.schema, entry.tag});
    });
    return found;
}

Recipe FindRecipe(BackupReader &backup, const std::set<RelationName> &relations) {
    SchemaFile toc(backup);
    std::set<std::int32_t> found;
    toc.ForEach([&](const TocEntry &entry) {
        if (IsOneOf(entry.description, kRelations) && entry.schema && relations.contains({*entry.schema, entry.tag}))
            found.insert(entry.dump_id);
    });
    if (found.size() != relations.size())
        throw Error(Code::kNotFound, "the backup does not hold the definition of every table that is to be made again",
                    {}, "Take it from a backup of the whole database, or restore side_by_side.");
    std::set<std::int32_t> chosen = found;
    // Dependants come after what they depend on, so one pass finds them; a serial column's sequence comes before its table.
    std::set<std::int32_t> sequences;
    toc.ForEach([&](const TocEntry &entry) {
        if (entry.description == "SEQUENCE OWNED BY" &&
            std::ranges::any_of(entry.dependencies, [&](std::int32_t id) { return found.contains(id); }))
            sequences.insert(entry.dependencies.begin(), entry.dependencies.end());
    });
    Recipe recipe;
    std::vector<TocEntry> contents;
    toc.ForEach([&](const TocEntry &entry) {
        bool wanted =
            chosen.contains(entry.dump_id) || (entry.description == "SEQUENCE" && sequences.contains(entry.dump_id));
        if (!wanted && IsOneOf(entry.description, kBelongs))
            wanted = std::ranges::any_of(entry.dependencies, [&](std::int32_t id) { return chosen.contains(id); });
        // Another table that inherits from this one, or is a partition that was not asked for, is not made again.
        if (entry.description == "TABLE" && !found.contains(entry.dump_id)) wanted = false;
        if (!wanted) return;
        chosen.insert(entry.dump_id);
        if (!entry.definition || entry.definition->empty()) return;
        TocEntry copy = entry;
        copy.raw.clear();
        if (entry.description == "MATERIALIZED VIEW DATA")
            contents.push_back(std::move(copy));
        else if (ComesLast(entry))
            recipe.last.push_back(std::move(copy));
        else if (entry.section == DumpSection::kPostData || IsView(entry))
            recipe.after.push_back(std::move(copy));
        else
            recipe.before.push_back(std::move(copy));
    });
    std::ranges::move(contents, std::back_inserter(recipe.last));    // as their owners, who need the grants
    return recipe;
}

bool Recreation::DependsOnLeft(const TocEntry &entry) const {
    return entry.description != "FK CONSTRAINT" &&
           std::ranges::any_of(entry.dependencies, [&](std::int32_t id) { return left_ids_.contains(id); });
}

void Recreation::Run(const std::vector<TocEntry> &entries) {
    for (const TocEntry &entry : entries) {
        if (DependsOnLeft(entry)) {
            left_ids_.insert(entry.dump_id);
            continue;
        }
        connection_.Execute("SAVEPOINT ark_entry");
        try {
            RunEntry(entry);
            connection_.Execute("RELEASE SAVEPOINT ark_entry");
        } catch (Error &error) {
            if (entry.description == "TABLE" || entry.description == "TABLE ATTACH" || !IsThereAlready(error)) {
                error.InContext(fmt::format("could not make {} \"{}\" again", entry.description, entry.tag));
                throw;
            }
            connection_.Execute("ROLLBACK TO SAVEPOINT ark_entry");
            left_ids_.insert(entry.dump_id);
            left_.push_back(fmt::format("{} {} is left as it is: {}", entry.description, entry.tag, error.message));
        }
    }
    connection_.Execute("SET LOCAL default_tablespace = ''");
}

void Recreation::RunEntry(const TocEntry &entry) {
    connection_.Execute(fmt::format("SET LOCAL default_tablespace = {}", QuoteLiteral(entry.tablespace.value_or(""))));
    if (entry.access_method && !entry.access_method->empty())
        connection_.Execute(
            fmt::format("SET LOCAL default_table_access_method = {}", QuoteIdentifier(*entry.access_method)));
    if (entry.description == "FK CONSTRAINT" || entry.description == "CHECK CONSTRAINT") return AddConstraint(entry);
    if (entry.description == "MATERIALIZED VIEW DATA") return Refresh(entry);
    if (IsEvaluatedWhenMade(entry)) {
        try {
            run_as_.Execute(RoleOid(connection_, entry), *entry.definition);
        } catch (Error &error) {
            if (error.Sqlstate() == "42501")
                error.WithHint(
                    fmt::format("Its expressions are evaluated, so it is made by its owner. GRANT CREATE ON "
                                "SCHEMA {} TO {} for the restore.",
                                QuoteIdentifier(entry.schema.value_or("")), QuoteIdentifier(entry.owner.value_or(""))));
            throw;
        }
        return;
    }
    connection_.Execute(*entry.definition);
    if (std::string owner = OwnerStatement(entry); !owner.empty()) connection_.Execute(owner);
}

// Added without a look at the rows, which the owner then checks. A foreign key from or to a partitioned table, which is many
// constraints, is added by the owner at once.
void Recreation::AddConstraint(const TocEntry &entry) {
    std::string definition = *entry.definition;
    definition.erase(definition.find_last_not_of("; \n") + 1);
    if (definition.ends_with("NOT VALID")) return connection_.Execute(definition);
    bool one = entry.description == "CHECK CONSTRAINT" || definition.starts_with("ALTER TABLE ONLY ");
    std::set<std::string> made;
    if (one) {
        std::set<std::string> others = NotValidated(connection_);
        connection_.Execute("SAVEPOINT ark_constraint");
        connection_.Execute(definition + " NOT VALID");
        for (const std::string &id : NotValidated(connection_))
            if (!others.contains(id)) made.insert(id);
        one = made.size() == 1;
        if (!one) connection_.Execute("ROLLBACK TO SAVEPOINT ark_constraint");
    }
    if (!one) {
        run_as_.Execute(RoleOid(connection_, entry), definition);
        return;
    }
    Result validate = connection_.Query(
        "SELECT r.relowner, pg_catalog.format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I', n.nspname, r.relname, "
        "c.conname) FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE c.oid = $1::oid",
        {*made.begin()});
    run_as_.Execute(validate.Unsigned(0, 0), validate.String(0, 1));
}

// The server itself runs the view's query as its owner. A query that fails leaves the view without its rows, as pg_restore does.
void Recreation::Refresh(const TocEntry &entry) {
    connection_.Execute("SAVEPOINT ark_refresh");
    connection_.Execute("SET LOCAL row_security = on");    // of the tables it reads, as when the owner refreshes it
    try {
        connection_.Execute(*entry.definition);
    } catch (const Error &error) {
        if (error.code == Code::kCancelled) throw;
        connection_.Execute("ROLLBACK TO SAVEPOINT ark_refresh");
        left_.push_back(fmt::format("MATERIALIZED VIEW {} could not be refreshed: {}", entry.tag, error.message));
    }
    connection_.Execute("SET LOCAL row_security = off");
    connection_.Execute("RELEASE SAVEPOINT ark_refresh");
}

}    // namespace ark
