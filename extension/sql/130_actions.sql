-- The public functions. Each is a door in the library that calls the function of the same name in ark_private.

CREATE FUNCTION ark.backup_now(kind text DEFAULT 'logical', database text DEFAULT NULL, source text DEFAULT 'local', entities text DEFAULT NULL,
    label text DEFAULT NULL, reason text DEFAULT NULL, hold_until timestamptz DEFAULT NULL, store text DEFAULT NULL, wait boolean DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.backup_now(entities text[], database text DEFAULT NULL, source text DEFAULT 'local', kind text DEFAULT 'entities',
    label text DEFAULT NULL, reason text DEFAULT NULL, hold_until timestamptz DEFAULT NULL, store text DEFAULT NULL, wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.export_now(entities text DEFAULT NULL, format text DEFAULT NULL, layout text DEFAULT NULL, database text DEFAULT NULL,
    restore_point text DEFAULT NULL, label text DEFAULT NULL, reason text DEFAULT NULL, store text DEFAULT NULL, wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.export_now(entities text[], format text DEFAULT NULL, layout text DEFAULT NULL, database text DEFAULT NULL,
    restore_point text DEFAULT NULL, label text DEFAULT NULL, reason text DEFAULT NULL, store text DEFAULT NULL, wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.cancel_job(job_id bigint, reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';

CREATE FUNCTION ark.hold_backup(backup_id text, hold_until timestamptz DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.release_backup(backup_id text, reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.delete_backup(backup_id text, reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.annotate_backup(backup_id text, label text DEFAULT NULL, note text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.create_restore_point(name text, reason text DEFAULT NULL, wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.verify_backup(backup_id text DEFAULT 'latest', level text DEFAULT 'decode', target text DEFAULT NULL, database text DEFAULT NULL,
    wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';

CREATE FUNCTION ark.restore_entities(entities text, restore_point text DEFAULT 'latest', as_of timestamptz DEFAULT NULL, database text DEFAULT NULL,
    target text DEFAULT NULL, target_database text DEFAULT NULL, target_schema text DEFAULT NULL, mode text DEFAULT 'insert_missing', filter text DEFAULT NULL,
    columns text[] DEFAULT NULL, triggers text DEFAULT 'skip', cascade boolean DEFAULT false, dry_run boolean DEFAULT false, safety boolean DEFAULT true,
    lock_timeout text DEFAULT '10 s', reason text DEFAULT NULL, with_referenced boolean DEFAULT false)
    RETURNS SETOF ark.restore_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_restore';
CREATE FUNCTION ark.restore_entities(entities text[], restore_point text DEFAULT 'latest', as_of timestamptz DEFAULT NULL, database text DEFAULT NULL,
    target text DEFAULT NULL, target_database text DEFAULT NULL, target_schema text DEFAULT NULL, mode text DEFAULT 'insert_missing', filter text DEFAULT NULL,
    columns text[] DEFAULT NULL, triggers text DEFAULT 'skip', cascade boolean DEFAULT false, dry_run boolean DEFAULT false, safety boolean DEFAULT true,
    lock_timeout text DEFAULT '10 s', reason text DEFAULT NULL, with_referenced boolean DEFAULT false)
    RETURNS SETOF ark.restore_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_restore';
CREATE FUNCTION ark.run_plan(plan_id bigint, reason text DEFAULT NULL)
    RETURNS SETOF ark.restore_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_restore';
CREATE FUNCTION ark.undo_restore(restore_id bigint, dry_run boolean DEFAULT false, lock_timeout text DEFAULT '10 s', reason text DEFAULT NULL)
    RETURNS SETOF ark.restore_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_restore';

CREATE FUNCTION ark.set_schedule(name text, cron text, action text DEFAULT 'backup', database text DEFAULT NULL, entities text DEFAULT NULL,
    policy text DEFAULT NULL, options jsonb DEFAULT '{}', timezone text DEFAULT NULL, enabled boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.drop_schedule(name text)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.pause_scheduler(reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.resume_scheduler(reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';

CREATE FUNCTION ark.set_entity(name text, tables text, filter text DEFAULT NULL, database text DEFAULT NULL, description text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.set_entity(name text, tables text[], filter text DEFAULT NULL, database text DEFAULT NULL, description text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.drop_entity(name text)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.set_policy(name text, keep_last integer DEFAULT NULL, keep_hourly integer DEFAULT NULL, keep_daily integer DEFAULT NULL,
    keep_weekly integer DEFAULT NULL, keep_monthly integer DEFAULT NULL, keep_yearly integer DEFAULT NULL, keep_within interval DEFAULT NULL,
    pitr_window interval DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.drop_policy(name text)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_decide';
CREATE FUNCTION ark.expire_now(dry_run boolean DEFAULT false, policy text DEFAULT NULL, sweep boolean DEFAULT true, grace text DEFAULT NULL,
    wait boolean DEFAULT true)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';

CREATE FUNCTION ark.check_store(store text DEFAULT NULL)
    RETURNS TABLE (store_name text, "check" text, ok boolean, detail text, hint text) LANGUAGE c AS 'MODULE_PATHNAME', 'ark_check';
CREATE FUNCTION ark.rebuild_catalog(accept_empty boolean DEFAULT false)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.adopt_cluster(reason text DEFAULT NULL)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_adopt';
CREATE FUNCTION ark.take_over(reason text)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.rotate_key(new_key text, reason text DEFAULT NULL, reencrypt boolean DEFAULT false)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
CREATE FUNCTION ark.confirm_key_escrow(fingerprint text)
    RETURNS SETOF ark.job_result LANGUAGE c AS 'MODULE_PATHNAME', 'ark_action';
