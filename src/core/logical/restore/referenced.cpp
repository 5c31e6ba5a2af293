#include "logical/restore/referenced.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

bool Has(const Target &target, const std::vector<std::string> &columns) {
    return std::ranges::all_of(columns, [&](const std::string &column) {
        return std::ranges::find(target.columns, column) != target.columns.end();
    });
}

// Marks rows of the parent's stage that rows which are wanted reference; compared as the parent's owner. Returns how many.
std::uint64_t Mark(Connection &connection, const Target &parent, const Target &child, const ForeignKey &key) {
    std::string wanted =
        child.referenced_only
            ? fmt::format(" WHERE EXISTS (SELECT FROM {}_wanted w WHERE w.ark_row = s.ark_row)", child.stage)
            : "";
    if (child.referenced_only) GrantToOwner(connection, child.live, child.stage + "_wanted");
    connection.Execute("CREATE TEMP TABLE ark_keys AS " +
                       ReferencedKeys(child.live, parent.live, key, child.stage + " s" + wanted));
    GrantToOwner(connection, parent.live, "pg_temp.ark_keys");
    std::string match;
    for (std::size_t i = 0; i < key.from_columns.size(); i++)
        match += fmt::format("{}s.{} {} k.{}", i ? " AND " : "", QuoteIdentifier(key.to_columns[i]), key.equals[i],
                             QuoteIdentifier(key.from_columns[i]));
    std::uint64_t marked =
        connection
            .Query(fmt::format("INSERT INTO {}_wanted SELECT t.ark_row FROM {} ON CONFLICT DO NOTHING", parent.stage,
                               RunAs::SelectAsOwner(parent.live.owner,
                                                    fmt::format("SELECT s.ark_row FROM {} s WHERE EXISTS (SELECT FROM "
                                                                "pg_temp.ark_keys k WHERE {})",
                                                                parent.stage, match),
                                                    "ark_row bigint")))
            .affected();
    connection.Execute("DROP TABLE pg_temp.ark_keys");
    return marked;
}

}    // namespace

void KeepReferenced(Connection &connection, const std::vector<Target> &targets) {
    for (const Target &target : targets)
        if (target.referenced_only)
            connection.Execute(fmt::format("CREATE TEMP TABLE {}_wanted (ark_row bigint PRIMARY KEY)",
                                           target.stage.substr(target.stage.find('.') + 1)));
    for (bool again = true; again;) {
        again = false;
        for (const Target &child : targets)
            for (const ForeignKey &key : child.live.references)
                for (const Target &parent : targets)
                    if (parent.referenced_only && parent.live.oid == key.to && Has(child, key.from_columns) &&
                        Has(parent, key.to_columns) && Mark(connection, parent, child, key) > 0)
                        again = true;
    }
    for (const Target &target : targets)
        if (target.referenced_only)
            connection.Query(
                fmt::format("DELETE FROM {0} s WHERE NOT EXISTS (SELECT FROM {0}_wanted w WHERE w.ark_row = "
                            "s.ark_row)",
                            target.stage));
}

}    // namespace ark
