-- What is wrong, and what to do about it. The view ark.status shows it in one row.

-- Rows about databases that exist are for those who may connect to them; about others, for those who act on backups.
CREATE FUNCTION ark_private.may_see(db text) RETURNS boolean
LANGUAGE sql STABLE
RETURN db IS NULL
    OR CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = db) THEN pg_catalog.has_database_privilege(db, 'CONNECT')
            ELSE pg_catalog.pg_has_role('ark_operator', 'USAGE') OR pg_catalog.pg_has_role('ark_restorer', 'USAGE') END;

-- The newest restorable backup of each database that exists.
CREATE FUNCTION ark_private.newest() RETURNS SETOF ark_private.backup
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (b.database) b.* FROM ark_private.backup AS b JOIN pg_database AS d ON d.datname = b.database
     WHERE b.ended_at IS NULL AND b.kind = 'logical' AND b.restorable AND b.source = 'local'
     ORDER BY b.database, b.sequence DESC
$$;

-- Up to when base backups and WAL have the whole cluster; null: there is no base backup that can be restored.
CREATE FUNCTION ark_private.whole_until() RETURNS timestamptz
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(greatest(w.recoverable_until, clock_timestamp() - w.loss_if_now)) FROM ark_private.wal_archive() AS w
$$;

CREATE FUNCTION ark_private.age_text(since timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN age < interval '2 hours' THEN round(extract(epoch FROM age) / 60) || ' minutes'
                WHEN age < interval '2 days' THEN round(extract(epoch FROM age) / 3600) || ' hours'
                ELSE round(extract(epoch FROM age) / 86400) || ' days' END
      FROM (SELECT clock_timestamp() - since AS age) AS a
$$;

CREATE FUNCTION ark_private.problems() RETURNS TABLE (severity text, problem text, remedy text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    state jsonb := ark_private.server_state();
    installed text := (SELECT extversion FROM pg_extension WHERE extname = 'pg_ark');
    copy_of text := ark_private.identity_problem();
    engine text := (SELECT j.engine FROM ark_private.job AS j WHERE j.engine IS NOT NULL ORDER BY j.job_id DESC LIMIT 1);
    whole_until timestamptz;
    row_found record;
BEGIN
    IF NOT (state->>'preloaded')::boolean THEN
        RETURN QUERY SELECT 'critical', 'pg_ark is not loaded: nothing runs', 'add pg_ark to shared_preload_libraries and restart the server';
        RETURN;
    END IF;
    IF copy_of IS NOT NULL THEN
        RETURN QUERY SELECT 'critical', 'this cluster looks like a copy: ' || copy_of || '; scheduler and expiry are paused', 'SELECT * FROM ark.adopt_cluster();';
    END IF;
    IF NOT (state->>'enabled')::boolean THEN
        RETURN QUERY SELECT 'warning', 'pg_ark is switched off', 'ALTER SYSTEM SET ark.enabled = on; SELECT pg_reload_conf();';
    END IF;
    IF (state->>'launcher_pid')::integer = 0 AND NOT pg_is_in_recovery() THEN
        RETURN QUERY SELECT 'critical', 'the launcher does not run', 'look for "pg_ark launcher" in the server log; max_worker_processes must leave room for it';
    END IF;
    IF NOT (state->>'engine_found')::boolean THEN
        RETURN QUERY SELECT 'critical', format('the engine program %s is not there', state->>'engine_path'), 'install the program pg_ark beside the server''s programs';
    END IF;
    IF state->>'store_error' IS NOT NULL THEN
        RETURN QUERY SELECT 'critical', 'ark.store cannot be used: ' || (state->>'store_error'), 'correct ark.store and reload the configuration';
    END IF;
    IF installed <> state->>'library_version' THEN
        RETURN QUERY SELECT 'warning', format('the library is of version %s, the extension of %s', state->>'library_version', installed),
            'ALTER EXTENSION pg_ark UPDATE; restart the server if its library is the older one';
    ELSIF engine <> state->>'library_version' THEN
        RETURN QUERY SELECT 'warning', format('the library is of version %s, the engine of %s', state->>'library_version', engine), 'install both from the same build and restart the server';
    END IF;
    FOR row_found IN SELECT * FROM ark_private.backup AS b WHERE b.ended_at IS NULL AND b.verified_ok IS FALSE ORDER BY b.sequence DESC LOOP
        RETURN QUERY SELECT 'critical', format('backup %s is damaged', row_found.backup_id),
            format('SELECT * FROM ark.backup_now(%s); stores the damaged data afresh',
                   CASE WHEN row_found.kind = 'physical' THEN 'kind => ''physical''' ELSE format('database => %L', row_found.database) END);
    END LOOP;
    whole_until := ark_private.whole_until();
    FOR row_found IN
        SELECT d.datname, greatest(n.finished_at, whole_until) AS finished_at FROM pg_database AS d LEFT JOIN ark_private.newest() AS n ON n.database = d.datname
         WHERE d.datallowconn AND NOT d.datistemplate AND (d.datname <> current_database() OR ark_private.has_user_tables() OR n.backup_id IS NOT NULL)
         ORDER BY 2 NULLS FIRST
    LOOP
        IF row_found.finished_at IS NULL THEN
            RETURN QUERY SELECT 'critical', format('database "%s" has no backup', row_found.datname), format('SELECT * FROM ark.backup_now(database => %L);', row_found.datname);
        ELSIF row_found.finished_at < clock_timestamp() - interval '25 hours' THEN
            RETURN QUERY SELECT CASE WHEN row_found.finished_at < clock_timestamp() - interval '48 hours' THEN 'critical' ELSE 'warning' END,
                format('the last backup of database "%s" is %s old', row_found.datname, ark_private.age_text(row_found.finished_at)),
                format('SELECT * FROM ark.backup_now(database => %L); and see why: SELECT * FROM ark.job_history LIMIT 10;', row_found.datname);
        END IF;
    END LOOP;
    FOR row_found IN
        SELECT DISTINCT ON (j.schedule) j.schedule, j.state, j.message, j.job_id FROM ark_private.job AS j JOIN ark_private.schedule AS s ON s.name = j.schedule
         WHERE j.state NOT IN ('queued', 'running') ORDER BY j.schedule, j.job_id DESC
    LOOP
        IF row_found.state IN ('failed', 'interrupted', 'cancelled') THEN
            RETURN QUERY SELECT 'critical', format('the last run of schedule "%s" %s: %s', row_found.schedule, row_found.state, row_found.message),
                format('SELECT * FROM ark.job_history WHERE job_id = %s;', row_found.job_id);
        ELSIF row_found.state IN ('skipped', 'missed') THEN
            RETURN QUERY SELECT 'warning', format('the last run of schedule "%s" was %s: %s', row_found.schedule, row_found.state, row_found.message),
                format('SELECT * FROM ark.job_history WHERE job_id = %s;', row_found.job_id);
        END IF;
    END LOOP;
    FOR row_found IN SELECT * FROM ark_private.stores() AS s WHERE s.is_default OR s.same_disk LOOP
        RETURN QUERY SELECT 'warning', format('store "%s" is on the disk of the database: a copy on the same disk is not a backup', row_found.name),
            'ALTER SYSTEM SET ark.store = ''s3://BUCKET/PATH?region=REGION''; SELECT pg_reload_conf(); SELECT * FROM ark.check_store();';
    END LOOP;
    FOR row_found IN SELECT * FROM ark_private.stores() AS s WHERE s."position" > 1 LOOP
        RETURN QUERY SELECT 'warning', format('store "%s" gets no backups yet: this version keeps them in the first store only, and WAL in all', row_found.name),
            'copy the backups with a tool of its own, or take some with pg_ark backup --store=' || quote_literal(row_found.url);
    END LOOP;
    FOR row_found IN SELECT c.* FROM ark_private.store_check AS c WHERE NOT c.ok AND c."check" <> 'backups' LOOP
        RETURN QUERY SELECT 'warning', format('check of store "%s": %s: %s', row_found.store, row_found."check", row_found.detail), coalesce(row_found.hint, 'SELECT * FROM ark.check_store();');
    END LOOP;
    RETURN QUERY SELECT * FROM ark_private.archive_problems();
    FOR row_found IN SELECT * FROM ark_private.wal_sync_state() AS w WHERE w.phase NOT IN ('off', 'waiting') LOOP
        RETURN QUERY SELECT CASE row_found.phase WHEN 'catching up' THEN 'warning' ELSE 'critical' END,
            CASE row_found.phase WHEN 'stuck' THEN row_found.why
                 ELSE format('commits do not wait for the store since %s although ark.wal_sync is on: %s', date_trunc('second', row_found.since), row_found.why) END, row_found.remedy;
    END LOOP;
    IF NOT EXISTS (SELECT FROM ark_private.schedule AS s WHERE s.enabled AND s.action = 'backup') THEN
        RETURN QUERY SELECT 'warning', 'no backup is scheduled', 'SELECT * FROM ark.set_schedule(''nightly'', ''0 3 * * *'', ''backup'', database => ''DATABASE'');';
    ELSIF NOT (state->>'scheduler')::boolean THEN
        RETURN QUERY SELECT 'warning', 'the scheduler is switched off', 'ALTER SYSTEM SET ark.scheduler = on; SELECT pg_reload_conf();';
    ELSIF EXISTS (SELECT FROM ark_private.pause AS p WHERE p.until IS NULL OR p.until > clock_timestamp()) THEN
        RETURN QUERY SELECT 'warning', 'the scheduler is paused', 'SELECT * FROM ark.resume_scheduler();';
    ELSIF NOT EXISTS (SELECT FROM ark_private.schedule AS s WHERE s.enabled AND s.action = 'expire') THEN
        RETURN QUERY SELECT 'warning', 'backups are scheduled and nothing ever expires: the store will fill up',
            'SELECT * FROM ark.set_policy(''keep_90d'', keep_within => ''90 days''); SELECT * FROM ark.set_schedule(''expire'', ''30 4 * * *'', ''expire'', policy => ''keep_90d'');';
    END IF;
    IF (whole_until IS NOT NULL OR EXISTS (SELECT FROM ark_private.newest())) AND NOT EXISTS (SELECT FROM ark_private.backup AS b WHERE b.ended_at IS NULL AND b.verified_ok) THEN
        RETURN QUERY SELECT 'warning', 'no backup was ever verified', 'SELECT * FROM ark.verify_backup();';
    END IF;
    IF NOT (state->>'encryption')::boolean AND EXISTS (SELECT FROM ark_private.stores() AS s WHERE s.url NOT LIKE 'file:%') THEN
        RETURN QUERY SELECT 'info', 'backups are not encrypted: who can read the store can read the data', 'set ark.encryption_key in the configuration file; docs say how to make and keep the key';
    END IF;
END
$$;

-- What reading back was measured to take: the newest verification that decoded a backup; null if there is none.
CREATE FUNCTION ark_private.restore_estimate() RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT make_interval(secs => coalesce((SELECT sum(n.stored_bytes) FROM ark_private.newest() AS n),
                                          (SELECT b.stored_bytes FROM ark_private.backup AS b WHERE b.kind = 'physical' AND b.ended_at IS NULL AND b.restorable ORDER BY b.sequence DESC LIMIT 1))
                                 * extract(epoch FROM j.finished_at - j.started_at) / nullif(j.bytes_read, 0))
      FROM ark_private.job AS j WHERE j.verb = 'verify' AND j.state = 'done' AND j.kind = 'decode' AND j.bytes_read > 0
     ORDER BY j.job_id DESC LIMIT 1
$$;
