#include "logical/fingerprint.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr int kFirstUserOid = 16384;

}    // namespace

// Enum rows are taken with their xmin: a label that was renamed and renamed back had other text in between.
Fingerprint ReadFingerprint(Connection &latest, const ExportScope &scope) {
    Result result = latest.Query(fmt::format(
        "WITH RECURSIVE exported AS MATERIALIZED (SELECT c.oid, c.relname, n.oid AS schema_oid, n.nspname {0}),"
        " used(oid) AS ("
        "  SELECT DISTINCT a.atttypid FROM pg_catalog.pg_attribute a JOIN exported e ON e.oid = a.attrelid"
        "   WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= {1}"
        "  UNION"
        "  SELECT p.part FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid"
        "   LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)"
        "   CROSS JOIN LATERAL (SELECT t.typbasetype UNION ALL SELECT t.typelem UNION ALL SELECT r.rngsubtype UNION ALL"
        "    SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND "
        "a.attnum > 0"
        "    AND NOT a.attisdropped) AS p(part) WHERE p.part >= {1})"
        " SELECT 'type ' || pg_catalog.format_type(t.oid, NULL), pg_catalog.md5(pg_catalog.concat_ws('|', t.oid, "
        "t.typname, t.typnamespace, t.typtype,"
        "  t.typbasetype, t.typtypmod, t.typelem, t.typrelid, t.typoutput, f.xmin, f.prosrc, f.probin,"
        "  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', e.oid, e.enumlabel, e.xmin), ';' ORDER BY e.oid)"
        "   FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),"
        "  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod, "
        "a.attisdropped), ';' ORDER BY a.attnum)"
        "   FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.attnum > 0)))"
        " FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid LEFT JOIN pg_catalog.pg_proc f ON f.oid = t.typoutput"
        " UNION ALL SELECT DISTINCT 'schema ' || pg_catalog.quote_ident(nspname), schema_oid::text FROM exported"
        " UNION ALL SELECT 'the names of tables', pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws('|', "
        "oid, relname, schema_oid), 0))::text FROM exported"
        " UNION ALL SELECT 'the columns of tables', "
        "pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws('|', a.attrelid, a.attnum,"
        "  a.attname, a.atttypid, a.atttypmod, a.attisdropped, a.attgenerated, a.atthasmissing), 0))::text"
        " FROM pg_catalog.pg_attribute a JOIN exported e ON e.oid = a.attrelid WHERE a.attnum > 0",
        FromRelations(scope, "'r', 'p'"), kFirstUserOid));
    Fingerprint fingerprint;
    for (int row = 0; row < result.rows(); row++) fingerprint.emplace(result.String(row, 0), result.String(row, 1));
    return fingerprint;
}

std::vector<std::string> Differences(const Fingerprint &before, const Fingerprint &after) {
    std::vector<std::string> changed;
    for (const auto &[what, digest] : before)
        if (auto at = after.find(what); at == after.end() || at->second != digest) changed.push_back(what);
    for (const auto &[what, digest] : after)
        if (!before.contains(what)) changed.push_back(what);
    return changed;
}

}    // namespace ark
