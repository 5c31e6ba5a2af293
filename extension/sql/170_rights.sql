-- Nothing is granted to PUBLIC. ark_private can be named by nobody; what a view needs of it is granted to its readers.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ark, ark_private FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ark, ark_private FROM PUBLIC;
REVOKE ALL ON SCHEMA ark, ark_private FROM PUBLIC;
DO $types$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT pg_catalog.format('%I.%I', n.nspname, t.typname) FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
                 WHERE n.nspname IN ('ark', 'ark_private') AND t.typelem = 0 LOOP
        EXECUTE 'REVOKE ALL ON TYPE ' || name || ' FROM PUBLIC';
        EXECUTE 'GRANT USAGE ON TYPE ' || name || ' TO ark_reader';
    END LOOP;
END
$types$;

GRANT USAGE ON SCHEMA ark TO ark_reader;
GRANT SELECT ON ark.backups, ark.backup_contents, ark.recovery_windows, ark.named_points, ark.exports, ark.job_history, ark.progress, ark.schedules, ark.restores, ark.entities, ark.policies,
                ark.stores, ark.wal_archive, ark.status, ark.my_rights TO ark_reader;
GRANT SELECT ON ark.audit_log TO ark_approver, ark_admin;
GRANT EXECUTE ON FUNCTION
    ark.list_restore_points(text, text, text, timestamptz, timestamptz), ark.restore_points_json(text), ark.retention_preview(text), ark.scheduler_status(), ark.help(text),
    ark_private.may_see(text), ark_private.stores(), ark_private.wal_archive(), ark_private.newest(), ark_private.problems(), ark_private.restore_estimate(), ark_private.live_jobs(),
    ark_private.next_due(ark_private.schedule), ark_private.describe_policy_text(text), ark_private.preview(text), ark_private.scheduler_state(), ark_private.help_topics()
    TO ark_reader;

GRANT EXECUTE ON FUNCTION
    ark.backup_now(text, text, text, text, text, text, timestamptz, text, boolean), ark.backup_now(text[], text, text, text, text, text, timestamptz, text, boolean),
    ark.export_now(text, text, text, text, text, text, text, text, boolean), ark.export_now(text[], text, text, text, text, text, text, text, boolean),
    ark.hold_backup(text, timestamptz, text), ark.release_backup(text, text), ark.annotate_backup(text, text, text),
    ark.create_restore_point(text, text, boolean), ark.verify_backup(text, text, text, text, boolean), ark.set_schedule(text, text, text, text, text, text, jsonb, text, boolean), ark.drop_schedule(text),
    ark.pause_scheduler(text, timestamptz), ark.resume_scheduler(text), ark.set_entity(text, text, text, text, text), ark.set_entity(text, text[], text, text, text),
    ark.drop_entity(text), ark.check_store(text), ark.rebuild_catalog(boolean)
    TO ark_operator;

GRANT EXECUTE ON FUNCTION ark.cancel_job(bigint, text) TO ark_operator, ark_restorer;

GRANT EXECUTE ON FUNCTION
    ark.restore_entities(text, text, timestamptz, text, text, text, text, text, text, text[], text, boolean, boolean, boolean, text, text, boolean),
    ark.restore_entities(text[], text, timestamptz, text, text, text, text, text, text, text[], text, boolean, boolean, boolean, text, text, boolean),
    ark.run_plan(bigint, text), ark.undo_restore(bigint, boolean, text, text)
    TO ark_restorer;

GRANT EXECUTE ON FUNCTION ark.check_audit_log(), ark_private.broken_links() TO ark_approver, ark_admin;

GRANT EXECUTE ON FUNCTION
    ark.delete_backup(text, text), ark.set_policy(text, integer, integer, integer, integer, integer, integer, interval, interval), ark.drop_policy(text),
    ark.expire_now(boolean, text, boolean, text, boolean), ark.adopt_cluster(text), ark.take_over(text), ark.rotate_key(text, text, boolean), ark.confirm_key_escrow(text)
    TO ark_admin;
