-- ark.help('I deleted rows'): the statements to type, with names that exist here.

CREATE FUNCTION ark_private.help_topics() RETURNS TABLE (rank integer, words text, title text, statements text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH names AS (
        SELECT coalesce(n.database, 'app') AS db, coalesce(n.backup_id, 'BACKUP_ID') AS backup,
               coalesce((SELECT quote_ident(c.table_name) FROM ark_private.backup_content AS c WHERE c.backup_id = n.backup_id AND c.kind = 'r' ORDER BY c.rows DESC NULLS LAST LIMIT 1), 'clients') AS entity,
               coalesce((SELECT max(r.restore_id) FROM ark_private.restore AS r WHERE r.committed)::text, 'RESTORE_ID') AS restore,
               coalesce((SELECT max(j.job_id) FROM ark_private.job AS j WHERE j.state = 'failed')::text, 'JOB_ID') AS failed
          FROM (SELECT 1) AS one LEFT JOIN LATERAL (SELECT * FROM ark_private.newest() ORDER BY finished_at DESC LIMIT 1) AS n ON true)
    SELECT t.rank, t.words, t.title, t.statements FROM names AS n, LATERAL (VALUES
        (1, 'delet|lost|missing|gone|where|weg|gelöscht', 'Rows were deleted: see what would come back, then bring it back',
         format(E'SELECT * FROM ark.restore_entities(%1$L, database => %2$L, dry_run => true);\nSELECT * FROM ark.restore_entities(%1$L, database => %2$L);', n.entity, n.db)),
        (2, 'drop|table|trunc', 'A table was dropped or emptied: bring it back',
         format(E'SELECT restore_point, time, label FROM ark.list_restore_points(database => %2$L, entity => %1$L);\nSELECT * FROM ark.restore_entities(%1$L, restore_point => %3$L, database => %2$L, dry_run => true);\nSELECT * FROM ark.restore_entities(%1$L, restore_point => %3$L, database => %2$L);', n.entity, n.db, n.backup)),
        (3, 'updat|overwr|chang|wrong', 'Rows were changed by mistake: look at the old ones beside, or put them back',
         format(E'SELECT * FROM ark.restore_entities(%1$L, database => %2$L, mode => ''side_by_side'');\nSELECT * FROM ark.restore_entities(%1$L, database => %2$L, mode => ''upsert'', filter => ''id = 42'', dry_run => true);', n.entity, n.db)),
        (4, 'undo|revert|mistake', 'Undo a restore',
         format(E'SELECT restore_id, started_at, entities, mode FROM ark.restores WHERE committed;\nSELECT * FROM ark.undo_restore(%s);', n.restore)),
        (5, 'backup|take|now|start|first|begin', 'Take a backup now',
         format(E'SELECT * FROM ark.backup_now(database => %L);\nSELECT * FROM ark.backups;', n.db)),
        (6, 'schedul|night|cron|every|auto', 'Take backups every night and expire old ones',
         format(E'SELECT * FROM ark.set_schedule(''nightly'', ''0 3 * * *'', ''backup'', database => %L);\nSELECT * FROM ark.set_policy(''keep_90d'', keep_within => ''90 days'');\nSELECT * FROM ark.set_schedule(''expire'', ''30 4 * * *'', ''expire'', policy => ''keep_90d'');', n.db)),
        (7, 's3|store|bucket|cloud|disk', 'Keep backups elsewhere',
         E'ALTER SYSTEM SET ark.store = ''s3://BUCKET/PATH?region=REGION'';\nSELECT pg_reload_conf();\nSELECT * FROM ark.check_store();'),
        (8, 'verif|test|prove|trust|check', 'Prove that a backup can be read', E'SELECT * FROM ark.verify_backup();\nSELECT * FROM ark.status;'),
        (9, 'fail|error|why|stuck|slow|cancel|running', 'See what runs and what failed',
         format(E'SELECT * FROM ark.progress;\nSELECT message, detail, hint FROM ark.job_history WHERE job_id = %s;\nSELECT * FROM ark.cancel_job(JOB_ID);', n.failed)),
        (10, 'export|csv|json', 'Write readable exports into the store',
         format('SELECT * FROM ark.export_now(%L, ''json'', database => %L);', n.entity, n.db)),
        (11, 'right|role|permission|grant|denied', 'Who may do what', E'SELECT * FROM ark.my_rights;\nGRANT ark_operator TO ROLE;'),
        (12, 'status|health|ok|how', 'How things are', E'SELECT * FROM ark.status;\nSELECT * FROM ark.scheduler_status();')
    ) AS t(rank, words, title, statements)
$$;

CREATE FUNCTION ark.help(question text DEFAULT NULL) RETURNS TABLE (topic text, statements text)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH topics AS (SELECT * FROM ark_private.help_topics()),
         matching AS (SELECT t.* FROM topics AS t WHERE question IS NOT NULL AND lower(question) ~ t.words)
    SELECT m.title, m.statements FROM (SELECT * FROM matching UNION ALL SELECT * FROM topics WHERE NOT EXISTS (SELECT FROM matching)) AS m ORDER BY m.rank;
END;
