-- What many actions ask before they begin. These run with pg_catalog, pg_temp as search_path, set by the library.

-- Who calls, for rights and for the record.
CREATE FUNCTION ark_private.caller(role text, has_written boolean, in_block boolean) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object(
        'role', role, 'session_user', session_user::text, 'application_name', pg_catalog.current_setting('application_name'),
        'client_addr', pg_catalog.host(pg_catalog.inet_client_addr()), 'actor', nullif(pg_catalog.current_setting('ark.actor', true), ''),
        'has_written', has_written, 'in_block', in_block)
$$;

CREATE FUNCTION ark_private.audit(operation text, caller jsonb, outcome text, reason text DEFAULT NULL, arguments jsonb DEFAULT NULL,
                                  job_id bigint DEFAULT NULL, backup_id text DEFAULT NULL, restore_id bigint DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO ark_private.audit_log (operation, actor, session_user_name, application_name, client_addr, reason, arguments, job_id, backup_id, restore_id, outcome)
    VALUES (operation, coalesce(caller->>'actor', caller->>'role'), caller->>'session_user', caller->>'application_name', caller->>'client_addr', reason,
            arguments, job_id, backup_id, restore_id, outcome)
$$;

-- What makes this cluster look like a copy of the one that was adopted, or null. The device alone may change with a restart.
CREATE FUNCTION ark_private.identity_problem() RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_is jsonb := ark_private.server_state()->'fingerprint';
    was ark_private.cluster_identity;
    machine text := encode(sha256(convert_to(now_is->>'machine', 'UTF8')), 'hex');
BEGIN
    FOR was IN SELECT * FROM ark_private.cluster_identity LOOP
        IF was.system_identifier <> now_is->>'system_identifier' THEN
            RETURN 'it was made for another cluster';
        ELSIF now_is->>'restored' <> '' AND was.restored <> now_is->>'restored' THEN
            RETURN format('it was restored from a base backup of the cluster in %s', was.data_directory) || coalesce(' (' || nullif(now_is->>'restored_from', '') || ')', '');
        ELSIF was.machine <> machine THEN
            RETURN 'it was adopted on another machine';
        ELSIF was.inode <> now_is->>'inode' OR (was.device <> now_is->>'device' AND was.data_directory <> now_is->>'data_directory') THEN
            RETURN format('it was adopted in another data directory (%s)', was.data_directory);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION ark_private.record_identity(adopted_by text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM ark_private.cluster_identity;
    INSERT INTO ark_private.cluster_identity (system_identifier, data_directory, device, inode, machine, restored, adopted_by)
    SELECT f->>'system_identifier', f->>'data_directory', f->>'device', f->>'inode', encode(sha256(convert_to(f->>'machine', 'UTF8')), 'hex'), f->>'restored', adopted_by
      FROM (SELECT ark_private.server_state()->'fingerprint' AS f) AS state
$$;
SELECT ark_private.record_identity(session_user::text);

CREATE FUNCTION ark_private.refuse_on_copy() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    problem text := ark_private.identity_problem();
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'this cluster looks like a copy: %', problem
            USING ERRCODE = '55000', DETAIL = 'A copy must not write over, expire or alarm for the cluster it was made from.',
                  HINT = 'If this is meant to be a cluster of its own, or the old one moved here: SELECT * FROM ark.adopt_cluster();';
    END IF;
END
$$;

CREATE FUNCTION ark_private.refuse_other_source(source text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(source, 'local') <> 'local' THEN
        RAISE EXCEPTION 'there is no source "%"', source
            USING ERRCODE = '0A000', HINT = 'This version backs up its own server, source => ''local''.';
    END IF;
END
$$;

CREATE FUNCTION ark_private.refuse_other_store(store text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    stores jsonb := ark_private.server_state()->'stores';
    at integer;
BEGIN
    IF store IS NULL THEN
        RETURN;
    END IF;
    SELECT ordinality INTO at FROM jsonb_array_elements(stores) WITH ORDINALITY WHERE value->>'name' = store;
    IF at IS NULL THEN
        RAISE EXCEPTION 'there is no store "%"', store
            USING ERRCODE = '42704', HINT = format('ark.store names: %s.', (SELECT string_agg(value->>'name', ', ') FROM jsonb_array_elements(stores)));
    ELSIF at > 1 THEN
        RAISE EXCEPTION 'store "%" is not the first one', store
            USING ERRCODE = '0A000', HINT = 'This version writes to the first store of ark.store.';
    END IF;
END
$$;

CREATE FUNCTION ark_private.list_databases() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.string_agg(pg_catalog.format('%I', datname), ', ' ORDER BY datname)
      FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate
$$;

-- The database exists, takes connections, and the caller may connect to it.
CREATE FUNCTION ark_private.check_database(name text, caller jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found_database pg_catalog.pg_database;
BEGIN
    SELECT * INTO found_database FROM pg_database WHERE datname = name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'database "%" does not exist', name USING ERRCODE = '3D000', HINT = format('Databases: %s.', ark_private.list_databases());
    ELSIF NOT found_database.datallowconn THEN
        RAISE EXCEPTION 'database "%" does not accept connections', name USING ERRCODE = '55000';
    ELSIF NOT has_database_privilege(caller->>'role', found_database.oid, 'CONNECT') THEN
        RAISE EXCEPTION 'permission denied for database "%"', name
            USING ERRCODE = '42501', HINT = format('Role "%s" may act on databases that it may connect to.', caller->>'role');
    END IF;
END
$$;

-- Tables that somebody made in this database, other than the extensions' own.
CREATE FUNCTION ark_private.has_user_tables() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'))
$$;

-- The database that is meant when none is named: this one, unless it would be an empty success.
CREATE FUNCTION ark_private.database_or_current(name text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF name IS NULL AND current_database() = current_setting('ark.database', true) AND NOT ark_private.has_user_tables() THEN
        RAISE EXCEPTION 'database "%" has no user table; which database is meant?', current_database()
            USING ERRCODE = '22023', DETAIL = format('Databases: %s.', ark_private.list_databases()),
                  HINT = 'Name it, for example database => ''app''.';
    END IF;
    RETURN coalesce(name, current_database());
END
$$;

-- A backup reads what is committed, in another session.
CREATE FUNCTION ark_private.refuse_unfinished_work(caller jsonb, name text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    locked text;
BEGIN
    SELECT string_agg(CASE WHEN l.database = d.oid AND name = current_database() THEN l.relation::regclass::text ELSE l.relation::text END, ', ') INTO locked
      FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
     WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND d.datname = name AND l.relation >= 16384;
    IF locked IS NOT NULL THEN
        RAISE EXCEPTION 'this transaction holds a lock that the backup would wait for: %', locked
            USING ERRCODE = '25001', HINT = 'Commit or roll back first.';
    END IF;
    IF (caller->>'has_written')::boolean THEN
        RAISE EXCEPTION 'this transaction has written, and a backup would not hold what it wrote'
            USING ERRCODE = '25001', HINT = 'Commit first, then call it by itself.';
    END IF;
END
$$;

-- `clients, "Order Items"` and lists, with names of entities replaced by what they stand for. Null stays null.
CREATE FUNCTION ark_private.resolve_entities(named jsonb, db text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    item text;
    items text[] := '{}';
    out jsonb := '[]';
    defined ark_private.entity;
BEGIN
    IF named IS NULL OR named = 'null'::jsonb THEN
        RETURN NULL;
    ELSIF jsonb_typeof(named) = 'array' THEN
        SELECT coalesce(array_agg(value ORDER BY ordinality), '{}') INTO items FROM jsonb_array_elements_text(named) WITH ORDINALITY;
    ELSE
        SELECT coalesce(array_agg(btrim(m[1]) ORDER BY ordinality), '{}') INTO items
          FROM regexp_matches(named #>> '{}', '((?:"[^"]*"|[^,"])+)', 'g') WITH ORDINALITY AS t(m, ordinality);
    END IF;
    FOREACH item IN ARRAY items LOOP
        IF coalesce(btrim(item), '') = '' THEN
            CONTINUE;
        END IF;
        SELECT * INTO defined FROM ark_private.entity AS e WHERE e.name = item AND (e.database IS NULL OR e.database = db);
        out := out || jsonb_build_array(CASE WHEN FOUND THEN jsonb_build_object('name', defined.name, 'tables', defined.tables) ELSE to_jsonb(item) END);
    END LOOP;
    IF out = '[]'::jsonb THEN
        RAISE EXCEPTION 'which entities? the list is empty' USING ERRCODE = '22023', HINT = 'Name tables or entities, for example ''clients, jobs''.';
    END IF;
    RETURN out;
END
$$;

-- Arguments without those that were not given.
CREATE FUNCTION ark_private.given(arguments jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.jsonb_strip_nulls(arguments) $$;

CREATE FUNCTION ark_private.check_choice(what text, value text, choices text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF value IS NULL OR value <> ALL (choices) THEN
        RAISE EXCEPTION 'there is no % "%"', what, coalesce(value, 'null')
            USING ERRCODE = '22023', HINT = format('It is one of: %s.', array_to_string(choices, ', '));
    END IF;
END
$$;

-- What a decision without a job returns.
CREATE FUNCTION ark_private.decided(action text, message text, database text DEFAULT NULL) RETURNS ark.job_result
LANGUAGE sql AS $$
    SELECT (NULL, 'done', action, NULL, NULL, 'local', database, pg_catalog.now(), pg_catalog.clock_timestamp(), NULL, NULL, message)::ark.job_result
$$;

CREATE FUNCTION ark_private.request(action text, verb text, database text, kind text, exclusive text, light boolean, caller jsonb, arguments jsonb, wait boolean)
RETURNS ark_private.job_request
LANGUAGE sql IMMUTABLE AS $$
    SELECT (action, verb, 'local', database, kind, exclusive, light, caller, arguments, wait)::ark_private.job_request
$$;
