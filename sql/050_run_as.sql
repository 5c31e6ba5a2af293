-- Code that a table's owner wrote runs with the owner's rights, whatever it tries (docs/architecture.md, "Rights").
\set SHOW_CONTEXT never
CREATE ROLE mallory;
CREATE SCHEMA trap AUTHORIZATION mallory;
CREATE TABLE trap.tried (what text, answer text);
GRANT ALL ON trap.tried TO PUBLIC;
CREATE TABLE trap.armed (yes boolean);
GRANT SELECT ON trap.armed TO PUBLIC;
SET SESSION AUTHORIZATION mallory;

-- Tries everything to become somebody else, and writes down what it was told.
CREATE FUNCTION trap.attempt(place text, statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    INSERT INTO trap.tried VALUES (place || ': ' || statement, CASE WHEN statement LIKE 'SELECT%' THEN 'did nothing' ELSE 'WORKED as ' || current_user END);
EXCEPTION WHEN OTHERS THEN
    INSERT INTO trap.tried VALUES (place || ': ' || statement, SQLERRM);
END $$;
CREATE FUNCTION trap.spring(place text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM trap.armed) THEN
        RETURN place;
    END IF;
    PERFORM trap.attempt(place, 'RESET ROLE');
    PERFORM trap.attempt(place, 'RESET SESSION AUTHORIZATION');
    PERFORM trap.attempt(place, 'SET ROLE NONE');
    PERFORM trap.attempt(place, 'SET SESSION AUTHORIZATION DEFAULT');
    PERFORM trap.attempt(place, 'ALTER ROLE mallory SUPERUSER');
    PERFORM trap.attempt(place, 'CREATE TEMPORARY TABLE planted (x integer)');
    PERFORM trap.attempt(place, 'DECLARE kept CURSOR WITH HOLD FOR SELECT trap.spring(''cursor'')');
    PERFORM trap.attempt(place, $s$DO $d$ BEGIN PERFORM pg_temp.ark_run_as(10, 'ALTER ROLE mallory SUPERUSER', false); END $d$ $s$);
    INSERT INTO trap.tried VALUES (place || ': current_user', current_user);
    RETURN place;
END $$;
CREATE FUNCTION trap.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(TG_NAME); RETURN NEW; END $$;
CREATE FUNCTION trap.is_fine(x text, place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM trap.spring(place); RETURN true; END $$;
CREATE FUNCTION trap.same(x text, place text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM trap.spring(place); RETURN x; END $$;
CREATE DOMAIN trap.word AS text CHECK (trap.is_fine(VALUE, 'domain'));
CREATE TABLE trap.bait (
    id integer PRIMARY KEY,
    word trap.word,
    checked text CHECK (trap.is_fine(checked, 'check')),
    given text DEFAULT trap.spring('default'),
    made text GENERATED ALWAYS AS (trap.same('x', 'generated column')) STORED);
CREATE INDEX ON trap.bait (trap.same(checked, 'index'));
CREATE TRIGGER before_row BEFORE INSERT ON trap.bait FOR EACH ROW EXECUTE FUNCTION trap.on_row();
CREATE CONSTRAINT TRIGGER deferred_row AFTER INSERT ON trap.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.on_row();
RESET SESSION AUTHORIZATION;

-- As the engine does it: one transaction, functions in pg_temp, constraints deferred for the sake of foreign keys.
INSERT INTO trap.armed VALUES (true);
BEGIN;
CREATE FUNCTION pg_temp.ark_run_as(oid, text, boolean) RETURNS bigint LANGUAGE c STRICT AS '$libdir/pg_ark', 'ark_run_as';
CREATE FUNCTION pg_temp.ark_select_as(oid, text, boolean) RETURNS SETOF record LANGUAGE c STRICT AS '$libdir/pg_ark', 'ark_select_as';
SET CONSTRAINTS ALL DEFERRED;
SELECT pg_temp.ark_run_as('mallory'::regrole, $$INSERT INTO trap.bait (id, word, checked) VALUES (1, 'a', 'b')$$, false) AS rows;
SELECT current_user = session_user AS ourselves_again, current_setting('search_path') AS search_path;
SET CONSTRAINTS ALL IMMEDIATE;
COMMIT;
SELECT split_part(what, ': ', 1) AS place, count(*), count(*) FILTER (WHERE answer = 'mallory') AS as_owner, count(*) FILTER (WHERE answer ~ 'WORKED') AS worked
  FROM trap.tried GROUP BY 1 ORDER BY 1;
SELECT split_part(what, ': ', 2) AS statement, bool_and(answer NOT LIKE 'WORKED%') AS refused FROM trap.tried WHERE what !~ 'current_user' GROUP BY 1 ORDER BY 1;
SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory';

-- A filter runs as the caller, and read only.
CREATE TABLE ours (id integer);
INSERT INTO ours VALUES (1);
SELECT * FROM pg_temp.ark_select_as('mallory'::regrole, 'SELECT id FROM trap.bait WHERE id < 10', false) AS t(id integer);
SELECT * FROM pg_temp.ark_select_as('mallory'::regrole, 'SELECT id FROM public.ours', false) AS t(id integer);
SELECT * FROM pg_temp.ark_select_as('mallory'::regrole, $$SELECT 1 WHERE trap.spring('filter') IS NOT NULL$$, false) AS t(id integer);
SELECT * FROM pg_temp.ark_select_as('mallory'::regrole, 'SELECT id FROM trap.bait', false) AS t(id bigint);
SELECT * FROM pg_temp.ark_select_as('mallory'::regrole, 'DELETE FROM trap.bait RETURNING id', false) AS t(id integer);
SELECT pg_temp.ark_run_as('mallory'::regrole, 'DELETE FROM trap.bait', true);

-- A trigger that makes another deferred trigger would have it run at COMMIT.
SET SESSION AUTHORIZATION mallory;
CREATE TABLE trap.second (id integer);
CREATE FUNCTION trap.plant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON trap.second DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.on_row();
    INSERT INTO trap.second VALUES (1);
    RETURN NEW;
END $$;
CREATE TABLE trap.first (id integer);
CREATE TRIGGER planting BEFORE INSERT ON trap.first FOR EACH ROW EXECUTE FUNCTION trap.plant();
RESET SESSION AUTHORIZATION;
SELECT pg_temp.ark_run_as('mallory'::regrole, 'INSERT INTO trap.first VALUES (1)', false);

-- What a role changes of the session is undone, and only a superuser's own session may call it.
SELECT pg_temp.ark_run_as('mallory'::regrole, 'SET work_mem = ''1MB''; SET search_path = trap', false);
SELECT current_setting('work_mem') <> '1MB' AS undone;
SELECT pg_temp.ark_run_as('mallory'::regrole, 'COMMIT', false);
SELECT pg_temp.ark_run_as(0, 'SELECT 1', false);
SET ROLE mallory;
SELECT pg_temp.ark_run_as('mallory'::regrole, 'SELECT 1', false);
RESET ROLE;
DROP TABLE ours;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
DROP ROLE mallory;
