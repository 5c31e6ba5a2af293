// What a restore must know of a backup's table of contents before pg_restore is given it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "logical/readable/schema_file.h"
#include "logical/whole/index_entries.h"

namespace ark {

struct TableRows {
    std::string table;            // as the archive's COPY statement spells it, ready for another statement
    std::string columns;          // "(a, b)", or empty
    bool created = false;         // by this archive, not by an extension, whose tables may hold rows already
    bool through_root = false;    // its rows go into the root of its partitions
    std::size_t place = 0;        // in the archive, whose order respects dependencies
};

struct DumpContents {
    std::map<std::pair<std::string, std::string>, TableRows> rows;    // of schema and table
    IndexEntries indexes;
    std::vector<std::uint32_t> large_objects;                           // ascending
    std::set<std::string> owners, grantees, tablespaces, extensions;    // that definitions name
    std::string create_options;       // of CREATE DATABASE, behind the template; empty where the archive has none
    std::string create_tablespace;    // the database's own; empty: the default
};

DumpContents ReadDumpContents(SchemaFile &schema);

// The roles to whom a GRANT or ALTER DEFAULT PRIVILEGES of pg_dump gives something.
std::vector<std::string> GranteesOf(std::string_view statements);

}    // namespace ark
