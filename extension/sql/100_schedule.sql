-- Schedules. When each is due is decided by the core (schedule/due.h); here are the rows before and after.

CREATE FUNCTION ark_private.zone_of(s ark_private.schedule) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT coalesce(s.timezone, nullif(pg_catalog.current_setting('ark.timezone', true), ''), 'UTC') $$;

-- The job of a schedule, checked as its function would check it; raises what is wrong with its options.
CREATE FUNCTION ark_private.schedule_request(s ark_private.schedule, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    allowed text[] := CASE s.action WHEN 'backup' THEN '{kind,label,reason,store}'::text[]
                                    WHEN 'export' THEN '{format,layout,label,reason,restore_point,store}'
                                    WHEN 'verify' THEN '{backup_id,level}'
                                    WHEN 'expire' THEN '{sweep,grace}' END;
    unknown text;
    args jsonb;
BEGIN
    IF s.action IN ('drill', 'rotate_key', 'copy') THEN
        RAISE EXCEPTION 'action "%" cannot be scheduled in this version', s.action
            USING ERRCODE = '0A000', HINT = 'Actions are backup, export, verify and expire.';
    END IF;
    PERFORM ark_private.check_choice('action', s.action, '{backup,export,verify,expire}');
    SELECT string_agg(key, ', ') INTO unknown FROM jsonb_object_keys(s.options) AS key WHERE key <> ALL (allowed);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'action "%" has no option %', s.action, unknown USING ERRCODE = '22023', HINT = format('Its options: %s.', array_to_string(allowed, ', '));
    ELSIF s.policy IS NOT NULL AND s.action <> 'expire' THEN
        RAISE EXCEPTION 'a policy belongs to action "expire", not to "%"', s.action USING ERRCODE = '22023';
    ELSIF s.entities IS NOT NULL AND s.action NOT IN ('backup', 'export') THEN
        RAISE EXCEPTION 'action "%" takes no entities', s.action USING ERRCODE = '22023';
    END IF;
    args := jsonb_build_object('database', s.database, 'entities', s.entities, 'wait', false) || s.options;
    CASE s.action
        WHEN 'backup' THEN
            RETURN ark_private.backup_now(jsonb_build_object('kind', CASE WHEN s.entities IS NULL THEN 'logical' ELSE 'entities' END, 'source', 'local') || args, caller);
        WHEN 'export' THEN
            RETURN ark_private.export_now(args, caller);
        WHEN 'verify' THEN
            RETURN ark_private.verify_backup(jsonb_build_object('backup_id', 'latest', 'level', 'decode') || args, caller);
        WHEN 'expire' THEN
            RETURN ark_private.expire_now(args || jsonb_build_object('policy', s.policy, 'dry_run', false), caller);
    END CASE;
END
$$;

CREATE FUNCTION ark_private.set_schedule(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    s ark_private.schedule;
    next_at timestamptz;
    options jsonb := coalesce(nullif(args->'options', 'null'), '{}');
BEGIN
    IF coalesce(args->>'name', '') = '' OR length(args->>'name') > 60 THEN
        RAISE EXCEPTION 'a schedule needs a name of at most 60 characters' USING ERRCODE = '22023';
    ELSIF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION 'options must be a JSON object' USING ERRCODE = '22023', HINT = 'For example options => ''{"label": "nightly"}''.';
    END IF;
    s := ROW(args->>'name', args->>'cron', args->>'timezone', args->>'action', args->>'database', args->>'entities', args->>'policy', options,
             coalesce((args->>'enabled')::boolean, true), caller->>'role', clock_timestamp(), clock_timestamp());
    IF s.action IN ('backup', 'export', 'verify') AND coalesce(options->>'kind', '') <> 'physical' THEN
        s.database := ark_private.database_or_current(s.database);
    END IF;
    IF s.action = 'expire' AND NOT pg_has_role(caller->>'role', 'ark_admin', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied to schedule expiry' USING ERRCODE = '42501', HINT = 'It takes the role ark_admin.';
    END IF;
    next_at := ark_private.next_run(coalesce(s.cron, ''), ark_private.zone_of(s), clock_timestamp());
    PERFORM ark_private.schedule_request(s, caller || '{"has_written": false, "in_block": false}');
    INSERT INTO ark_private.schedule AS old SELECT s.*
    ON CONFLICT (name) DO UPDATE SET cron = EXCLUDED.cron, timezone = EXCLUDED.timezone, action = EXCLUDED.action, database = EXCLUDED.database,
        entities = EXCLUDED.entities, policy = EXCLUDED.policy, options = EXCLUDED.options, enabled = EXCLUDED.enabled, created_by = EXCLUDED.created_by,
        changed_at = EXCLUDED.changed_at, decided_until = EXCLUDED.decided_until;
    PERFORM ark_private.audit('set_schedule', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('set_schedule', CASE WHEN s.enabled THEN format('schedule "%s" runs next at %s (%s)', s.name,
        to_char(next_at AT TIME ZONE ark_private.zone_of(s), 'YYYY-MM-DD HH24:MI'), ark_private.zone_of(s)) ELSE format('schedule "%s" is kept and not enabled', s.name) END, s.database);
END
$$;

CREATE FUNCTION ark_private.drop_schedule(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ark_private.schedule WHERE name = args->>'name';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no schedule "%"', args->>'name' USING ERRCODE = '42704',
            HINT = coalesce((SELECT 'Schedules: ' || string_agg(name, ', ' ORDER BY name) || '.' FROM ark_private.schedule), 'There are none.');
    END IF;
    PERFORM ark_private.audit('drop_schedule', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('drop_schedule', format('schedule "%s" is gone; its history stays', args->>'name'));
END
$$;

CREATE FUNCTION ark_private.pause_scheduler(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    until_at timestamptz := (args->>'until')::timestamptz;
BEGIN
    IF until_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'a pause until % is over already', args->>'until' USING ERRCODE = '22023';
    END IF;
    DELETE FROM ark_private.pause;
    INSERT INTO ark_private.pause VALUES (clock_timestamp(), until_at, ark_private.actor(caller), args->>'reason');
    PERFORM ark_private.audit('pause_scheduler', caller, 'done', args->>'reason', args);
    RETURN NEXT ark_private.decided('pause_scheduler', 'no schedule runs until ' || coalesce(until_at::text, 'ark.resume_scheduler()'));
END
$$;

CREATE FUNCTION ark_private.resume_scheduler(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ark_private.pause SET until = clock_timestamp() WHERE until IS NULL OR until > clock_timestamp();
    IF FOUND THEN
        PERFORM ark_private.audit('resume_scheduler', caller, 'done', args->>'reason', args);
        RETURN NEXT ark_private.decided('resume_scheduler', 'schedules run again; what was due in the pause is not caught up');
    ELSE
        RETURN NEXT ark_private.decided('resume_scheduler', 'the scheduler was not paused');
    END IF;
END
$$;

CREATE FUNCTION ark_private.decide(at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT ark_private.decide_schedules_text(
        coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'name', s.name, 'cron', s.cron, 'zone', ark_private.zone_of(s), 'enabled', s.enabled, 'decided_until', ark_private.utc(s.decided_until),
                      'running', EXISTS (SELECT FROM ark_private.job AS j WHERE j.schedule = s.name AND j.state IN ('queued', 'running'))))
                    FROM ark_private.schedule AS s)::text, '[]'),
        (SELECT pg_catalog.jsonb_build_object('since', ark_private.utc(p.since), 'until', ark_private.utc(p.until))::text FROM ark_private.pause AS p),
        ark_private.utc(at))::pg_catalog.jsonb
$$;

CREATE FUNCTION ark_private.scheduler_is_quiet() RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.current_setting('ark.scheduler', true) IS DISTINCT FROM 'on' OR ark_private.identity_problem() IS NOT NULL
$$;

-- A schedule acts with the rights of whoever set it; without them it fails, and says so.
CREATE FUNCTION ark_private.start_scheduled(s ark_private.schedule, due_at timestamptz, id bigint) RETURNS ark_private.job_request
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller jsonb := jsonb_build_object('role', s.created_by, 'session_user', s.created_by, 'application_name', 'pg_ark scheduler', 'client_addr', NULL,
                                       'has_written', false, 'in_block', false);
    needed text := CASE s.action WHEN 'expire' THEN 'ark_admin' ELSE 'ark_operator' END;
    request ark_private.job_request;
    state text; told text; hinted text; detailed text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = s.created_by) OR NOT pg_has_role(s.created_by, needed, 'USAGE') THEN
        RAISE EXCEPTION 'role "%", which set the schedule, has not the rights of % any more', s.created_by, needed
            USING ERRCODE = '42501', HINT = 'Set the schedule again as a role that has them.';
    END IF;
    request := ark_private.schedule_request(s, caller);
    INSERT INTO ark_private.job (job_id, action, verb, state, source, database, kind, schedule, due_at, caller, arguments)
    VALUES (id, request.action, request.verb, 'queued', request.source, request.database, request.kind, s.name, start_scheduled.due_at, caller, request.arguments);
    RETURN request;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, told = MESSAGE_TEXT, detailed = PG_EXCEPTION_DETAIL, hinted = PG_EXCEPTION_HINT;
    INSERT INTO ark_private.job (job_id, action, verb, state, source, database, schedule, due_at, caller, started_at, finished_at, sqlstate, message, detail, hint)
    VALUES (id, s.action, s.action, 'failed', 'local', s.database, s.name, start_scheduled.due_at, caller, clock_timestamp(), clock_timestamp(), state, told,
            nullif(detailed, ''), nullif(hinted, ''));
    RAISE WARNING 'schedule "%" could not be started: %', s.name, told USING DETAIL = detailed, HINT = hinted;
    RETURN NULL;
END
$$;

-- One look at all schedules: rows for what is not run, a queued job for what is. Called by the launcher.
CREATE FUNCTION ark_private.schedule_turn()
RETURNS TABLE (job_id bigint, action text, verb text, source text, database text, kind text, exclusive text, schedule text, light boolean, caller text, arguments text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    decision jsonb;
    item jsonb;
    s ark_private.schedule;
    id bigint;
    request ark_private.job_request;
BEGIN
    IF NOT EXISTS (SELECT FROM ark_private.schedule AS any_schedule WHERE any_schedule.enabled) OR ark_private.scheduler_is_quiet() THEN
        RETURN;
    END IF;
    decision := ark_private.decide(clock_timestamp());
    FOR item IN SELECT e FROM jsonb_array_elements(decision->'skips') AS e LOOP
        SELECT * INTO s FROM ark_private.schedule AS c WHERE c.name = item->>'schedule';
        INSERT INTO ark_private.job (job_id, action, verb, state, source, database, schedule, due_at, caller, queued_at, finished_at, message)
        VALUES (nextval('ark_private.job_id_seq'), s.action, s.action, CASE item->>'reason' WHEN 'missed' THEN 'missed' ELSE 'skipped' END, 'local', s.database, s.name,
                (item->>'last')::timestamptz, jsonb_build_object('role', s.created_by), (item->>'last')::timestamptz, clock_timestamp(), item->>'message');
    END LOOP;
    FOR item IN SELECT e FROM jsonb_array_elements(decision->'decided') AS e LOOP
        UPDATE ark_private.schedule AS c SET decided_until = (item->>'until')::timestamptz WHERE c.name = item->>'schedule';
        IF item->>'set_back' IS NOT NULL THEN
            RAISE WARNING 'the clock is % behind where schedule "%" had come to; it goes on from now', item->>'set_back', item->>'schedule';
        END IF;
    END LOOP;
    FOR item IN SELECT e FROM jsonb_array_elements(decision->'runs') AS e LOOP
        SELECT * INTO s FROM ark_private.schedule AS c WHERE c.name = item->>'schedule';
        id := nextval('ark_private.job_id_seq');
        request := ark_private.start_scheduled(s, (item->>'due')::timestamptz, id);
        IF request.action IS NOT NULL THEN
            RETURN QUERY SELECT id, request.action, request.verb, request.source, request.database, request.kind, request.exclusive, s.name, request.light,
                                request.caller::text, request.arguments::text;
        END IF;
    END LOOP;
END
$$;

-- A look into the store for what others did there: what the program took or deleted, on this machine or a standby's. Called by the launcher
-- when it is time for one. A copy of a cluster looks into nothing until it is adopted.
CREATE FUNCTION ark_private.look_into_store()
RETURNS TABLE (job_id bigint, action text, verb text, source text, database text, kind text, exclusive text, schedule text, light boolean, caller text, arguments text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    request ark_private.job_request;
BEGIN
    IF ark_private.identity_problem() IS NOT NULL
       OR EXISTS (SELECT FROM ark_private.job AS j WHERE j.action IN ('refresh_catalog', 'rebuild_catalog') AND j.state IN ('queued', 'running')) THEN
        RETURN;
    END IF;
    request := ark_private.request('refresh_catalog', 'list', NULL, NULL, 'rebuild', true,
                   jsonb_build_object('role', current_user, 'session_user', NULL, 'application_name', 'pg_ark launcher', 'client_addr', NULL), '{}', false);
    job_id := nextval('ark_private.job_id_seq');
    INSERT INTO ark_private.job (job_id, action, verb, state, source, caller, arguments)
    VALUES (look_into_store.job_id, request.action, request.verb, 'queued', request.source, request.caller, request.arguments);
    RETURN QUERY SELECT look_into_store.job_id, request.action, request.verb, request.source, NULL::text, NULL::text, request.exclusive, NULL::text, request.light,
                        request.caller::text, request.arguments::text;
END
$$;

-- Milliseconds until the next schedule is due; null: none is.
CREATE FUNCTION ark_private.next_wake() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ark_private.schedule AS s WHERE s.enabled) OR ark_private.scheduler_is_quiet() THEN
        RETURN NULL;
    END IF;
    RETURN greatest(0, ceil(extract(epoch FROM (ark_private.decide(clock_timestamp())->>'next_wake')::timestamptz - clock_timestamp()) * 1000));
END
$$;

-- When a schedule runs next, by its expression alone.
CREATE FUNCTION ark_private.next_due(s ark_private.schedule) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN s.enabled THEN ark_private.next_run(s.cron, ark_private.zone_of(s), greatest(s.decided_until, clock_timestamp())) END
$$;

CREATE FUNCTION ark_private.adopt_cluster(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    problem text := ark_private.identity_problem();
BEGIN
    IF problem IS NULL THEN
        RETURN NEXT ark_private.decided('adopt_cluster', 'this cluster was adopted already');
        RETURN;
    END IF;
    PERFORM ark_private.record_identity(ark_private.actor(caller));
    -- What was due for the other cluster is not caught up here.
    UPDATE ark_private.schedule SET decided_until = clock_timestamp();
    PERFORM ark_private.audit('adopt_cluster', caller, 'done', concat_ws(' ', args->>'reason', format('(before: %s)', problem)), args);
    RETURN NEXT ark_private.decided('adopt_cluster', format(
        'adopted (before: %s). Backups and schedules work again. If the store says that another server owns the path: for a moved cluster SELECT * FROM ark.take_over(reason => ''moved''); for a copy give it another ark.cluster name', problem));
END
$$;
