// A table of the target database as it is now: what a restore must know of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/connection.h"

namespace ark {

struct LiveColumn {
    std::string name;
    std::string type;     // schema-qualified
    bool plain = true;    // its input runs no code that a user wrote
    bool not_null = false;
    bool has_default = false;    // or is an identity
    bool generated = false;
    bool identity_always = false;
};

struct KeyColumn {
    std::string name;
    std::string equals;    // OPERATOR(schema.=) of the key's index
};

// A unique index or an exclusion constraint: no two rows may have values that are all `equals` (with nulls, they are not).
struct UniqueRule {
    std::string name;
    std::vector<std::string> columns;    // that its values and its predicate read
    std::vector<std::string> values;     // expressions over the table's columns
    std::vector<std::string> equals;     // OPERATOR(schema.op)
    std::string predicate;               // empty: it is about all rows
    bool exclusion = false;
    bool deferrable = false;    // checked at the end of a statement, not row by row
    bool groups = true;         // GROUP BY finds what is equal
    bool in_backup = false;     // it held there too, so rows of the backup keep it among themselves
};

struct ForeignKey {
    std::string name;
    std::uint64_t from = 0, to = 0;    // oids: the referencing and the referenced table
    std::string from_name, to_name;    // qualified
    std::string from_only, to_only;    // the same, without tables that inherit from them
    std::vector<std::string> from_columns, to_columns;
    std::vector<std::string> equals;
    char on_delete = 'a', on_update = 'a';    // pg_constraint.confdeltype, confupdtype
};

struct UserTrigger {
    std::string name;
    char enabled = 'O';
    std::string table;     // the table's own, qualified, or a partition's
    bool clone = false;    // of the same trigger of the partitioned table
};

struct OwnedSequence {
    std::uint64_t oid = 0;
    std::string name, column;    // qualified name
    bool ascending = true;
};

struct LiveTable {
    std::uint64_t oid = 0;
    std::string schema, name;
    std::uint64_t owner = 0;
    std::string owner_name;
    char kind = 'r';    // r, or p: rows are routed to partitions
    bool row_security = false;
    std::vector<LiveColumn> columns;
    std::vector<KeyColumn> key;               // primary key, else a unique key without nulls
    std::vector<UniqueRule> rules;            // further ones
    std::vector<ForeignKey> references;       // it points to
    std::vector<ForeignKey> referenced_by;    // that point to it
    std::vector<UserTrigger> triggers;        // its own and those of its partitions
    std::vector<OwnedSequence> sequences;     // that its columns own, or take their defaults from

    std::string Qualified() const { return QualifiedName(schema, name); }
    std::string Only() const {
        return (kind == 'p' ? "" : "ONLY ") + Qualified();
    }    // children of an inheritance parent are tables of their own
    const LiveColumn *Column(std::string_view column) const;
};

std::optional<LiveTable> LoadLiveTable(Connection &connection, std::string_view schema, std::string_view name);
LiveTable LoadLiveTable(Connection &connection, std::uint64_t oid);    // throws kNotFound

}    // namespace ark
