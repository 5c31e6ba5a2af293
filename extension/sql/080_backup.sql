-- Backups and what is done to one: each function checks its arguments and says which job it is.

-- By whom, for the store's events.
CREATE FUNCTION ark_private.actor(caller jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(caller->>'actor', caller->>'role') $$;

-- Of the whole cluster: no database is meant, and nobody waits unless he says so, because a waiting statement holds back vacuum.
CREATE FUNCTION ark_private.physical_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    IF args->>'database' IS NOT NULL OR nullif(args->'entities', 'null') IS NOT NULL THEN
        RAISE EXCEPTION 'a physical backup is of the whole cluster' USING ERRCODE = '22023', HINT = 'Leave database and entities out.';
    END IF;
    RETURN ark_private.request('backup', 'backup', NULL, 'physical', 'local//physical', false, caller,
               ark_private.given(jsonb_build_object('kind', 'physical', 'source', 'local', 'label', args->>'label', 'reason', args->>'reason',
                                                    'hold_until', ark_private.utc((args->>'hold_until')::timestamptz))),
               coalesce((args->>'wait')::boolean, false));
END
$$;

CREATE FUNCTION ark_private.backup_now(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    kind text := args->>'kind';
    db text;
    entities jsonb;
BEGIN
    PERFORM ark_private.refuse_on_copy();
    IF kind IN ('both', 'files') THEN
        RAISE EXCEPTION 'backups of kind "%" are not part of this version', kind
            USING ERRCODE = '0A000',
                  HINT = CASE kind WHEN 'both' THEN 'Call ark.backup_now() and ark.export_now().'
                                   ELSE 'kind => ''logical'' is a consistent copy of one database, kind => ''physical'' one of the cluster.' END;
    END IF;
    PERFORM ark_private.check_choice('backup kind', kind, '{logical,entities,physical}');
    PERFORM ark_private.refuse_other_source(args->>'source');
    PERFORM ark_private.refuse_other_store(args->>'store');
    IF kind = 'physical' THEN
        RETURN ark_private.physical_backup(args, caller);
    END IF;
    db := ark_private.database_or_current(args->>'database');
    PERFORM ark_private.check_database(db, caller);
    PERFORM ark_private.refuse_unfinished_work(caller, db);
    entities := ark_private.resolve_entities(args->'entities', db);
    IF entities IS NOT NULL THEN
        kind := 'entities';
    ELSIF kind = 'entities' THEN
        RAISE EXCEPTION 'an entities backup needs the entities' USING ERRCODE = '22023', HINT = 'For example entities => ''clients, jobs''.';
    END IF;
    RETURN ark_private.request('backup', 'backup', db, kind, format('local/%s/%s', db, kind), false, caller,
               ark_private.given(jsonb_build_object('kind', kind, 'database', db, 'source', 'local', 'entities', entities, 'label', args->>'label',
                                                    'reason', args->>'reason', 'hold_until', ark_private.utc((args->>'hold_until')::timestamptz))),
               coalesce((args->>'wait')::boolean, true));
END
$$;

CREATE FUNCTION ark_private.export_now(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    db text;
    entities jsonb;
    export_format text;
    point text := args->>'restore_point';
BEGIN
    PERFORM ark_private.refuse_on_copy();
    PERFORM ark_private.refuse_other_store(args->>'store');
    db := ark_private.database_or_current(args->>'database');
    PERFORM ark_private.check_database(db, caller);
    entities := ark_private.resolve_entities(args->'entities', db);
    export_format := coalesce(args->>'format', CASE WHEN entities IS NULL THEN 'sql' ELSE 'json' END);
    PERFORM ark_private.check_choice('export format', export_format, '{json,jsonl,csv,sql}');
    IF entities IS NULL AND export_format <> 'sql' THEN
        RAISE EXCEPTION 'format % needs entities', export_format
            USING ERRCODE = '22023', HINT = 'Name them, for example ark.export_now(''clients, jobs''); a whole database is exported as sql.';
    END IF;
    IF point IS NULL THEN
        PERFORM ark_private.refuse_unfinished_work(caller, db);
    END IF;
    RETURN ark_private.request('export', 'export', db, export_format,
               CASE WHEN point IS NULL THEN format('local/%s/%s', db, CASE WHEN entities IS NULL THEN 'logical' ELSE 'entities' END) ELSE '' END,
               false, caller,
               ark_private.given(jsonb_build_object('now', point IS NULL, 'restore_point', point, 'to_store', true, 'database', db, 'entities', entities,
                                                    'format', export_format, 'layout', args->>'layout', 'label', args->>'label',
                                                    'reason', args->>'reason')),
               (args->>'wait')::boolean);
END
$$;

-- The database of a backup that the caller may see, by id or label; null for one that only the store knows.
CREATE FUNCTION ark_private.database_of(named text, db text, caller jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found_database text;
BEGIN
    IF coalesce(named, '') = '' THEN
        RAISE EXCEPTION 'which backup?' USING ERRCODE = '22023', HINT = 'Give its id or label: SELECT restore_point, label FROM ark.list_restore_points();';
    END IF;
    SELECT b.database INTO found_database FROM ark_private.backup AS b
     WHERE (b.backup_id = named OR b.label = named) AND (db IS NULL OR b.database = db) ORDER BY b.sequence DESC NULLS LAST LIMIT 1;
    found_database := coalesce(db, found_database);
    IF EXISTS (SELECT FROM pg_database WHERE datname = found_database) THEN
        PERFORM ark_private.check_database(found_database, caller);
    END IF;
    RETURN found_database;
END
$$;

CREATE FUNCTION ark_private.on_backup(action text, verb text, args jsonb, caller jsonb, more jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    named text := args->>'backup_id';
BEGIN
    PERFORM ark_private.refuse_on_copy();
    RETURN ark_private.request(action, verb, ark_private.database_of(named, NULL, caller), NULL, 'backup/' || named, true, caller,
               ark_private.given(jsonb_build_object('backup', named, 'by', ark_private.actor(caller)) || more), coalesce((args->>'wait')::boolean, true));
END
$$;

CREATE FUNCTION ark_private.hold_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    IF (args->>'hold_until')::timestamptz <= clock_timestamp() THEN
        RAISE EXCEPTION 'a hold until % has passed already', args->>'hold_until'
            USING ERRCODE = '22023', HINT = 'Leave hold_until out to hold it until ark.release_backup().';
    END IF;
    RETURN ark_private.on_backup('hold', 'hold', args, caller,
        jsonb_build_object('until', ark_private.utc((args->>'hold_until')::timestamptz), 'reason', args->>'reason'));
END
$$;

CREATE FUNCTION ark_private.release_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE sql AS $$ SELECT ark_private.on_backup('release', 'release', args, caller, pg_catalog.jsonb_build_object('reason', args->>'reason')) $$;

CREATE FUNCTION ark_private.delete_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE sql AS $$ SELECT ark_private.on_backup('delete', 'delete', args, caller, pg_catalog.jsonb_build_object('reason', args->>'reason')) $$;

CREATE FUNCTION ark_private.annotate_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    IF args->>'label' IS NULL AND args->>'note' IS NULL THEN
        RAISE EXCEPTION 'an annotation needs a label or a note' USING ERRCODE = '22023';
    END IF;
    RETURN ark_private.on_backup('annotate', 'annotate', args, caller, jsonb_build_object('label', args->>'label', 'note', args->>'note'));
END
$$;

CREATE FUNCTION ark_private.verify_backup(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    db text := args->>'database';
BEGIN
    PERFORM ark_private.refuse_on_copy();
    IF args->>'level' = 'restore' OR args->>'target' IS NOT NULL THEN
        RAISE EXCEPTION 'verification by restoring is not part of this version'
            USING ERRCODE = '0A000', HINT = 'Levels are exists, checksum and decode.';
    END IF;
    PERFORM ark_private.check_choice('level', args->>'level', '{exists,checksum,decode}');
    db := ark_private.database_of(args->>'backup_id', db, caller);
    RETURN ark_private.request('verify', 'verify', db, args->>'level', 'verify/' || (args->>'backup_id'), false, caller,
               ark_private.given(jsonb_build_object('backup', args->>'backup_id', 'database', args->>'database', 'level', args->>'level',
                                                    'by', ark_private.actor(caller))),
               (args->>'wait')::boolean);
END
$$;

CREATE FUNCTION ark_private.create_restore_point(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ark_private.refuse_on_copy();
    IF coalesce(args->>'name', '') = '' OR octet_length(args->>'name') > 63 THEN
        RAISE EXCEPTION 'a restore point needs a name of 1 to 63 bytes' USING ERRCODE = '22023';
    END IF;
    RETURN ark_private.request('create_restore_point', 'create-restore-point', NULL, NULL, 'restore_point', true, caller,
               ark_private.given(jsonb_build_object('name', args->>'name', 'reason', args->>'reason', 'by', ark_private.actor(caller))),
               (args->>'wait')::boolean);
END
$$;

CREATE FUNCTION ark_private.check_store(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ark_private.request('check', 'check', NULL, NULL, 'check', true, caller, ark_private.given(jsonb_build_object('store_name', args->>'store')), true);
END
$$;

CREATE FUNCTION ark_private.check_rows(id bigint) RETURNS TABLE (store text, "check" text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE AS $$
    SELECT c->>'store', c->>'check', (c->>'ok')::boolean, c->>'detail', c->>'hint'
      FROM ark_private.job AS j, pg_catalog.jsonb_array_elements(j.result->'checks') WITH ORDINALITY AS t(c, at) WHERE j.job_id = id ORDER BY at
$$;

CREATE FUNCTION ark_private.rebuild_catalog(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE sql AS $$
    SELECT ark_private.request('rebuild_catalog', 'list', NULL, NULL, 'rebuild', true, caller, ark_private.given(pg_catalog.jsonb_build_object('accept_empty', (args->>'accept_empty')::boolean, 'windows', true)), true)
$$;

CREATE FUNCTION ark_private.take_over(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ark_private.refuse_on_copy();
    IF coalesce(args->>'reason', '') = '' THEN
        RAISE EXCEPTION 'why does this server take over?' USING ERRCODE = '22023', HINT = 'Give a reason; it is kept in the store.';
    END IF;
    RETURN ark_private.request('take_over', 'lease', NULL, NULL, 'lease', true, caller, jsonb_build_object('action', 'take', 'reason', args->>'reason'), true);
END
$$;

-- SQL may name secret files only below ark.secrets_dir, and no command at all.
CREATE FUNCTION ark_private.rotate_key(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    reference text := coalesce(args->>'new_key', '');
    directory text := nullif(current_setting('ark.secrets_dir', true), '');
BEGIN
    PERFORM ark_private.refuse_on_copy();
    IF (args->>'reencrypt')::boolean THEN
        RAISE EXCEPTION 're-encryption is not part of this version'
            USING ERRCODE = '0A000', HINT = 'Rotation wraps the data keys anew; stored data stays as it is.';
    ELSIF reference LIKE 'env:%' THEN
        NULL;
    ELSIF reference NOT LIKE 'file:/%' OR directory IS NULL OR reference LIKE '%/../%' OR NOT starts_with(substr(reference, 6), rtrim(directory, '/') || '/') THEN
        RAISE EXCEPTION 'SQL may not name this key'
            USING ERRCODE = '42501', DETAIL = 'A key file must lie below ark.secrets_dir; command: is for the configuration file only.',
                  HINT = 'Set ark.secrets_dir, or run the program: pg_ark key rotate --new-key file:PATH.';
    END IF;
    RETURN ark_private.request('rotate_key', 'key', NULL, NULL, 'key', true, caller,
               ark_private.given(jsonb_build_object('action', 'rotate', 'new_key', reference)), true);
END
$$;

CREATE FUNCTION ark_private.confirm_key_escrow(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ark_private.refuse_on_copy();
    RETURN ark_private.request('confirm_key_escrow', 'key', NULL, NULL, 'key', true, caller,
               ark_private.given(jsonb_build_object('action', 'confirm', 'fingerprint', args->>'fingerprint')), true);
END
$$;

-- Whoever started a job may cancel it; operators may cancel what is no restore, restorers restores, administrators all.
CREATE FUNCTION ark_private.cancel_job(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    id bigint := (args->>'job_id')::bigint;
    j ark_private.job;
    who text := caller->>'role';
BEGIN
    SELECT * INTO j FROM ark_private.job WHERE job_id = id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', id USING ERRCODE = '42704', HINT = 'SELECT job_id, action, state FROM ark.progress;';
    END IF;
    IF j.caller->>'role' <> who AND NOT pg_has_role(who, CASE WHEN j.action IN ('restore', 'undo') THEN 'ark_restorer' ELSE 'ark_operator' END, 'USAGE') THEN
        RAISE EXCEPTION 'permission denied for job %', id USING ERRCODE = '42501', DETAIL = format('It was started by "%s".', j.caller->>'role');
    END IF;
    IF NOT ark_private.request_cancel(id, format('cancelled by %s%s', ark_private.actor(caller), coalesce(': ' || (args->>'reason'), ''))) THEN
        RAISE EXCEPTION 'job % has ended: %', id, j.state USING ERRCODE = '55000', HINT = format('SELECT * FROM ark.job_history WHERE job_id = %s;', id);
    END IF;
    PERFORM ark_private.audit('cancel_job', caller, 'requested', args->>'reason', args, id);
    RETURN QUERY SELECT id, 'cancelling'::text, j.action, j.backup_id, j.restore_id, j.source, j.database, j.started_at, NULL::timestamptz,
                        NULL::bigint, NULL::bigint, 'asked to end; its outcome will be in ark.job_history'::text;
END
$$;
