// The file tablespace_map, by which a server that starts from a base backup makes the links in pg_tblspc.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace ark {

// As PostgreSQL writes it (do_pg_backup_start): oid -> where the tablespace is. Empty where there are none.
std::string FormatTablespaceMap(const std::map<std::uint32_t, std::string> &tablespaces);

// The tablespaces in one. A server writes it when a backup begins.
std::set<std::uint32_t> OidsOfTablespaceMap(std::string_view map);

}    // namespace ark
