-- The life of a job's row. Called by the launcher (reserve, queue, interrupt) and by the job's worker (begin, finish),
-- each in a transaction of its own.

-- Ids are handed out from shared memory, so that a session that asks for one gets no transaction id of its own.
CREATE FUNCTION ark_private.reserve_job_ids(how_many integer) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.setval('ark_private.job_id_seq', pg_catalog.nextval('ark_private.job_id_seq') + how_many - 1) - how_many + 1
$$;

CREATE FUNCTION ark_private.queue_job(id bigint, action text, verb text, source text, database text, kind text, schedule text, caller jsonb, arguments jsonb)
RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO ark_private.job (job_id, action, verb, state, source, database, kind, schedule, caller, arguments)
    VALUES (id, action, verb, 'queued', source, database, kind, schedule, caller, arguments)
$$;

-- A restore is about to write: with this its outcome can be learnt whatever dies meanwhile. Again without a copy: it was
-- rolled back, and the engine has ended the copy itself.
CREATE FUNCTION ark_private.note_transaction(id bigint, writing xid8, safety text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE ark_private.restore SET transaction_id = writing, safety_backup_id = safety WHERE job_id = id
$$;

-- Whether the restore of a job is in the database; null: it never wrote, or it is too long ago. A session that is ended may need a moment to notice.
CREATE FUNCTION ark_private.was_committed(id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    writing xid8 := (SELECT transaction_id FROM ark_private.restore WHERE job_id = id);
BEGIN
    FOR i IN 1 .. 100 LOOP
        EXIT WHEN pg_xact_status(writing) IS DISTINCT FROM 'in progress';
        PERFORM pg_sleep(0.1);
    END LOOP;
    RETURN pg_xact_status(writing) = 'committed';
END
$$;

-- Jobs that a crash or a restart ended without an outcome.
CREATE FUNCTION ark_private.interrupt_jobs(alive bigint[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lost ark_private.job;
    lost_count bigint := 0;
    is_in boolean;
BEGIN
    DELETE FROM ark_private.job WHERE action = 'refresh_catalog' AND state IN ('queued', 'running') AND job_id <> ALL (alive);    -- the next look comes by itself
    FOR lost IN SELECT * FROM ark_private.job WHERE state IN ('queued', 'running') AND job_id <> ALL (alive) ORDER BY job_id FOR UPDATE LOOP
        is_in := CASE WHEN lost.restore_id IS NOT NULL THEN ark_private.was_committed(lost.job_id) END;
        UPDATE ark_private.job SET state = 'interrupted', finished_at = clock_timestamp(), sqlstate = '57P02',
               message = CASE lost.state WHEN 'queued' THEN 'the server stopped before the job began' ELSE 'the server stopped while the job ran' END,
               detail = CASE WHEN is_in THEN format('Restore %s was committed.', lost.restore_id) WHEN lost.restore_id IS NOT NULL THEN 'Nothing changed.' END,
               hint = CASE WHEN is_in THEN format('To undo: SELECT * FROM ark.undo_restore(%s);', lost.restore_id)
                           ELSE 'Nothing reported done is lost. Run it again.' END
         WHERE job_id = lost.job_id;
        UPDATE ark_private.restore SET state = 'interrupted', finished_at = clock_timestamp(), committed = coalesce(is_in, false),
               safety_backup_id = CASE WHEN is_in THEN safety_backup_id END, unused_copy = CASE WHEN is_in THEN NULL ELSE safety_backup_id END
         WHERE job_id = lost.job_id AND state = 'running';
        PERFORM ark_private.audit(lost.action, lost.caller, 'interrupted', lost.arguments->>'reason', lost.arguments, lost.job_id, lost.backup_id, lost.restore_id);
        lost_count := lost_count + 1;
    END LOOP;
    RETURN lost_count;
END
$$;

CREATE FUNCTION ark_private.begin_job(id bigint, OUT arguments jsonb, OUT restore_id bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    j ark_private.job;
    ours jsonb;
BEGIN
    UPDATE ark_private.job SET state = 'running', started_at = clock_timestamp() WHERE job_id = id AND state = 'queued' RETURNING * INTO j;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % is not queued', id USING ERRCODE = '55000';
    END IF;
    ours := coalesce(j.arguments->'ark', '{}');
    arguments := j.arguments - 'ark';
    IF j.action = 'refresh_catalog' THEN
        arguments := arguments || (SELECT jsonb_build_object('known', known, 'accept_empty', known = '[]') FROM ark_private.known_backups() AS known);
    END IF;
    IF j.verb = 'restore-entities' AND NOT coalesce((arguments->>'dry_run')::boolean, false) THEN
        restore_id := nextval('ark_private.restore_id_seq');
        arguments := arguments || jsonb_build_object('restore_id', restore_id);
        INSERT INTO ark_private.restore (restore_id, job_id, plan_id, source, database, target_database, target_schema, entities, mode, filter, state,
                                         requested_by, reason, started_at, undo_of)
        VALUES (restore_id, id, (ours->>'plan_id')::bigint, j.source, coalesce(arguments->>'database', j.database), j.database, arguments->>'target_schema', arguments->'entities',
                coalesce(arguments->>'mode', CASE WHEN arguments ? 'undo' THEN 'undo' END), arguments->>'filter', 'running', j.caller->>'role',
                arguments->>'reason', clock_timestamp(), (ours->>'undo_of')::bigint);
        UPDATE ark_private.job SET restore_id = begin_job.restore_id, plan_id = (ours->>'plan_id')::bigint WHERE job_id = id;
    END IF;
END
$$;

CREATE FUNCTION ark_private.finish_restore(j ark_private.job, outcome jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb := outcome->'result';
    dry_run boolean := coalesce((j.arguments->>'dry_run')::boolean, false);
    is_in boolean := coalesce((result->>'committed')::boolean, (outcome->>'changed')::boolean, false);
    plan bigint;
BEGIN
    IF dry_run AND result IS NOT NULL THEN
        plan := nextval('ark_private.plan_id_seq');
        -- Run later it is the same backup, whatever "latest" is by then.
        INSERT INTO ark_private.plan (plan_id, job_id, arguments, caller, source, database, tables)
        VALUES (plan, j.job_id, (j.arguments - 'dry_run') || jsonb_build_object('restore_point', result->>'backup_id'), j.caller, j.source, j.database,
                coalesce(result->'tables', '[]'));
        UPDATE ark_private.job SET plan_id = plan WHERE job_id = j.job_id;
    ELSIF NOT dry_run THEN
        UPDATE ark_private.restore SET state = outcome->>'state', finished_at = clock_timestamp(), backup_id = result->>'backup_id', tables = result->'tables',
               committed = is_in, safety_backup_id = CASE WHEN is_in THEN coalesce(result->>'safety_backup_id', safety_backup_id) END,
               unused_copy = CASE WHEN is_in THEN NULL ELSE safety_backup_id END, message = coalesce(result->>'message', outcome->>'message')
         WHERE restore_id = j.restore_id;
        IF is_in THEN
            UPDATE ark_private.restore SET undone_by = j.restore_id WHERE restore_id = (j.arguments->'ark'->>'undo_of')::bigint;
            UPDATE ark_private.plan SET run_as_restore = j.restore_id WHERE plan_id = j.plan_id;
        END IF;
    END IF;
END
$$;

-- What the server does by itself every few minutes is history where it found something, and when it begins to fail.
CREATE FUNCTION ark_private.forget_look(j ark_private.job, got jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM ark_private.job WHERE job_id = j.job_id
       AND CASE WHEN j.state = 'done' THEN coalesce(got->'backups', '[]') = '[]' AND coalesce(got->'gone', '[]') = '[]'
                WHEN j.state = 'cancelled' THEN true
                ELSE EXISTS (SELECT FROM ark_private.job AS before WHERE before.action = j.action AND before.job_id < j.job_id AND before.state = j.state
                                AND before.message IS NOT DISTINCT FROM j.message AND before.queued_at > j.queued_at - interval '1 day') END
$$;

CREATE FUNCTION ark_private.finish_job(id bigint, outcome jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    j ark_private.job;
    got jsonb := nullif(outcome->'result', 'null');
    told jsonb := coalesce(outcome->'warnings', '[]');
BEGIN
    SELECT * INTO j FROM ark_private.job WHERE job_id = id AND state IN ('queued', 'running') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF jsonb_typeof(got->'warnings') = 'array' THEN
        told := told || (SELECT coalesce(jsonb_agg(w), '[]') FROM jsonb_array_elements(got->'warnings') AS w WHERE NOT told @> jsonb_build_array(w));
    END IF;
    UPDATE ark_private.job SET
           state = outcome->>'state', finished_at = clock_timestamp(), engine = outcome->>'engine',
           backup_id = coalesce(got->>'backup_id', outcome->>'backup_id', j.backup_id),
           database = coalesce(j.database, got->>'database'),
           bytes_read = coalesce((got->>'bytes_read')::bigint, (outcome->>'bytes_read')::bigint),
           bytes_stored = coalesce((got->>'bytes_stored')::bigint, (outcome->>'bytes_stored')::bigint),
           message = coalesce(got->>'message', outcome->>'message'), detail = nullif(outcome->>'detail', ''), hint = nullif(outcome->>'hint', ''),
           sqlstate = outcome->>'sqlstate', warnings = ARRAY(SELECT jsonb_array_elements_text(told)),
           -- Lists are kept in their own tables.
           result = got - '{backups,contents,backup,windows,points,stores_read}'::text[]
     WHERE job_id = id RETURNING * INTO j;
    IF got IS NOT NULL THEN
        PERFORM ark_private.index_result(j, got);
    END IF;
    IF j.verb = 'restore-entities' THEN
        PERFORM ark_private.finish_restore(j, outcome);
    END IF;
    IF j.action = 'refresh_catalog' THEN
        PERFORM ark_private.forget_look(j, got);
        RETURN;
    END IF;
    PERFORM ark_private.audit(j.action, j.caller, CASE WHEN j.state = 'done' THEN 'done' ELSE j.state || ': ' || coalesce(j.message, '') END,
                              j.arguments->>'reason', j.arguments, j.job_id, j.backup_id, j.restore_id);
END
$$;

-- One row for whoever waited.
CREATE FUNCTION ark_private.job_rows(id bigint) RETURNS SETOF ark.job_result
LANGUAGE sql STABLE AS $$
    SELECT job_id, state, action, backup_id, restore_id, source, database, started_at, finished_at, bytes_read, bytes_stored,
           coalesce(message, CASE state WHEN 'queued' THEN pg_catalog.format('queued; SELECT * FROM ark.job_history WHERE job_id = %s;', job_id) END)
      FROM ark_private.job WHERE job_id = id
$$;
