-- The tables lie in ark_private; what people read are the views in ark, which show only databases they may connect to.
-- backup, backup_content, recovery_window and named_point are an index of the store, and can be rebuilt from it; the rest are decisions and history.

CREATE SEQUENCE ark_private.job_id_seq AS bigint;
CREATE SEQUENCE ark_private.restore_id_seq AS bigint;
CREATE SEQUENCE ark_private.plan_id_seq AS bigint;

CREATE TABLE ark_private.job (
    job_id bigint PRIMARY KEY,
    action text NOT NULL,
    verb text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted', 'skipped', 'missed')),
    source text NOT NULL DEFAULT 'local',
    database text,
    kind text,
    schedule text,
    due_at timestamptz,
    backup_id text,
    restore_id bigint,
    plan_id bigint,
    caller jsonb NOT NULL DEFAULT '{}',
    arguments jsonb NOT NULL DEFAULT '{}',
    queued_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    bytes_read bigint,
    bytes_stored bigint,
    message text,
    detail text,
    hint text,
    sqlstate text,
    warnings text[] NOT NULL DEFAULT '{}',
    engine text,
    result jsonb
);
CREATE INDEX job_open ON ark_private.job (job_id) WHERE state IN ('queued', 'running');
CREATE INDEX job_by_time ON ark_private.job (queued_at);
CREATE INDEX job_by_cause ON ark_private.job ((arguments->'ark'->>'cause')) WHERE arguments->'ark'->>'cause' IS NOT NULL;

CREATE TABLE ark_private.backup (
    backup_id text PRIMARY KEY,
    sequence bigint,
    kind text NOT NULL,
    state text NOT NULL,
    source text,
    database text,
    label text,
    note text,
    reason text,
    taken_by text,
    environment text,
    started_at timestamptz,
    finished_at timestamptz,
    snapshot_time timestamptz,
    stored_at timestamptz,
    size_bytes bigint,
    stored_bytes bigint,
    new_bytes bigint,
    tables bigint,
    rows bigint,
    entities jsonb,
    server_version_num integer,
    store text,
    location text,
    repository text,
    encrypted boolean,
    held boolean NOT NULL DEFAULT false,
    held_until timestamptz,
    hold_reason text,
    held_by text,
    verified_at timestamptz,
    verified_level text,
    verified_ok boolean,
    restorable boolean,
    why_not text,
    compression text,
    copied_from text,
    timeline bigint,    -- on which a base backup was begun
    job_id bigint,
    ended_at timestamptz,
    end_reason text
);
CREATE INDEX backup_by_time ON ark_private.backup (finished_at);

-- Where a cluster can be recovered to, as the store had it when a job last looked; replaced store by store.
CREATE TABLE ark_private.recovery_window (
    backup_id text NOT NULL,
    timeline bigint NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    from_lsn pg_lsn,
    until_lsn pg_lsn,
    ended_by text NOT NULL,
    missing text,
    reason text,
    restorable boolean NOT NULL,
    store text NOT NULL,
    encrypted boolean,
    looked_at timestamptz NOT NULL,
    PRIMARY KEY (store, backup_id, timeline)
);

CREATE TABLE ark_private.named_point (
    name text NOT NULL,
    lsn pg_lsn NOT NULL,
    timeline bigint NOT NULL,
    "time" timestamptz NOT NULL,
    taken_by text,
    reason text,
    key text NOT NULL,
    restorable boolean NOT NULL,
    why_not text,
    store text NOT NULL,
    encrypted boolean,
    looked_at timestamptz NOT NULL,
    PRIMARY KEY (store, key)
);

CREATE TABLE ark_private.backup_content (
    backup_id text NOT NULL REFERENCES ark_private.backup ON DELETE CASCADE,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    kind text,
    rows bigint,
    bytes bigint,
    owner text,
    key text[],
    filter text,
    PRIMARY KEY (backup_id, schema_name, table_name)
);

CREATE TABLE ark_private.export (
    job_id bigint NOT NULL,
    backup_id text,
    entity text,
    database text,
    key text NOT NULL,
    bytes bigint,
    rows bigint,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE ark_private.restore (
    restore_id bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    plan_id bigint,
    backup_id text,
    source text NOT NULL,
    database text,
    target_database text,
    target_schema text,
    entities jsonb,
    mode text,
    filter text,
    state text NOT NULL,
    requested_by text,
    reason text,
    started_at timestamptz,
    finished_at timestamptz,
    tables jsonb,
    transaction_id xid8,
    committed boolean NOT NULL DEFAULT false,
    safety_backup_id text,
    unused_copy text,    -- the safety copy of one that was rolled back: it is to be released
    undo_of bigint,
    undone_by bigint,
    message text
);

CREATE TABLE ark_private.plan (
    plan_id bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    arguments jsonb NOT NULL,
    caller jsonb NOT NULL,
    source text NOT NULL,
    database text,
    tables jsonb NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    run_as_restore bigint
);

CREATE TABLE ark_private.schedule (
    name text PRIMARY KEY,
    cron text NOT NULL,
    timezone text,
    action text NOT NULL,
    database text,
    entities text,
    policy text,
    options jsonb NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    created_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    decided_until timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE TABLE ark_private.entity (
    name text PRIMARY KEY,
    database text,
    tables jsonb NOT NULL,
    description text,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE TABLE ark_private.policy (
    name text PRIMARY KEY,
    rules jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- The last pause of the scheduler; paused_until null: it still lasts.
CREATE TABLE ark_private.pause (
    since timestamptz NOT NULL,
    until timestamptz,
    paused_by text NOT NULL,
    reason text
);

-- Which cluster these tables belong to. A dump that is loaded elsewhere adds the row of where it came from, and any row
-- that does not fit pauses everything until ark.adopt_cluster().
CREATE TABLE ark_private.cluster_identity (
    system_identifier text NOT NULL,
    data_directory text NOT NULL,
    device text NOT NULL,
    inode text NOT NULL,
    machine text NOT NULL,
    restored text NOT NULL,
    adopted_by text NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE TABLE ark_private.store_check (
    store text NOT NULL,
    "check" text NOT NULL,
    ok boolean,
    detail text,
    hint text,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (store, "check")
);

-- Rows are chained by the launcher after their transactions have committed: a chain made in the transactions themselves
-- would let one idle session hold up the outcome of every job.
CREATE TABLE ark_private.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    operation text NOT NULL,
    actor text,
    session_user_name text,
    application_name text,
    client_addr text,
    reason text,
    job_id bigint,
    backup_id text,
    restore_id bigint,
    arguments jsonb,
    outcome text,
    chain bigint UNIQUE,
    prev_hash text,
    hash text
);
CREATE INDEX audit_log_unchained ON ark_private.audit_log (id) WHERE chain IS NULL;

CREATE FUNCTION ark_private.keep_audit_log() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.chain IS NULL
       AND (to_jsonb(OLD) - '{chain,prev_hash,hash}'::text[]) = (to_jsonb(NEW) - '{chain,prev_hash,hash}'::text[]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log can only grow' USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON ark_private.audit_log FOR EACH ROW EXECUTE FUNCTION ark_private.keep_audit_log();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON ark_private.audit_log FOR EACH STATEMENT EXECUTE FUNCTION ark_private.keep_audit_log();

DO $dump$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['job', 'restore', 'plan', 'schedule', 'entity', 'policy', 'pause', 'cluster_identity', 'audit_log', 'export',
                                'job_id_seq', 'restore_id_seq', 'plan_id_seq', 'audit_log_id_seq'] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(('ark_private.' || name)::pg_catalog.regclass, '');
    END LOOP;
END
$dump$;
