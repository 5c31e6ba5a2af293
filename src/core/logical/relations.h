// Which relations an export covers, asked of the latest catalog or of a snapshot: the same question by whichever
// connection is given.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "logical/backup_reader.h"
#include "logical/column_types.h"
#include "logical/plan.h"

namespace ark {

// The whole database, or chosen tables.
struct ExportScope {
    bool whole_database = true;
    std::set<Oid> tables;                  // of an entities backup, partitions and children included
    std::map<Oid, std::string> filters;    // conditions, checked
};

// Finds the tables of entities, adds their partitions and inheritance children. Throws kNotFound (naming what is near),
// kInvalidArgument (a view, an ambiguous name, a filter that is none).
ExportScope ResolveEntities(Connection &connection, const std::vector<Entity> &entities);

// The relations that pg_dump would dump, as the middle of a query over pg_class c, pg_namespace n and pg_am a;
// `k.condition` is an extension's condition for its configuration table. `kinds` are relkinds: "'r', 'p'".
std::string FromRelations(const ExportScope &scope, std::string_view kinds);
// An SQL expression: what PercentEncode makes of a name, so that rows can be sorted as their entries are.
std::string PercentEncodedSql(std::string_view column);

struct Relation {
    BackupTable table;    // schema, name, oid, owner, kind, persistence; the rest by DescribeTables
    bool heap = true;     // its rows can be read by ctid
    TableSize size;       // of main forks, asked after the snapshot
    bool HasRows() const { return table.kind == 'r'; }
};

// A cursor over the tables of the scope in the order of their paths; lives in the connection's transaction.
class RelationCursor {
public:
    RelationCursor(Connection &connection, const ExportScope &scope);
    // The next few hundred, with columns, keys, parents and sizes; empty at the end.
    std::vector<Relation> Next();

private:
    void AddColumns(std::vector<Relation> &relations);
    void AddKeys(std::vector<Relation> &relations);
    void AddParents(std::vector<Relation> &relations);
    void AddSizes(std::vector<Relation> &relations);
    Relation *Find(std::vector<Relation> &relations, const Result &result, int row);

    Connection &connection_;
    const ExportScope &scope_;
    ColumnTypes types_;
    std::map<std::uint64_t, std::size_t> places_;    // oid -> place in the current batch
    std::string oids_;
};

}    // namespace ark
