-- Prints docs/functions.md from the comments and grants of an installed extension.
\set ON_ERROR_STOP on
CREATE EXTENSION pg_ark;
SET search_path = pg_catalog;

SELECT $page$# Functions and views

Printed by `make docs` from the comments in the extension. Every function takes named arguments (`name => value`), stands
in the schema `ark`, and may be called by the roles that its entry names, and by superusers.

## Functions
$page$;

SELECT format(E'### %s\n\n%s\n\n```sql\nark.%s(%s)\n    RETURNS %s\n```\n\nFor: %s.\n', p.proname,
              obj_description(p.oid, 'pg_proc'), p.proname,
              CASE WHEN args = '' THEN '' ELSE E'\n    ' || replace(args, ', ', E',\n    ') END,
              pg_get_function_result(p.oid),
              coalesce((SELECT string_agg(format('`%s`', r.rolname), ', ' ORDER BY r.rolname)
                        FROM aclexplode(p.proacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
                        WHERE a.privilege_type = 'EXECUTE' AND r.rolname LIKE 'ark\_%'), 'superusers'))
FROM pg_proc AS p, LATERAL pg_get_function_arguments(p.oid) AS args
WHERE p.pronamespace = 'ark'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NOT NULL
ORDER BY p.proname COLLATE "C", args COLLATE "C";

SELECT E'## Tables and views\n';

SELECT format(E'### %s\n\n%s\n\n| column | type | |\n|---|---|---|\n%s\n\nFor: %s.\n', c.relname,
              obj_description(c.oid, 'pg_class'),
              (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                        coalesce(replace(col_description(c.oid, a.attnum), '|', '\|'), '')), E'\n' ORDER BY a.attnum)
               FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
              coalesce((SELECT string_agg(format('`%s`', r.rolname), ', ' ORDER BY r.rolname)
                        FROM aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
                        WHERE a.privilege_type = 'SELECT' AND r.rolname LIKE 'ark\_%'), 'superusers'))
FROM pg_class AS c
WHERE c.relnamespace = 'ark'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND obj_description(c.oid, 'pg_class') IS NOT NULL
ORDER BY c.relname COLLATE "C";
