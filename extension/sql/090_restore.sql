-- Restores of entities, their plans and their undoing.

CREATE FUNCTION ark_private.refuse_transaction_block(caller jsonb, dry_run boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF (caller->>'in_block')::boolean AND NOT dry_run THEN
        RAISE EXCEPTION 'a restore cannot run inside a transaction block'
            USING ERRCODE = '25001', DETAIL = 'It commits by itself, and could not be rolled back with the block.',
                  HINT = 'Run it as a statement of its own. dry_run => true may run anywhere.';
    END IF;
END
$$;

CREATE FUNCTION ark_private.restore_request(action text, target_db text, caller jsonb, arguments jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    dry_run boolean := coalesce((arguments->>'dry_run')::boolean, false);
BEGIN
    PERFORM ark_private.refuse_on_copy();
    PERFORM ark_private.refuse_transaction_block(caller, dry_run);
    PERFORM ark_private.check_database(target_db, caller);
    RETURN ark_private.request(action, 'restore-entities', target_db, arguments->>'mode', CASE WHEN dry_run THEN '' ELSE format('local/%s/restore', target_db) END,
               dry_run, caller, ark_private.given(arguments || jsonb_build_object('target_database', target_db, 'caller', caller->>'role')), true);
END
$$;

CREATE FUNCTION ark_private.restore_entities(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    db text := args->>'database';
    point text := coalesce(args->>'restore_point', 'latest');
BEGIN
    IF args->>'as_of' IS NOT NULL AND point <> 'latest' THEN
        RAISE EXCEPTION 'restore_point and as_of cannot be given together' USING ERRCODE = '22023';
    ELSIF args->>'as_of' IS NOT NULL THEN
        RAISE EXCEPTION 'restoring as of any moment is not part of this version'
            USING ERRCODE = '0A000', DETAIL = 'It needs the archived WAL; there are backups only.',
                  HINT = 'Choose a backup: SELECT restore_point, time FROM ark.list_restore_points();';
    ELSIF coalesce(args->>'target', 'local') <> 'local' THEN
        RAISE EXCEPTION 'there is no target "%"', args->>'target'
            USING ERRCODE = '0A000', HINT = 'This version restores into its own server: target_database => names another database of it.';
    END IF;
    PERFORM ark_private.check_choice('mode', args->>'mode', '{insert_missing,upsert,replace,side_by_side}');
    PERFORM ark_private.check_choice('choice of triggers', args->>'triggers', '{skip,fire}');
    BEGIN
        PERFORM (args->>'lock_timeout')::interval;
    EXCEPTION WHEN OTHERS THEN
        RAISE EXCEPTION 'lock_timeout cannot be "%"', args->>'lock_timeout' USING ERRCODE = '22023', HINT = 'It is a time, for example ''10 s''.';
    END;
    IF point = 'latest' THEN
        db := ark_private.database_or_current(db);
    ELSE
        -- A backup id says which database it is of; a label may need the database to be named.
        db := coalesce(db, ark_private.database_of(point, NULL, caller), current_database());
    END IF;
    IF EXISTS (SELECT FROM pg_database WHERE datname = db) THEN
        PERFORM ark_private.check_database(db, caller);
    END IF;
    RETURN ark_private.restore_request('restore', coalesce(args->>'target_database', db), caller,
        ark_private.given(jsonb_build_object(
            'entities', ark_private.resolve_entities(args->'entities', db), 'restore_point', point, 'database', db, 'target_schema', args->>'target_schema',
            'mode', args->>'mode', 'filter', args->>'filter', 'with_referenced', (args->>'with_referenced')::boolean, 'columns', nullif(args->'columns', 'null'),
            'triggers', args->>'triggers', 'cascade', (args->>'cascade')::boolean, 'dry_run', (args->>'dry_run')::boolean,
            'safety', (args->>'safety')::boolean, 'lock_timeout', args->>'lock_timeout', 'reason', args->>'reason')));
END
$$;

CREATE FUNCTION ark_private.run_plan(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    id bigint := (args->>'plan_id')::bigint;
    p ark_private.plan;
BEGIN
    SELECT * INTO p FROM ark_private.plan WHERE plan_id = id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no plan %', id USING ERRCODE = '42704', HINT = 'A dry run of ark.restore_entities() makes one and tells its plan_id.';
    ELSIF p.caller->>'role' <> caller->>'role' AND NOT pg_has_role(caller->>'role', 'ark_admin', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied for plan %', id USING ERRCODE = '42501', DETAIL = format('It was made by "%s", with that role''s rights.', p.caller->>'role');
    ELSIF p.run_as_restore IS NOT NULL THEN
        RAISE EXCEPTION 'plan % was run as restore %', id, p.run_as_restore USING ERRCODE = '55000', HINT = 'Make a new one with a dry run.';
    END IF;
    RETURN ark_private.restore_request(CASE WHEN p.arguments ? 'undo' THEN 'undo' ELSE 'restore' END, p.arguments->>'target_database', caller,
        p.arguments || jsonb_build_object('plan', p.tables, 'ark', coalesce(p.arguments->'ark', '{}') || jsonb_build_object('plan_id', id))
                    || CASE WHEN args->>'reason' IS NULL THEN '{}' ELSE jsonb_build_object('reason', args->>'reason') END);
END
$$;

-- Jobs that release the safety copies of restores that were rolled back without an engine to end them. One whose fate the
-- server does not know stays held. Called by the launcher.
CREATE FUNCTION ark_private.settle_restores()
RETURNS TABLE (job_id bigint, action text, verb text, source text, database text, kind text, exclusive text, schedule text, light boolean, caller text, arguments text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r ark_private.restore;
    request ark_private.job_request;
    fate text;
BEGIN
    FOR r IN SELECT * FROM ark_private.restore AS c WHERE c.unused_copy IS NOT NULL ORDER BY c.restore_id LOOP
        BEGIN
            fate := pg_xact_status(r.transaction_id);
        EXCEPTION WHEN OTHERS THEN    -- a number of another cluster, which a dump brought here
            fate := NULL;
        END;
        CONTINUE WHEN fate = 'in progress';
        UPDATE ark_private.restore AS c SET unused_copy = NULL WHERE c.restore_id = r.restore_id;
        CONTINUE WHEN fate IS DISTINCT FROM 'aborted' OR ark_private.identity_problem() IS NOT NULL;
        request := ark_private.on_backup('release', 'release', jsonb_build_object('backup_id', r.unused_copy), jsonb_build_object('role', r.requested_by),
                                         jsonb_build_object('reason', format('restore %s was rolled back', r.restore_id)));
        job_id := nextval('ark_private.job_id_seq');
        INSERT INTO ark_private.job (job_id, action, verb, state, source, database, kind, caller, arguments)
        VALUES (settle_restores.job_id, request.action, request.verb, 'queued', request.source, r.target_database, request.kind, request.caller, request.arguments);
        RETURN QUERY SELECT settle_restores.job_id, request.action, request.verb, request.source, r.target_database, request.kind, request.exclusive, NULL::text,
                            request.light, request.caller::text, request.arguments::text;
    END LOOP;
END
$$;

CREATE FUNCTION ark_private.undo_restore(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    id bigint := (args->>'restore_id')::bigint;
    r ark_private.restore;
BEGIN
    SELECT * INTO r FROM ark_private.restore WHERE restore_id = id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no restore %', id USING ERRCODE = '42704', HINT = 'SELECT restore_id, started_at, entities FROM ark.restores;';
    ELSIF NOT r.committed THEN
        RAISE EXCEPTION 'restore % changed nothing', id USING ERRCODE = '55000', DETAIL = format('It is %s.', r.state);
    ELSIF r.undone_by IS NOT NULL THEN
        RAISE EXCEPTION 'restore % was undone by restore %', id, r.undone_by USING ERRCODE = '55000', HINT = format('SELECT * FROM ark.undo_restore(%s); brings it back.', r.undone_by);
    ELSIF r.safety_backup_id IS NULL THEN
        RAISE EXCEPTION 'restore % kept no safety copy', id
            USING ERRCODE = '55000', DETAIL = 'It was run with safety => false, or it changed no row.', HINT = 'Restore from an earlier backup instead.';
    END IF;
    RETURN ark_private.restore_request('undo', r.target_database, caller,
        ark_private.given(jsonb_build_object('undo', true, 'restore_point', r.safety_backup_id, 'dry_run', (args->>'dry_run')::boolean,
                                             'lock_timeout', args->>'lock_timeout', 'reason', args->>'reason', 'ark', jsonb_build_object('undo_of', id))));
END
$$;

CREATE FUNCTION ark_private.joined(list jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE pg_catalog.jsonb_typeof(list)
           WHEN 'array' THEN (SELECT pg_catalog.string_agg(item, '; ') FROM pg_catalog.jsonb_array_elements_text(list) AS item)
           WHEN 'null' THEN NULL ELSE list #>> '{}' END
$$;

CREATE FUNCTION ark_private.texts(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE pg_catalog.jsonb_typeof(list) WHEN 'array' THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(list)) END
$$;

-- How long a restore of so many rows took before; null if none was measured.
CREATE FUNCTION ark_private.estimate_restore(to_write bigint) RETURNS interval
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.make_interval(secs => to_write / rate)
      FROM (SELECT sum((t->>'to_insert')::bigint + (t->>'to_update')::bigint + (t->>'to_delete')::bigint) / nullif(extract(epoch FROM sum(r.finished_at - r.started_at) / count(*)), 0) AS rate
              FROM (SELECT * FROM ark_private.restore WHERE committed ORDER BY restore_id DESC LIMIT 1) AS r, pg_catalog.jsonb_array_elements(r.tables) AS t) AS measured
     WHERE rate > 0
$$;

-- What a dry run and a run return: a row for each table, and a last one that says what happened and how to undo it.
CREATE FUNCTION ark_private.restore_rows(id bigint)
RETURNS TABLE (restore_id bigint, plan_id bigint, table_name text, to_insert bigint, to_update bigint, to_delete bigint, unchanged bigint, conflicts bigint,
               sample_keys text[], triggers text[], cascades text[], locks text, estimated interval, notes text)
LANGUAGE sql STABLE AS $$
    SELECT j.restore_id, j.plan_id, t->>'table_name', (t->>'to_insert')::bigint, (t->>'to_update')::bigint, (t->>'to_delete')::bigint,
           (t->>'unchanged')::bigint, (t->>'conflicts')::bigint, ark_private.texts(t->'sample_keys'), ark_private.texts(t->'triggers'),
           ark_private.texts(t->'cascades'), t->>'locks',
           CASE WHEN (j.arguments->>'dry_run')::boolean
                THEN ark_private.estimate_restore((t->>'to_insert')::bigint + (t->>'to_update')::bigint + (t->>'to_delete')::bigint) END,
           ark_private.joined(t->'notes')
      FROM (SELECT j.job_id, j.restore_id, j.plan_id, j.arguments, x.t, x.at
              FROM ark_private.job AS j, pg_catalog.jsonb_array_elements(j.result->'tables') WITH ORDINALITY AS x(t, at) WHERE j.job_id = id ORDER BY x.at) AS j
    UNION ALL
    SELECT j.restore_id, j.plan_id, NULL, s.to_insert, s.to_update, s.to_delete, s.unchanged, s.conflicts, NULL, NULL, NULL, NULL, NULL,
           pg_catalog.rtrim(j.message, '.') || CASE
               WHEN (j.arguments->>'dry_run')::boolean AND s.conflicts > 0 THEN pg_catalog.format('. A run would refuse: %s rows cannot be restored', s.conflicts)
               WHEN (j.arguments->>'dry_run')::boolean THEN pg_catalog.format('. Nothing was changed. To do exactly this: SELECT * FROM ark.run_plan(%s);', j.plan_id)
               WHEN j.result->>'safety_backup_id' IS NOT NULL AND pg_catalog.strpos(j.message, 'undo_restore') = 0
                   THEN pg_catalog.format('. To undo: SELECT * FROM ark.undo_restore(%s);', j.restore_id)
               ELSE '' END
      FROM ark_private.job AS j,
           (SELECT sum((t->>'to_insert')::bigint) AS to_insert, sum((t->>'to_update')::bigint) AS to_update, sum((t->>'to_delete')::bigint) AS to_delete,
                   sum((t->>'unchanged')::bigint) AS unchanged, sum((t->>'conflicts')::bigint) AS conflicts
              FROM ark_private.job AS k, pg_catalog.jsonb_array_elements(k.result->'tables') AS t WHERE k.job_id = id) AS s
     WHERE j.job_id = id
$$;
