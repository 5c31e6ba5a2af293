-- The index of the store, kept up to date by what jobs report. A backup object is as `pg_ark list --json` prints it.

CREATE FUNCTION ark_private.put_backup(b jsonb, id bigint) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO ark_private.backup AS old (
        backup_id, sequence, kind, state, source, database, label, note, reason, taken_by, environment, started_at, finished_at, snapshot_time, stored_at, size_bytes,
        stored_bytes, new_bytes, tables, rows, entities, server_version_num, store, location, repository, encrypted, held, held_until, hold_reason, held_by,
        verified_at, verified_level, verified_ok, restorable, why_not, compression, copied_from, timeline, job_id, ended_at)
    VALUES (
        b->>'backup_id', (b->>'sequence')::bigint, b->>'kind', b->>'state', b->>'source', b->>'database', b->>'label', b->>'note', b->>'reason', b->>'taken_by', nullif(b->>'environment', ''),
        (b->>'started_at')::timestamptz, (b->>'finished_at')::timestamptz, (b->>'snapshot_time')::timestamptz, (b->>'stored_at')::timestamptz,
        (b->>'size_bytes')::bigint, (b->>'stored_bytes')::bigint, (b->>'new_bytes')::bigint, (b->>'tables')::bigint, (b->>'rows')::bigint,
        nullif(b->'entities', 'null'), (b->>'server_version_num')::integer, b->>'store', b->>'location', b->>'repository', (b->>'encrypted')::boolean, coalesce((b->>'held')::boolean, false),
        (b->>'held_until')::timestamptz, b->>'hold_reason', b->>'held_by', (b->>'verified_at')::timestamptz, b->>'verified_level',
        (b->>'verified_ok')::boolean, (b->>'restorable')::boolean, b->>'why_not', b->>'compression', b->>'copied_from', (b->>'timeline')::bigint, id,
        CASE WHEN b->>'state' = 'ended' THEN pg_catalog.clock_timestamp() END)
    ON CONFLICT (backup_id) DO UPDATE SET
        sequence = EXCLUDED.sequence, kind = EXCLUDED.kind, state = EXCLUDED.state,
        source = coalesce(EXCLUDED.source, old.source), database = coalesce(EXCLUDED.database, old.database),
        label = coalesce(EXCLUDED.label, old.label), note = coalesce(EXCLUDED.note, old.note),
        reason = coalesce(EXCLUDED.reason, old.reason), taken_by = coalesce(EXCLUDED.taken_by, old.taken_by),
        environment = coalesce(EXCLUDED.environment, old.environment),
        started_at = coalesce(EXCLUDED.started_at, old.started_at), finished_at = EXCLUDED.finished_at,
        snapshot_time = coalesce(EXCLUDED.snapshot_time, old.snapshot_time), stored_at = EXCLUDED.stored_at,
        size_bytes = coalesce(EXCLUDED.size_bytes, old.size_bytes), stored_bytes = EXCLUDED.stored_bytes, new_bytes = EXCLUDED.new_bytes,
        tables = coalesce(EXCLUDED.tables, old.tables), rows = coalesce(EXCLUDED.rows, old.rows), entities = coalesce(EXCLUDED.entities, old.entities),
        server_version_num = coalesce(EXCLUDED.server_version_num, old.server_version_num), store = EXCLUDED.store,
        location = EXCLUDED.location, repository = EXCLUDED.repository, encrypted = EXCLUDED.encrypted,
        held = EXCLUDED.held, held_until = EXCLUDED.held_until, hold_reason = EXCLUDED.hold_reason, held_by = EXCLUDED.held_by,
        verified_at = EXCLUDED.verified_at, verified_level = EXCLUDED.verified_level, verified_ok = EXCLUDED.verified_ok,
        restorable = EXCLUDED.restorable, why_not = EXCLUDED.why_not, compression = coalesce(EXCLUDED.compression, old.compression),
        copied_from = coalesce(EXCLUDED.copied_from, old.copied_from), timeline = coalesce(EXCLUDED.timeline, old.timeline),
        job_id = coalesce(old.job_id, EXCLUDED.job_id),
        ended_at = CASE WHEN EXCLUDED.state = 'ended' THEN coalesce(old.ended_at, EXCLUDED.ended_at) END
$$;

CREATE FUNCTION ark_private.put_contents(id text, contents jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM ark_private.backup_content WHERE backup_id = id;
    INSERT INTO ark_private.backup_content (backup_id, schema_name, table_name, kind, rows, bytes, owner, key, filter)
    SELECT id, c->>'schema', c->>'table', c->>'kind', (c->>'rows')::bigint, (c->>'bytes')::bigint, c->>'owner',
           CASE WHEN pg_catalog.jsonb_typeof(c->'key') = 'array' THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(c->'key')) END, c->>'filter'
      FROM pg_catalog.jsonb_array_elements(contents) AS c
$$;

CREATE FUNCTION ark_private.end_backup(id text, why text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE ark_private.backup SET state = 'ended', ended_at = pg_catalog.clock_timestamp(), end_reason = why WHERE backup_id = id AND ended_at IS NULL
$$;

-- What the engine must find: the newest backup that each repository is known to hold.
CREATE FUNCTION ark_private.expected_repositories() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(newest)), '[]')
      FROM (SELECT DISTINCT ON (location) location, repository, backup_id, ark_private.utc(finished_at) AS finished_at
              FROM ark_private.backup WHERE ended_at IS NULL AND location IS NOT NULL ORDER BY location, sequence DESC NULLS LAST, backup_id DESC) AS newest
$$;

-- What a look into the store compares with. Which repository is there now the engine knows: backups of others neither come nor go.
CREATE FUNCTION ark_private.known_backups() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.jsonb_agg(coalesce(b.repository || '/', '') || b.backup_id), '[]') FROM ark_private.backup AS b WHERE b.ended_at IS NULL
$$;

-- `stores_read`: the stores that were looked into; of others that are still in use, what was known stays.
CREATE FUNCTION ark_private.put_recovery(windows jsonb, points jsonb, stores_read jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM ark_private.recovery_window AS w WHERE stores_read ? w.store OR NOT EXISTS (SELECT FROM ark_private.stores() AS s WHERE s.name = w.store);
    INSERT INTO ark_private.recovery_window (backup_id, timeline, window_start, window_end, from_lsn, until_lsn, ended_by, missing, reason, restorable, store, encrypted, looked_at)
    SELECT w->>'backup_id', (w->>'timeline')::bigint, (w->>'window_start')::timestamptz, (w->>'window_end')::timestamptz, (w->>'from_lsn')::pg_lsn,
           (w->>'until_lsn')::pg_lsn, w->>'end', w->>'missing', w->>'why', (w->>'restorable')::boolean, w->>'store', (w->>'encrypted')::boolean, pg_catalog.clock_timestamp()
      FROM pg_catalog.jsonb_array_elements(windows) AS w;
    DELETE FROM ark_private.named_point AS p WHERE stores_read ? p.store OR NOT EXISTS (SELECT FROM ark_private.stores() AS s WHERE s.name = p.store);
    INSERT INTO ark_private.named_point (name, lsn, timeline, "time", taken_by, reason, key, restorable, why_not, store, encrypted, looked_at)
    SELECT p->>'name', (p->>'lsn')::pg_lsn, (p->>'timeline')::bigint, (p->>'time')::timestamptz, p->>'taken_by', p->>'reason', p->>'key',
           (p->>'restorable')::boolean, p->>'why_not', p->>'store', (p->>'encrypted')::boolean, pg_catalog.clock_timestamp()
      FROM pg_catalog.jsonb_array_elements(points) AS p
$$;

CREATE FUNCTION ark_private.index_result(j ark_private.job, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    item jsonb;
BEGIN
    IF jsonb_typeof(result->'backup') = 'object' THEN
        PERFORM ark_private.put_backup(result->'backup', CASE WHEN j.verb IN ('backup', 'export') THEN j.job_id END);
    END IF;
    IF jsonb_typeof(result->'contents') = 'array' AND EXISTS (SELECT FROM ark_private.backup WHERE backup_id = result->>'backup_id') THEN
        PERFORM ark_private.put_contents(result->>'backup_id', result->'contents');
    END IF;
    IF jsonb_typeof(result->'windows') = 'array' THEN
        PERFORM ark_private.put_recovery(result->'windows', coalesce(result->'points', '[]'), result->'stores_read');
    END IF;
    IF j.verb = 'export' THEN
        INSERT INTO ark_private.export (job_id, backup_id, entity, database, key, bytes, rows, written_at)
        SELECT j.job_id, result->>'backup_id', o->>'entity', coalesce(result->>'database', j.database), o->>'key', (o->>'bytes')::bigint, (o->>'rows')::bigint, clock_timestamp()
          FROM jsonb_array_elements(coalesce(result->'objects', '[]')) AS o
        ON CONFLICT (key) DO UPDATE SET job_id = EXCLUDED.job_id, backup_id = EXCLUDED.backup_id, bytes = EXCLUDED.bytes, rows = EXCLUDED.rows, written_at = EXCLUDED.written_at;
    ELSIF j.verb = 'delete' THEN
        PERFORM ark_private.end_backup(result->>'backup_id', coalesce(j.arguments->>'reason', 'deleted'));
    ELSIF j.verb = 'expire' THEN
        FOR item IN SELECT v FROM jsonb_array_elements(coalesce(result->'verdicts', '[]')) AS v WHERE coalesce(result->'ended', '[]') ? (v->>'backup_id') LOOP
            PERFORM ark_private.end_backup(item->>'backup_id', item->>'reason');
        END LOOP;
    ELSIF j.verb = 'check' THEN
        DELETE FROM ark_private.store_check WHERE store IN (SELECT c->>'store' FROM jsonb_array_elements(result->'checks') AS c);
        INSERT INTO ark_private.store_check (store, "check", ok, detail, hint, checked_at)
        SELECT c->>'store', c->>'check', (c->>'ok')::boolean, c->>'detail', c->>'hint', clock_timestamp() FROM jsonb_array_elements(result->'checks') AS c
        ON CONFLICT (store, "check") DO UPDATE SET ok = EXCLUDED.ok AND store_check.ok, detail = EXCLUDED.detail, hint = EXCLUDED.hint, checked_at = EXCLUDED.checked_at;
    ELSIF j.action = 'rebuild_catalog' OR j.action = 'take_over' AND jsonb_typeof(result->'backups') = 'array' THEN
        FOR item IN SELECT b FROM jsonb_array_elements(coalesce(result->'backups', '[]')) AS b LOOP
            PERFORM ark_private.put_backup(item, NULL);
        END LOOP;
        PERFORM ark_private.end_backup(b.backup_id, 'no longer in the store') FROM ark_private.backup AS b
          WHERE b.ended_at IS NULL AND NOT EXISTS (SELECT FROM jsonb_array_elements(coalesce(result->'backups', '[]')) AS r WHERE r->>'backup_id' = b.backup_id);
    ELSIF j.action = 'refresh_catalog' THEN
        FOR item IN SELECT b FROM jsonb_array_elements(coalesce(result->'backups', '[]')) AS b LOOP
            PERFORM ark_private.put_backup(item, NULL);
        END LOOP;
        PERFORM ark_private.end_backup(b.backup_id, 'no longer in the store') FROM ark_private.backup AS b
          WHERE b.ended_at IS NULL AND b.repository = result->>'repository' AND result->'gone' ? b.backup_id;
    END IF;
END
$$;
