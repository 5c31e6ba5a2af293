#include "logical/restore/consequences.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

std::uint64_t Count(Connection &connection, std::uint64_t role, const std::string &query) {
    return connection.Query("SELECT * FROM " + RunAs::SelectAsOwner(role, query, "n bigint")).Unsigned(0, 0);
}

struct Role {
    std::uint64_t oid = 0;
    std::string name;
};

Role OwnerOf(Connection &connection, std::uint64_t table) {
    Result owner = connection.Query(
        "SELECT relowner, pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = $1::oid",
        {std::to_string(table)});
    return {owner.Unsigned(0, 0), owner.String(0, 1)};
}

const Target *Find(const std::vector<Target> &all, std::uint64_t oid) {
    auto at = std::ranges::find_if(all, [&](const Target &target) { return target.live.oid == oid; });
    return at == all.end() ? nullptr : &*at;
}

bool Has(const Target &target, const std::string &column) {
    return std::ranges::find(target.columns, column) != target.columns.end();
}

// Keys in a temporary table that one role may read, gone with this object.
class KeyTable {
public:
    KeyTable(Connection &connection, const std::string &query, const std::string &reader) : connection_(connection) {
        connection_.Execute(fmt::format("CREATE TEMP TABLE ark_keys AS {}", query));
        connection_.Execute(fmt::format("GRANT SELECT ON pg_temp.ark_keys TO {}", QuoteIdentifier(reader)));
    }
    void Drop() { connection_.Execute("DROP TABLE pg_temp.ark_keys"); }

private:
    Connection &connection_;
};

// "left.a op right.b AND …" for a foreign key, whose operators have the referenced column on their left.
std::string References(const ForeignKey &key, std::string_view to, std::string_view from) {
    std::string match;
    for (std::size_t i = 0; i < key.from_columns.size(); i++)
        match += fmt::format("{}{}.{} {} {}.{}", i ? " AND " : "", to, QuoteIdentifier(key.to_columns[i]),
                             key.equals[i], from, QuoteIdentifier(key.from_columns[i]));
    return match;
}

bool HasReference(const Target &target, const ForeignKey &key) {
    return std::ranges::all_of(key.from_columns, [&](const std::string &column) { return Has(target, column); });
}

// What the rows to be written reference by `key`.
KeyTable WrittenReferences(Connection &connection, const Target &target, const ForeignKey &key,
                           const LiveTable &referenced) {
    std::string not_null;
    for (const std::string &column : key.from_columns) not_null += fmt::format(" AND {} IS NOT NULL", Staged(column));
    std::string rows = fmt::format("{} d JOIN {} s ON s.ark_row = d.ark_row WHERE d.op IN ('i', 'u', 'x'){}",
                                   target.diff, target.stage, not_null);
    return {connection, ReferencedKeys(target.live, referenced, key, rows), referenced.owner_name};
}

// Keys of the key table that no live row has, or none that stays.
std::string NotLive(const ForeignKey &key, const Target *parent) {
    std::string gone;
    if (parent)
        gone = fmt::format(
            " AND NOT EXISTS (SELECT FROM {} pd WHERE pd.op = 'd' AND pd.live_row = p.ctid AND pd.live_table = "
            "p.tableoid)",
            parent->diff);
    return fmt::format("SELECT count(*) FROM pg_temp.ark_keys k WHERE NOT EXISTS (SELECT FROM {} p WHERE {}{})",
                       key.to_only, References(key, "p", "k"), gone);
}

KeyTable DeletedKeys(Connection &connection, const Target &target, const ForeignKey &key, const std::string &reader) {
    std::string query = fmt::format(
        "SELECT {} FROM {} d JOIN {} l ON l.tableoid = d.live_table AND l.ctid = d.live_row WHERE d.op = "
        "'d'",
        ColumnList(key.to_columns, "l."), target.diff, target.live.Only());
    return {
        connection,
        "SELECT * FROM " + RunAs::SelectAsOwner(target.live.owner, query, TypedColumns(target.live, key.to_columns)),
        reader};
}

// Rows of the referencing table that reference deleted rows, and that its own diff does not take care of.
std::string Reached(const ForeignKey &key, const Target *from, std::string_view what) {
    std::string known = from ? fmt::format(
                                   " AND NOT EXISTS (SELECT FROM {} x WHERE x.live_row = c.ctid AND x.live_table "
                                   "= c.tableoid)",
                                   from->diff)
                             : "";
    return fmt::format("SELECT {} FROM {} c WHERE EXISTS (SELECT FROM pg_temp.ark_keys k WHERE {}){}", what,
                       key.from_only, References(key, "k", "c"), known);
}

}    // namespace

void FindMissingParents(Connection &connection, const Target &target, const std::vector<Target> &all,
                        const DiffCounts &counts, TablePlan &plan) {
    if (target.created || target.reached || counts.to_insert + counts.to_update == 0) return;
    for (const ForeignKey &key : target.live.references) {
        if (!HasReference(target, key)) continue;
        const Target *parent = Find(all, key.to);
        if (parent && parent->created) continue;    // checked when its constraints come back
        std::string coming;
        if (parent && !parent->reached)
            coming = fmt::format(
                " AND NOT EXISTS (SELECT FROM {} ps JOIN {} pi ON pi.ark_row = ps.ark_row WHERE pi.op "
                "IN ('i', 'u', 'x') AND {})",
                parent->stage, parent->diff, References(key, "ps", "k"));
        LiveTable referenced = parent ? parent->live : LoadLiveTable(connection, key.to);
        KeyTable keys = WrittenReferences(connection, target, key, referenced);
        std::uint64_t orphans = Count(connection, referenced.owner, NotLive(key, parent) + coming);
        keys.Drop();
        if (orphans == 0) continue;
        plan.conflicts += orphans;
        plan.notes.push_back(fmt::format(
            "{} rows reference rows of {} that are neither live nor restored: name it too, or use with_referenced",
            orphans, key.to_name));
    }
}

std::vector<Reach> FindReach(Connection &connection, const Target &target, const std::vector<Target> &all) {
    std::vector<Reach> found;
    for (const ForeignKey &key : target.live.referenced_by) {
        Role owner = OwnerOf(connection, key.from);
        KeyTable keys = DeletedKeys(connection, target, key, owner.name);
        std::uint64_t rows = Count(connection, owner.oid, Reached(key, Find(all, key.from), "count(*)"));
        keys.Drop();
        if (rows > 0) found.push_back({key, rows});
    }
    return found;
}

std::uint64_t AddReach(Connection &connection, const Target &deleted_from, const ForeignKey &key, const Target &to) {
    KeyTable keys = DeletedKeys(connection, deleted_from, key, to.live.owner_name);
    std::string what = fmt::format("'{}'::text, NULL::bigint, c.tableoid, c.ctid", key.on_delete == 'c' ? 'd' : 'f');
    std::uint64_t added = AddToDiff(connection, to, Reached(key, &to, what));
    keys.Drop();
    return added;
}

std::uint64_t CountWaiting(Connection &connection, const Target &target, const ForeignKey &key, const Target &parent) {
    if (target.reached || parent.reached || target.created || parent.created || !HasReference(target, key)) return 0;
    KeyTable keys = WrittenReferences(connection, target, key, parent.live);
    std::uint64_t rows = Count(connection, parent.live.owner, NotLive(key, &parent));
    keys.Drop();
    return rows;
}

std::uint64_t CountDeletedTogether(Connection &connection, const Target &from, const ForeignKey &key,
                                   const Target &parent) {
    if (key.on_delete != 'a' && key.on_delete != 'r') return 0;
    KeyTable keys = DeletedKeys(connection, parent, key, from.live.owner_name);
    std::uint64_t rows = Count(
        connection, from.live.owner,
        fmt::format("SELECT count(*) FROM {} c JOIN {} x ON x.op = 'd' AND x.live_row = c.ctid AND x.live_table = "
                    "c.tableoid WHERE EXISTS (SELECT FROM pg_temp.ark_keys k WHERE {})",
                    key.from_only, from.diff, References(key, "k", "c")));
    keys.Drop();
    return rows;
}

}    // namespace ark
