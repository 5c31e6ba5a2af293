-- One row for every table of this database that holds rows of its own: its name, its number of rows, and a digest of
-- their text that does not depend on their order. Two databases with equal rows give equal output. Run with psql -f
-- (-At for comparing) by a superuser: row security must not hide a row. The digest is the sum of two 64-bit hashes
-- and, so that no single hash is trusted, of the leading 60 bits of an MD5, each over the whole row's text.
\set ON_ERROR_STOP on
SET search_path = pg_catalog;
SET datestyle = 'ISO, YMD';
SET intervalstyle = postgres;
SET timezone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = hex;
SET row_security = off;

SELECT format($query$
           SELECT %L AS "table", count(*) AS rows,
                  coalesce(sum(hashtextextended(ark_row::text, 0)::numeric), 0) || ':'
                      || coalesce(sum(hashtextextended(ark_row::text, 4711)::numeric), 0) || ':'
                      || coalesce(sum(('x' || left(md5(ark_row::text), 15))::bit(60)::bigint::numeric), 0) AS digest
           FROM ONLY %s AS ark_row
       $query$, c.oid::regclass, c.oid::regclass)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'ark', 'ark_private') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
  AND (c.relkind = 'r' OR c.relispopulated)
ORDER BY c.oid::regclass::text COLLATE "C"
\gexec

SELECT 'large object ' || lo.oid AS "table", count(*) AS rows,
       md5(string_agg(p.pageno || ' ' || md5(p.data), ':' ORDER BY p.pageno)) AS digest
FROM pg_largeobject_metadata AS lo LEFT JOIN pg_largeobject AS p ON p.loid = lo.oid
GROUP BY lo.oid ORDER BY lo.oid;

SELECT format('SELECT %L AS "table", last_value AS rows, is_called::text AS digest FROM %s',
              'sequence ' || c.oid::regclass, c.oid::regclass)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'ark', 'ark_private')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.oid::regclass::text COLLATE "C"
\gexec
