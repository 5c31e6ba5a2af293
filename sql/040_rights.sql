-- What each role may do, and that nobody else may do anything.
\set SHOW_CONTEXT never
CREATE ROLE nobody_special;
CREATE ROLE reader IN ROLE ark_reader;
CREATE ROLE operator IN ROLE ark_operator;
CREATE ROLE restorer IN ROLE ark_restorer;
CREATE ROLE admin IN ROLE ark_admin;
CREATE DATABASE closed;
REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
INSERT INTO ark_private.backup (backup_id, sequence, kind, state, source, database, finished_at)
VALUES ('open-1', 1, 'logical', 'complete', 'local', current_database(), now()), ('closed-1', 2, 'logical', 'complete', 'local', 'closed', now()),
       ('dropped-1', 3, 'logical', 'complete', 'local', 'dropped long ago', now());

SET ROLE nobody_special;
SELECT * FROM ark.backups;
SELECT * FROM ark.backup_now();
SELECT * FROM ark.help();

SET ROLE reader;
SELECT backup_id FROM ark.backups;
SELECT restore_point FROM ark.list_restore_points();
SELECT role FROM ark.my_rights WHERE granted;
SELECT count(*) > 5 AS topics FROM ark.help();
SELECT overall IS NOT NULL AS seen FROM ark.status;
SELECT count(*) FROM ark.progress;
SELECT count(*) FROM ark.job_history;
SELECT * FROM ark.backup_now();
SELECT * FROM ark.set_schedule('mine', '@daily');
SELECT * FROM ark.audit_log;
SELECT * FROM ark_private.backup;
SELECT ark_private.end_backup('open-1', 'because');

SET ROLE operator;
SELECT backup_id FROM ark.backups;
SELECT * FROM ark.backup_now(database => 'closed');
SELECT * FROM ark.hold_backup('closed-1');
SELECT * FROM ark.restore_entities('clients');
SELECT * FROM ark.delete_backup('open-1');
SELECT * FROM ark.expire_now();
SELECT * FROM ark.set_policy('all', keep_last => 100);
SELECT * FROM ark.set_entity('rich', 'clients', filter => 'steal()');
SELECT * FROM ark.set_schedule('mine', '@daily', 'expire');

SET ROLE restorer;
SELECT * FROM ark.backup_now();
SELECT * FROM ark.restore_entities('clients', database => 'closed');
SELECT * FROM ark.restore_entities('clients', restore_point => 'open-1', target_database => 'closed');

SET ROLE admin;
SELECT message FROM ark.set_policy('all', keep_last => 100);
SELECT message FROM ark.drop_policy('all');
SELECT operation, actor FROM ark.audit_log LIMIT 2;
UPDATE ark.audit_log SET actor = 'somebody else';

-- Not even a superuser changes the log without a trace.
RESET ROLE;
UPDATE ark_private.audit_log SET actor = 'somebody else';
DELETE FROM ark_private.audit_log;
TRUNCATE ark_private.audit_log;
DELETE FROM ark_private.backup;
DROP DATABASE closed;
DROP ROLE nobody_special, reader, operator, restorer, admin;
