-- pg_ark: the whole current schema. Built from extension/sql/*.sql in the order of their numbers.
\echo Use "CREATE EXTENSION pg_ark" to load this file. \quit

DO $guard$
DECLARE
    wanted text := pg_catalog.current_setting('ark.database', true);
    taken text;
BEGIN
    IF wanted <> pg_catalog.current_database() THEN
        RAISE EXCEPTION 'pg_ark belongs in database "%", this is "%"', wanted, pg_catalog.current_database()
            USING ERRCODE = '55000', DETAIL = 'Its launcher is connected to the database that ark.database names.',
                  HINT = 'Connect to that database, or set ark.database and restart the server.';
    END IF;
    IF wanted IS NULL THEN
        RAISE WARNING 'pg_ark is not in shared_preload_libraries: nothing runs until it is, and the server is restarted';
    END IF;
    SELECT pg_catalog.string_agg(nspname, ', ') INTO taken FROM pg_catalog.pg_namespace WHERE nspname IN ('ark', 'ark_private');
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION 'schema % exists already', taken
            USING ERRCODE = '42P06', DETAIL = 'What others put there could change what pg_ark does.', HINT = 'Rename or drop it first.';
    END IF;
END
$guard$;
