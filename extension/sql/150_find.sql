-- Restore points, previews and help. They read the views, with the caller's rights.

CREATE FUNCTION ark.list_restore_points(kind text DEFAULT NULL, database text DEFAULT NULL, entity text DEFAULT NULL, since timestamptz DEFAULT NULL,
                                        until timestamptz DEFAULT NULL) RETURNS SETOF ark.restore_point
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.backup_id, 'backup', b.kind, b.source, b.database, names.list, coalesce(b.snapshot_time, b.finished_at), NULL::timestamptz, NULL::timestamptz,
           date_trunc('second', clock_timestamp() - coalesce(b.snapshot_time, b.finished_at)), b.size_bytes, b.stored_bytes, 'backups/' || b.backup_id || '/manifest',
           b.label, b.reason, b.taken_by, b.verified_at, b.verified_level, CASE WHEN b.held THEN coalesce(b.held_until, 'infinity') END,
           ARRAY[b.store], b.encrypted, b.restorable, b.why_not
      FROM ark.backups AS b
      LEFT JOIN LATERAL (SELECT string_agg(coalesce(e->>'name', e #>> '{}'), ', ') AS list
                           FROM jsonb_array_elements(CASE jsonb_typeof(b.entities) WHEN 'array' THEN b.entities END) AS e) AS names ON true
     WHERE b.ended_at IS NULL
       AND (list_restore_points.kind IS NULL OR list_restore_points.kind IN ('backup', b.kind))
       AND (list_restore_points.database IS NULL OR b.database = list_restore_points.database)
       AND (since IS NULL OR coalesce(b.snapshot_time, b.finished_at) >= since)
       AND (until IS NULL OR coalesce(b.snapshot_time, b.finished_at) <= until)
       AND (list_restore_points.entity IS NULL
            OR EXISTS (SELECT FROM ark.backup_contents AS c WHERE c.backup_id = b.backup_id
                          AND list_restore_points.entity IN (c.table_name, c.schema_name || '.' || c.table_name, quote_ident(c.table_name)))
            OR EXISTS (SELECT FROM ark.entities AS d, jsonb_array_elements(d.tables) AS t JOIN ark.backup_contents AS c ON c.table_name = t->>'table'
                        WHERE d.name = list_restore_points.entity AND c.backup_id = b.backup_id AND coalesce(t->>'schema', c.schema_name) = c.schema_name))
    UNION ALL
    SELECT p.name, 'point', NULL, 'local', NULL, NULL, p."time", NULL, NULL, date_trunc('second', clock_timestamp() - p."time"), NULL, NULL, p.key,
           format('timeline %s, %s', p.timeline, p.lsn), p.reason, p.taken_by, NULL, NULL, NULL, ARRAY[p.store], p.encrypted, p.restorable, p.why_not
      FROM ark.named_points AS p
     WHERE (list_restore_points.kind IS NULL OR list_restore_points.kind = 'point') AND list_restore_points.database IS NULL AND list_restore_points.entity IS NULL
       AND (since IS NULL OR p."time" >= since) AND (until IS NULL OR p."time" <= until)
    UNION ALL
    SELECT w.backup_id, 'window', 'physical', 'local', NULL, NULL, coalesce(w.window_end, w.window_start), w.window_start, w.window_end,
           date_trunc('second', clock_timestamp() - coalesce(w.window_end, w.window_start)), NULL, NULL, NULL,
           format('timeline %s, %s to %s', w.timeline, w.from_lsn, w.until_lsn), NULL, NULL, NULL, NULL, NULL, ARRAY[w.store], w.encrypted, w.restorable,
           CASE w.ended_by WHEN 'hole' THEN concat_ws(': ', format('WAL segment %s is missing', w.missing), w.reason) WHEN 'expired' THEN 'the WAL behind it has expired' END
      FROM ark.recovery_windows AS w
     WHERE (list_restore_points.kind IS NULL OR list_restore_points.kind = 'window') AND list_restore_points.database IS NULL AND list_restore_points.entity IS NULL
       AND (since IS NULL OR coalesce(w.window_end, w.window_start) >= since) AND (until IS NULL OR w.window_start <= until)
     ORDER BY 7 DESC, 1 DESC, 2;
END;

-- The shape in which applications list them: {"database": [{key, date, sizeBytes}], "exports": [{entity, key, date, sizeBytes}]}.
CREATE FUNCTION ark.restore_points_json(database text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'database', coalesce((SELECT jsonb_agg(jsonb_build_object('key', p.restore_point, 'date', to_char(p."time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                                                                  'sizeBytes', p.size_bytes, 'database', p.database) ORDER BY p."time" DESC)
                                FROM ark.list_restore_points('logical', restore_points_json.database) AS p), '[]'),
        'exports', coalesce((SELECT jsonb_agg(jsonb_build_object('entity', e.entity, 'key', e.key, 'date', to_char(e.written_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                                                                 'sizeBytes', e.bytes) ORDER BY e.written_at DESC, e.key)
                               FROM ark.exports AS e WHERE restore_points_json.database IS NULL OR e.database = restore_points_json.database), '[]'));
END;

-- What a policy would do now, with the reason for each backup.
CREATE FUNCTION ark.retention_preview(policy text DEFAULT NULL)
RETURNS TABLE (backup_id text, database text, kind text, finished_at timestamptz, size_bytes bigint, keep boolean, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.backup_id, b.database, b.kind, b.finished_at, b.size_bytes, p.keep, p.reason
      FROM ark_private.preview(policy) AS p JOIN ark.backups AS b ON b.backup_id = p.backup_id
     ORDER BY b.finished_at DESC, b.backup_id DESC;
END;

CREATE FUNCTION ark_private.scheduler_state()
RETURNS TABLE (state text, reason text, since timestamptz, until timestamptz, schedules bigint, next_schedule text, next_run timestamptz, launcher_pid integer)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH server AS (SELECT ark_private.server_state() AS s, ark_private.identity_problem() AS copy_of),
         pause AS (SELECT * FROM ark_private.pause AS p WHERE p.until IS NULL OR p.until > clock_timestamp()),
         coming AS (SELECT c.name, ark_private.next_due(c) AS at FROM ark_private.schedule AS c WHERE c.enabled ORDER BY 2 LIMIT 1)
    SELECT CASE WHEN NOT (s->>'preloaded')::boolean THEN 'not loaded' WHEN (s->>'launcher_pid')::integer = 0 THEN 'no launcher' WHEN copy_of IS NOT NULL THEN 'copy'
                WHEN NOT (s->>'enabled')::boolean OR NOT (s->>'scheduler')::boolean THEN 'off' WHEN EXISTS (SELECT FROM pause) THEN 'paused' ELSE 'running' END,
           coalesce(copy_of, (SELECT reason FROM pause)), (SELECT since FROM pause), (SELECT until FROM pause),
           (SELECT count(*) FROM ark_private.schedule AS c WHERE c.enabled), (SELECT name FROM coming), (SELECT at FROM coming), nullif((s->>'launcher_pid')::integer, 0)
      FROM server
$$;

CREATE FUNCTION ark.scheduler_status()
RETURNS TABLE (state text, reason text, since timestamptz, until timestamptz, schedules bigint, next_schedule text, next_run timestamptz, launcher_pid integer)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT * FROM ark_private.scheduler_state();
END;

-- The first link of the chain that does not fit; no row: the log is as it was written.
CREATE FUNCTION ark_private.audit_digest(a ark_private.audit_log, previous text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to(coalesce(previous, '') || jsonb_build_array(
        a.id, extract(epoch FROM a.at), a.operation, a.actor, a.session_user_name, a.application_name, a.client_addr, a.reason, a.job_id, a.backup_id,
        a.restore_id, a.arguments, a.outcome)::text, 'UTF8')), 'hex')
$$;

CREATE FUNCTION ark_private.seal_audit() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    a ark_private.audit_log;
    last_chain bigint;
    last_hash text;
    new_hash text;
BEGIN
    IF NOT EXISTS (SELECT FROM ark_private.audit_log WHERE chain IS NULL) THEN
        RETURN;
    END IF;
    SELECT chain, hash INTO last_chain, last_hash FROM ark_private.audit_log WHERE chain IS NOT NULL ORDER BY chain DESC LIMIT 1;
    FOR a IN SELECT * FROM ark_private.audit_log WHERE chain IS NULL ORDER BY id LOOP
        new_hash := ark_private.audit_digest(a, last_hash);
        UPDATE ark_private.audit_log SET chain = coalesce(last_chain, 0) + 1, prev_hash = last_hash, hash = new_hash WHERE id = a.id;
        last_chain := coalesce(last_chain, 0) + 1;
        last_hash := new_hash;
    END LOOP;
END
$$;

CREATE FUNCTION ark_private.broken_links() RETURNS TABLE (id bigint, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.id, l.problem FROM (
        SELECT a.id, a.chain,
               CASE WHEN a.chain <> coalesce(lag(a.chain) OVER w, 0) + 1 THEN 'a row before it is missing'
                    WHEN a.prev_hash IS DISTINCT FROM lag(a.hash) OVER w THEN 'it does not follow the row before it'
                    WHEN a.hash <> ark_private.audit_digest(a, a.prev_hash) THEN 'it was changed' END AS problem
          FROM ark_private.audit_log AS a WHERE a.chain IS NOT NULL WINDOW w AS (ORDER BY a.chain)) AS l
     WHERE l.problem IS NOT NULL ORDER BY l.chain
$$;

CREATE FUNCTION ark.check_audit_log() RETURNS TABLE (id bigint, problem text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM ark_private.broken_links();
END;
