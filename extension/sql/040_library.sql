-- What is C: questions to the server and to shared memory, and pure pieces of the core. JSON and times travel as text.

CREATE FUNCTION ark_private.server_state_text() RETURNS text LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ark_server_state';
CREATE FUNCTION ark_private.live_jobs(
    OUT job_id bigint, OUT state text, OUT action text, OUT verb text, OUT source text, OUT database text, OUT kind text, OUT schedule text,
    OUT caller text, OUT backup_id text, OUT restore_id bigint, OUT queued_at timestamptz, OUT started_at timestamptz, OUT phase text, OUT current text,
    OUT done_bytes bigint, OUT total_bytes bigint, OUT stored_bytes bigint, OUT done_items bigint, OUT total_items bigint, OUT updated_at timestamptz,
    OUT waiting_for text, OUT worker_pid bigint, OUT engine_pid bigint)
RETURNS SETOF record LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ark_live_jobs';
CREATE FUNCTION ark_private.archive_state(
    OUT archiver_pid bigint, OUT engine_pid bigint, OUT engine text, OUT why_not text, OUT last_archived_wal text, OUT last_archived_at timestamptz,
    OUT archived_count bigint, OUT ahead_count bigint, OUT failing_since timestamptz, OUT failed_wal text, OUT last_failed_at timestamptz,
    OUT message text, OUT detail text, OUT hint text, OUT last_segment text, OUT last_segment_at timestamptz, OUT dropping_since timestamptz,
    OUT shipped_until text, OUT shipped_at timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ark_archive_state';
CREATE FUNCTION ark_private.wal_sync_state(OUT phase text, OUT since timestamptz, OUT why text, OUT remedy text)
RETURNS SETOF record LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ark_wal_sync_state';
CREATE FUNCTION ark_private.queue_state(
    OUT store text, OUT last_copied text, OUT copied_until_at timestamptz, OUT waiting_files bigint, OUT waiting_bytes bigint, OUT waiting_since timestamptz,
    OUT looked_at timestamptz, OUT failing_since timestamptz, OUT error text, OUT hint text)
RETURNS SETOF record LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ark_queue_state';
CREATE FUNCTION ark_private.request_cancel(job_id bigint, reason text) RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ark_request_cancel';
CREATE FUNCTION ark_private.wake_launcher() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ark_wake_launcher';
CREATE FUNCTION ark_private.next_run_text(cron text, zone text, after text) RETURNS text
    LANGUAGE c STRICT STABLE AS 'MODULE_PATHNAME', 'ark_next_run';
CREATE FUNCTION ark_private.decide_schedules_text(schedules text, pause text, now text) RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'ark_decide_schedules';
CREATE FUNCTION ark_private.describe_policy_text(policy text) RETURNS text LANGUAGE c STRICT IMMUTABLE AS 'MODULE_PATHNAME', 'ark_describe_policy';
CREATE FUNCTION ark_private.apply_policy_text(policy text, backups text, now text, zone text) RETURNS text
    LANGUAGE c STRICT STABLE AS 'MODULE_PATHNAME', 'ark_apply_policy';

CREATE FUNCTION ark_private.server_state() RETURNS jsonb
LANGUAGE sql VOLATILE AS $$ SELECT ark_private.server_state_text()::pg_catalog.jsonb $$;

CREATE FUNCTION ark_private.stores() RETURNS TABLE (name text, url text, "position" bigint, ack text, is_default boolean, same_disk boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s->>'name', s->>'url', at, s->>'ack', (s->>'is_default')::boolean, (s->>'same_disk')::boolean
      FROM jsonb_array_elements(ark_private.server_state()->'stores') WITH ORDINALITY AS t(s, at)
$$;

-- The form of times that the core reads.
CREATE FUNCTION ark_private.utc(moment timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT pg_catalog.to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

CREATE FUNCTION ark_private.next_run(cron text, zone text, after timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT ark_private.next_run_text(cron, zone, ark_private.utc(after))::pg_catalog.timestamptz $$;
