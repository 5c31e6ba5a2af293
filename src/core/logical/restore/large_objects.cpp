#include "logical/restore/large_objects.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "logical/entries.h"
#include "logical/readable/schema_file.h"
#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

constexpr std::size_t kSlice = 256 << 10;

void Fill(Connection &connection, BackupReader &backup, std::uint32_t oid, Ticker &ticker) {
    std::uint64_t at = 0;
    backup.Content(LargeObjectPath(oid), [&](ByteView bytes) {
        for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kSlice))) {
            ticker.Check();
            ByteView slice = bytes.first(std::min(bytes.size(), kSlice));
            connection.Query("SELECT pg_catalog.lo_put($1::oid, $2::bigint, $3::bytea)",
                             {std::to_string(oid), std::to_string(at), "\\x" + HexEncode(slice)});
            at += slice.size();
        }
    });
}

}    // namespace

std::set<std::uint32_t> FindLostObjects(Connection &connection, const Target &target) {
    std::set<std::uint32_t> lost;
    if (target.reached) return lost;
    Result columns = connection.Query(
        "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE "
        "a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND (t.oid = 'oid'::pg_catalog.regtype OR "
        "t.typtype = 'd' AND t.typbasetype = 'oid'::pg_catalog.regtype)",
        {std::to_string(target.live.oid)});
    for (int c = 0; c < columns.rows(); c++) {
        std::string column = columns.String(c, 0);
        if (std::ranges::find(target.columns, column) == target.columns.end()) continue;
        Result oids = connection.Query(fmt::format(
            "SELECT DISTINCT {0}::oid FROM {1} s JOIN {2} d ON d.ark_row = s.ark_row WHERE d.op IN ('i', "
            "'u', 'x') AND {0} IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m "
            "WHERE m.oid = {0}::oid)",
            Staged(column), target.stage, target.diff));
        for (int r = 0; r < oids.rows(); r++) lost.insert(static_cast<std::uint32_t>(oids.Unsigned(r, 0)));
    }
    return lost;
}

std::vector<LostObject> FindInBackup(BackupReader &backup, const std::set<std::uint32_t> &oids) {
    std::vector<LostObject> found;
    if (oids.empty() || backup.manifest().clear.kind != "logical") return found;
    SchemaFile(backup).ForEach([&](const TocEntry &entry) {
        for (std::uint32_t oid : LargeObjectsCreated(entry))
            if (oids.contains(oid)) found.push_back({oid, entry});
    });
    return found;
}

std::vector<std::string> BringBack(Connection &connection, Recreation &recreation, BackupReader &backup,
                                   const std::vector<LostObject> &objects, const Caller &caller, Ticker &ticker) {
    std::vector<std::string> left;
    std::set<std::string> made;
    for (const LostObject &object : objects) {
        std::string oid = std::to_string(object.oid), owner = object.made_by.owner.value_or("");
        Result may = connection.Query(
            "SELECT pg_catalog.pg_has_role($1::oid, oid, 'USAGE') FROM pg_catalog.pg_roles WHERE rolname = $2",
            {std::to_string(caller.oid), owner});
        if (may.rows() == 0 || !may.Bool(0, 0)) {
            left.push_back(
                fmt::format("large object {} did not come back: role \"{}\" is no member of its owner, \"{}\"", oid,
                            caller.name, owner));
            continue;
        }
        connection.Query("SELECT pg_catalog.lo_create($1::oid)", {oid});
        Fill(connection, backup, object.oid, ticker);
        connection.Execute(fmt::format("ALTER LARGE OBJECT {} OWNER TO {}", oid, QuoteIdentifier(owner)));
        made.insert("LARGE OBJECT " + oid);
    }
    if (made.empty()) return left;
    std::vector<TocEntry> about;
    SchemaFile(backup).ForEach([&](const TocEntry &entry) {
        if ((entry.description == "ACL" || entry.description == "COMMENT" || entry.description == "SECURITY LABEL") &&
            made.contains(entry.tag) && entry.definition)
            about.push_back(entry);
    });
    recreation.Run(about);
    return left;
}

}    // namespace ark
