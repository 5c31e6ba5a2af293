// Which entries of a table of contents build indexes, and can run as soon as the rows of one table are there.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "pgdata/dump_archive.h"

namespace ark {

class IndexEntries {
public:
    void Add(const TocEntry &entry);    // of pg_dump's archive, in its order

    // Indexes and index constraints of a table that depend on nothing else behind the data, nor on a function, which may read other tables
    // whatever it promises: their dump ids.
    std::vector<std::int32_t> Of(const std::string &schema, const std::string &table) const;

    // The section behind the data: `first`, which Of() gave, and then all others but `done`, in their order. In it stand the entries
    // that belong to no section of their own (comments), which pg_restore counts with the entry before; so it begins with none of these.
    std::vector<std::int32_t> Rest(const std::vector<std::int32_t> &first,
                                   const std::unordered_set<std::int32_t> &done) const;

private:
    using Table = std::pair<std::string, std::string>;
    std::unordered_map<std::int32_t, Table> tables_;    // by dump id
    std::map<Table, std::vector<std::int32_t>> indexes_;
    std::unordered_set<std::int32_t> functions_;
    std::unordered_set<std::int32_t> behind_;    // of the section
    std::vector<std::int32_t> order_;            // from its first entry on
};

}    // namespace ark
