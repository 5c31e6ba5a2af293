-- What each thing is, for \d+ and \df+. Columns share one dictionary: a name means the same wherever it stands.

COMMENT ON SCHEMA ark IS 'pg_ark: backups that PostgreSQL takes of itself. Begin with SELECT * FROM ark.status; and ark.help(''what happened'')';
COMMENT ON SCHEMA ark_private IS 'tables and inner functions of pg_ark; read the views in schema ark instead';
COMMENT ON TYPE ark.job_result IS 'what every action returns';
COMMENT ON TYPE ark.restore_result IS 'what a restore and its dry run return: a row for each table, the last one says what happened and how to undo it';
COMMENT ON TYPE ark.restore_point IS 'something that can be restored';

DO $comments$
DECLARE
    item record;
    target record;
BEGIN
    FOR item IN SELECT * FROM (VALUES
        ('backup_now', 'takes a consistent backup of one database or of chosen entities, and waits for it; or a base backup of the cluster (kind => ''physical''), and does not wait unless told'),
        ('export_now', 'writes readable exports into the store: entities as json, jsonl or csv, a whole database as sql'),
        ('cancel_job', 'asks a queued or running job to end'),
        ('hold_backup', 'keeps retention away from a backup, until a time or until it is released'),
        ('release_backup', 'lets retention treat a held backup like any other'),
        ('delete_backup', 'ends a backup that is not held; its data goes with the next sweep'),
        ('annotate_backup', 'gives a backup a label, by which it can be found, or a note'),
        ('create_restore_point', 'gives this moment of the cluster a name to recover to, kept in the WAL and in the store'),
        ('verify_backup', 'reads a backup back at level exists, checksum or decode, and records the result'),
        ('restore_entities', 'brings tables, or rows of them, back from a backup; dry_run => true shows what it would do'),
        ('run_plan', 'does exactly what a dry run showed, and refuses if it would now delete or update more'),
        ('undo_restore', 'gives back what a restore changed, from the copy that it kept'),
        ('set_schedule', 'makes or changes a schedule: a cron line and an action (backup, export, verify, expire) with its options'),
        ('drop_schedule', 'removes a schedule'),
        ('pause_scheduler', 'stops all schedules for a while; what is due meanwhile is recorded and not caught up'),
        ('resume_scheduler', 'ends a pause'),
        ('scheduler_status', 'whether schedules run, and which is next'),
        ('set_entity', 'makes or changes an entity: one or more tables under one name'),
        ('drop_entity', 'removes an entity; backups of it stay'),
        ('set_policy', 'makes or changes a retention policy'),
        ('drop_policy', 'removes a retention policy'),
        ('expire_now', 'ends the backups that the policy does not keep, and frees their space and that of WAL that no kept one needs'),
        ('retention_preview', 'what a policy would keep and drop now, with the reason for each backup'),
        ('check_store', 'tries everything that a backup needs: store, server, rights, pg_dump, key'),
        ('rebuild_catalog', 'reads the store and brings the list of backups up to date; accept_empty: a store that was emptied on purpose is no error, and its backups are forgotten'),
        ('adopt_cluster', 'says that this cluster is meant to be itself and no copy, and lets it work again'),
        ('take_over', 'makes this server the writer of its path in the store, after a move'),
        ('rotate_key', 'wraps the data keys with a new key; the reference names a file below ark.secrets_dir or a variable'),
        ('confirm_key_escrow', 'says that a copy of the key is kept elsewhere, by its fingerprint'),
        ('list_restore_points', 'what can be restored, newest first'),
        ('restore_points_json', 'the same in the shape that applications list'),
        ('help', 'statements to type, with the names that exist here: ark.help(''I deleted rows'')'),
        ('check_audit_log', 'links of the audit log that do not fit; no row: it is as it was written')) AS v(name, comment)
    LOOP
        FOR target IN SELECT p.oid::pg_catalog.regprocedure AS signature FROM pg_catalog.pg_proc AS p
                       WHERE p.pronamespace = 'ark'::pg_catalog.regnamespace AND p.proname = item.name LOOP
            EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', target.signature, item.comment);
        END LOOP;
    END LOOP;

    FOR item IN SELECT * FROM (VALUES
        ('backups', 'finished backups, the newest first'),
        ('backup_contents', 'the tables in each backup'),
        ('recovery_windows', 'from which base backup to which moments and positions the cluster can be recovered, as the store had it at looked_at'),
        ('named_points', 'named restore points, the newest first'),
        ('exports', 'readable exports in the store'),
        ('job_history', 'everything that was run, skipped or missed, the newest first'),
        ('progress', 'jobs that are queued or running now'),
        ('schedules', 'what runs when, and how it went last'),
        ('restores', 'restores into live databases'),
        ('entities', 'business objects by name'),
        ('policies', 'how long things are kept'),
        ('stores', 'where backups are kept'),
        ('wal_archive', 'how archiving of WAL goes and up to where it can be recovered, for each store; with archive_command one row, since the command says where to'),
        ('audit_log', 'who did what; it only grows, and each row holds a hash of the one before'),
        ('my_rights', 'which of the five roles the current role has'),
        ('status', 'how things are, in one row')) AS v(name, comment)
    LOOP
        EXECUTE pg_catalog.format('COMMENT ON VIEW ark.%I IS %L', item.name, item.comment);
    END LOOP;

    FOR item IN SELECT * FROM (VALUES
        ('job_id', 'the job'), ('backup_id', 'the backup: sortable by time, the same in the store'), ('restore_id', 'the restore'),
        ('plan_id', 'the plan that a dry run made'), ('restore_point', 'what to give to ark.restore_entities()'),
        ('state', 'queued, running, done, failed, cancelled, interrupted, skipped or missed; of a backup: complete or ended'),
        ('action', 'what is done: backup, export, restore, undo, verify, expire, hold, …'),
        ('source', 'the server that it is about'), ('database', 'the database that it is about'), ('target_database', 'the database that was restored into'),
        ('target_schema', 'the schema that was restored into; null: each table''s own'), ('kind', 'what sort it is'),
        ('backup_kind', 'logical (a database) or entities (chosen tables)'), ('schedule', 'the schedule that started it; null: somebody did'),
        ('due_at', 'when the schedule was due'), ('label', 'a name to find it by'), ('note', 'anything worth knowing'), ('reason', 'why'),
        ('taken_by', 'who took it'), ('environment', 'what the server was when it was taken, by ark.environment'), ('requested_by', 'on whose behalf: ark.actor, or the role'), ('session_user_name', 'the session''s login role'),
        ('application_name', 'as the session called itself'), ('client_addr', 'where the session came from; null: a local socket'),
        ('queued_at', 'when it was asked for'), ('started_at', 'when it began'), ('finished_at', 'when it ended'), ('duration', 'from its beginning to its end'),
        ('snapshot_time', 'the moment whose data it holds'), ('time', 'the moment whose data it holds'), ('window_start', 'first moment of a recovery window'),
        ('window_end', 'last moment of a recovery window: when its last WAL came to the store, by the store''s clock'),
        ('timeline', 'the timeline of the cluster''s history'), ('lsn', 'position in the WAL'), ('from_lsn', 'where the window opens: the end of the base backup'),
        ('until_lsn', 'the first position that is not in the store'), ('ended_by', 'archive (nothing younger was archived yet), hole (a segment is missing) or expired'),
        ('missing', 'the segment that is missing'), ('ack', 'required: the server keeps its WAL until this store has it; async: WAL is copied there behind the others'), ('looked_at', 'when a job last looked into the store'), ('age', 'how long ago that is'), ('size_bytes', 'data before compression'),
        ('stored_bytes', 'what it needs in the store, shared with other backups'), ('new_bytes', 'what it alone added to the store'),
        ('bytes_read', 'data read'), ('bytes_stored', 'bytes written to the store'), ('bytes', 'size'), ('rows', 'rows'), ('tables', 'tables, or what was done to each'),
        ('entities', 'the entities it is about; null: the whole database'), ('entity', 'the entities it is about'), ('server_version_num', 'version of the server it was taken from'),
        ('compression', 'how it is compressed'), ('copied_from', 'whose files a base backup copied: primary or standby, and the machine'), ('store', 'the store it is in'), ('stores', 'the stores it is in'), ('encrypted', 'whether it is encrypted'),
        ('held', 'whether retention may not touch it'), ('held_until', 'until when; null or infinity: until it is released'), ('hold_reason', 'why it is held'),
        ('held_by', 'who holds it'), ('verified_at', 'when it was last verified'), ('verified_level', 'how deeply'), ('verified_ok', 'with which result'),
        ('restorable', 'whether it can be restored, as far as is known'), ('why_not', 'why it cannot'), ('ended_at', 'when it was deleted or expired'),
        ('end_reason', 'why'), ('schema_name', 'schema of the table'), ('table_name', 'the table; null in the last row, which speaks for all'),
        ('owner', 'owner of the table'), ('key', 'of a table: the columns that identify a row; of an export or backup: its name in the store'), ('filter', 'which rows of it; null: all'),
        ('written_at', 'when it was written'), ('message', 'what happened, for people'), ('detail', 'the evidence'), ('hint', 'what to do next'),
        ('sqlstate', 'code of the error'), ('warnings', 'what was worth a warning'), ('arguments', 'what it was called with'),
        ('phase', 'what it is doing; a backup: plan, copy (it reads), upload (all is read, the rest is sent), commit'), ('current', 'the table or object it is at'), ('percent', 'how much of the data is read'), ('done_bytes', 'data read so far'),
        ('total_bytes', 'data to read; null: not known'), ('done_items', 'tables or objects done'), ('total_items', 'tables or objects to do'),
        ('bytes_per_second', 'its rate so far'), ('remaining', 'how long at that rate'), ('waiting_for', 'why it has not begun'), ('worker_pid', 'its background worker'),
        ('engine_pid', 'its engine program'), ('name', 'its name'), ('cron', 'when: minute, hour, day of month, month, day of week'), ('timezone', 'the time zone of the cron line'),
        ('policy', 'the retention policy it uses'), ('options', 'further arguments of the action'), ('enabled', 'whether it runs'),
        ('created_by', 'the role that set it, whose rights it acts with'), ('changed_by', 'who set it'), ('changed_at', 'when it was set'), ('next_run', 'when it runs next'),
        ('last_job_id', 'its last job'), ('last_state', 'how that went'), ('last_due_at', 'when that was due'), ('last_finished_at', 'when that ended'), ('last_message', 'what it said'),
        ('mode', 'insert_missing, upsert, replace, side_by_side or undo'), ('committed', 'whether it changed anything'), ('safety_backup_id', 'the copy of what it changed'),
        ('undo_of', 'the restore that it undid'), ('undone_by', 'the restore that undid it'), ('description', 'what it is'), ('keeps', 'what it keeps, in words'), ('rules', 'its rules'),
        ('url', 'where it is'), ('position', 'its place in ark.store; the first is read and written first'), ('is_default', 'whether ark.store is unset'),
        ('same_disk', 'whether it lies on the disk of the data directory'), ('checked_at', 'when ark.check_store() was last run'), ('checks_ok', 'whether all of that held'), ('warning', 'what is wrong with it'),
        ('id', 'number of the row'), ('at', 'when'), ('operation', 'what was done'), ('actor', 'who: ark.actor, or the role'), ('outcome', 'how it ended'),
        ('chain', 'place in the chain; null: not chained yet'), ('prev_hash', 'hash of the row before'), ('hash', 'SHA-256 over prev_hash and this row'),
        ('role', 'the role'), ('granted', 'whether the current role has it'), ('may', 'what it may do'), ('overall', 'ok, warning or critical'),
        ('last_archived_wal', 'the WAL file that was archived last'), ('last_archived_at', 'when that was'),
        ('archived_count', 'files archived since the server''s statistics were reset'), ('backlog_segments', 'finished segments that wait to be archived'),
        ('lag', 'how long the one that waits longest has waited; null: none waits'),
        ('failing_since', 'since when archiving fails; null: it does not. With archive_command: since the file that waits longest could be archived'),
        ('recoverable_from', 'the oldest moment from which every moment until recoverable_until can be recovered; null: no base backup in this store reaches there'),
        ('recoverable_until', 'until this moment every commit can be recovered from this store alone: from its newest recovery window, what was archived since, and what was shipped of the unfinished segment'),
        ('recoverable_until_lsn', 'the same as a position in the WAL: the end of what is unbroken'), ('lag_bytes', 'WAL that was written behind that position'),
        ('shipped_until', 'how far the WAL of the unfinished segment is in the store (ark.wal_ship_interval)'), ('shipped_at', 'what was committed until then lies before that'),
        ('gaps', 'WAL that is missing in the middle, and why'), ('failed_wal', 'the file that could not be archived'), ('last_error', 'why; with archive_command the server log says it'),
        ('restorable_from', 'the oldest moment that can be restored'), ('restorable_until', 'the newest moment that can be restored'),
        ('loss_if_now', 'what would be lost if the server were lost now: from base backups and WAL, or for the database whose logical backup is oldest'),
        ('restore_estimate', 'how long reading the newest backups takes at the rate last measured; null: never measured'), ('last_backup_at', 'when the last backup ended'),
        ('last_verified_at', 'when a backup was last verified'), ('backlog_bytes', 'WAL not archived yet; null: WAL is not archived'), ('disk_full_in', 'null: not known'),
        ('problems', 'what is wrong, the worst first'), ('do_next', 'what to do about the first of them'),
        ('to_insert', 'rows to insert, or inserted'), ('to_update', 'rows to update, or updated'), ('to_delete', 'rows to delete, or deleted'), ('unchanged', 'rows that are equal'),
        ('conflicts', 'rows that were left alone because another row is in their way'), ('sample_keys', 'keys of some of these rows, for those who may read the table'),
        ('triggers', 'user triggers that are skipped or fired'), ('cascades', 'tables that ON DELETE CASCADE would reach'), ('locks', 'locks it takes'),
        ('estimated', 'how long it will take, by the last restore; null: never measured'), ('notes', 'what else to know')) AS v(name, comment)
    LOOP
        FOR target IN SELECT c.oid::pg_catalog.regclass AS relation FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
                       WHERE c.relnamespace = 'ark'::pg_catalog.regnamespace AND c.relkind IN ('v', 'c') AND a.attname = item.name AND a.attnum > 0 LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', target.relation, item.name, item.comment);
        END LOOP;
    END LOOP;
END
$comments$;
COMMENT ON COLUMN ark.wal_archive.store IS 'the store; null: archive_command says where to';
COMMENT ON COLUMN ark.wal_archive.mode IS 'module (archive_library = ''pg_ark''), command, other (another library), copy (of the other stores: ack=async) or off';
COMMENT ON COLUMN ark.wal_archive.loss_if_now IS 'if the server were lost now: the commits of this time would be lost, at most';
COMMENT ON COLUMN ark.recovery_windows.reason IS 'why it is missing, where that is on record';
