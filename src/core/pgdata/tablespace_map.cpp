#include "pgdata/tablespace_map.h"

#include <charconv>
#include <system_error>

namespace ark {

std::string FormatTablespaceMap(const std::map<std::uint32_t, std::string> &tablespaces) {
    std::string map;
    for (const auto &[oid, location] : tablespaces) {
        map += std::to_string(oid) + ' ';
        for (char c : location) {
            if (c == '\n' || c == '\r' || c == '\\') map += '\\';
            map += c;
        }
        map += '\n';
    }
    return map;
}

std::set<std::uint32_t> OidsOfTablespaceMap(std::string_view map) {
    std::set<std::uint32_t> oids;
    bool line_begins = true, escaped = false;
    for (std::size_t at = 0; at < map.size(); at++) {
        if (line_begins) {
            std::uint32_t oid = 0;
            if (std::from_chars(map.data() + at, map.data() + map.size(), oid).ec == std::errc()) oids.insert(oid);
        }
        line_begins = !escaped && (map[at] == '\n' || map[at] == '\r');
        escaped = !escaped && map[at] == '\\';
    }
    return oids;
}

}    // namespace ark
