// What was dropped made again from the backup's own schema, in the restoring transaction: the entries of pg_dump's table
// of contents that belong to it, in their order. docs/decisions/recreate-from-toc.md.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "logical/backup_reader.h"
#include "logical/restore/run_as.h"
#include "pgdata/dump_archive.h"

namespace ark {

using RelationName = std::pair<std::string, std::string>;    // schema, name

struct Recipe {
    std::vector<TocEntry> before;    // tables, their sequences, defaults, partitions
    std::vector<TocEntry>
        after;    // keys, indexes, foreign keys (also those of other tables to it), triggers, policies, views
    std::vector<TocEntry> last;    // comments, grants, then the contents of materialized views

    void Add(Recipe other);
};

// Throws kNotFound if the backup's schema has no such tables and views.
Recipe FindRecipe(BackupReader &backup, const std::set<RelationName> &relations);
// How the schema describes it: "TABLE", "MATERIALIZED VIEW", "VIEW"; empty if it has no such relation.
std::string DescribedAs(BackupReader &backup, const RelationName &relation);

// Which of these (schema, tag) the schema has as constraints (tag: table, blank, name) or indexes; none if the backup has no schema.
std::set<RelationName> FindRules(BackupReader &backup, const std::set<RelationName> &tags);

// Runs entries with the owner and place that they had. What is there already (a view that was not dropped), or needs
// what is gone and was not asked for, is left alone. Anything else that fails is thrown with the entry's name.
// Expressions of the entries and rows under them are only looked at as the owner.
class Recreation {
public:
    Recreation(Connection &connection, RunAs &run_as) : connection_(connection), run_as_(run_as) {}
    void Run(const std::vector<TocEntry> &entries);
    const std::vector<std::string> &left() const { return left_; }

private:
    void RunEntry(const TocEntry &entry);
    void AddConstraint(const TocEntry &entry);
    void Refresh(const TocEntry &entry);
    bool DependsOnLeft(const TocEntry &entry) const;

    Connection &connection_;
    RunAs &run_as_;
    std::set<std::int32_t> left_ids_;
    std::vector<std::string> left_;
};

}    // namespace ark
