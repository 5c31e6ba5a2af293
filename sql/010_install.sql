-- What CREATE EXTENSION makes, and what it refuses.
\set SHOW_CONTEXT never
CREATE SCHEMA ark;
CREATE EXTENSION pg_ark;
DROP SCHEMA ark;
CREATE ROLE ark_reader NOLOGIN;
CREATE ROLE somebody NOLOGIN;
GRANT ark_reader TO somebody;
CREATE EXTENSION pg_ark;
REVOKE ark_reader FROM somebody;
DROP ROLE somebody;
CREATE EXTENSION pg_ark;
CREATE EXTENSION pg_ark;

-- The public functions.
\a\t
SELECT p.proname, '(' || pg_get_function_arguments(p.oid) || ')' FROM pg_proc AS p WHERE p.pronamespace = 'ark'::regnamespace ORDER BY 1, 2;
\a\t
-- Of each: a comment, no right for PUBLIC, and nothing for anybody but the five roles.
SELECT p.proname FROM pg_proc AS p
 WHERE p.pronamespace IN ('ark'::regnamespace, 'ark_private'::regnamespace) AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.relname FROM pg_class AS c
 WHERE c.relnamespace IN ('ark'::regnamespace, 'ark_private'::regnamespace) AND c.relkind IN ('r', 'v', 'S') AND has_table_privilege('public', c.oid, 'SELECT');
SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'ark'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
-- Of each view and each column: a comment.
SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'ark'::regnamespace AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'ark'::regnamespace AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL;
-- Decisions and history are in a dump; what the store knows is not.
SELECT c.relname FROM pg_extension AS e, unnest(e.extconfig) AS config JOIN pg_class AS c ON c.oid = config WHERE e.extname = 'pg_ark' ORDER BY 1;
-- Who may what.
SELECT r.rolname AS member, string_agg(g.rolname, ', ' ORDER BY g.rolname) AS has
  FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.member JOIN pg_roles AS g ON g.oid = m.roleid
 WHERE g.rolname LIKE 'ark\_%' GROUP BY 1 ORDER BY 1;
-- A setting that does not exist or has a wrong value is refused; a secret is never among them.
SET ark.nonsense = 1;
ALTER SYSTEM SET ark.store = 'ftp://example.com/x';
ALTER SYSTEM SET ark.jobs = 0;
ALTER SYSTEM SET ark.encryption_key = 'file:/tmp/key';
SHOW ark.database;

-- The launcher may have waited for this database to be made.
DO $$
BEGIN
    FOR attempt IN 1 .. 300 LOOP
        IF EXISTS (SELECT FROM ark.scheduler_status() WHERE state = 'running') THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE 'the launcher does not start';
END
$$;
