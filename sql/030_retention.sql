-- Policies, entities, and what retention would do.
\set SHOW_CONTEXT never
SELECT * FROM ark.set_policy('empty');
SELECT * FROM ark.set_policy('', keep_last => 1);
SELECT * FROM ark.set_policy('negative', keep_last => -1);
SELECT * FROM ark.set_policy('window', pitr_window => '-7 days');
SELECT message FROM ark.set_policy('keep_90d', keep_within => '90 days');
SELECT message FROM ark.set_policy('gfs', keep_last => 3, keep_daily => 7, keep_weekly => 4, keep_monthly => 12);
SELECT message FROM ark.set_policy('gfs', keep_last => 2, keep_daily => 2);
SELECT name, keeps, rules FROM ark.policies;

INSERT INTO ark_private.backup (backup_id, sequence, kind, state, source, database, finished_at, held, verified_ok)
SELECT 'b' || n, n, 'logical', 'complete', 'local', current_database(), now() - (8 - n) * interval '1 day', n = 1, CASE WHEN n = 2 THEN true END FROM generate_series(1, 7) AS n;
SELECT * FROM ark.retention_preview();
SELECT * FROM ark.retention_preview('nowhere');
SELECT backup_id, keep, regexp_replace(reason, '\d{4}-\d\d-\d\d', 'DAY', 'g') AS reason FROM ark.retention_preview('gfs');
SELECT count(*), bool_and(keep) FROM ark.retention_preview('keep_90d');
DELETE FROM ark_private.backup;
SELECT message FROM ark.drop_policy('gfs');
SELECT * FROM ark.drop_policy('gfs');
SELECT message FROM ark.set_schedule('expire', '30 4 * * *', 'expire', policy => 'keep_90d', enabled => false);
SELECT * FROM ark.drop_policy('keep_90d');
SELECT message FROM ark.drop_schedule('expire');
SELECT message FROM ark.drop_policy('keep_90d');

SELECT message FROM ark.set_entity('customer', 'clients, sales.invoices, "Order Items"', description => 'a customer and all that belongs to it');
SELECT message FROM ark.set_entity('visit', ARRAY['visits']);
SELECT name, tables FROM ark.entities;
SELECT * FROM ark.set_entity('a,b', 'clients');
SELECT * FROM ark.set_entity('deep', 'a.b.c');
SELECT * FROM ark.set_entity('none', '');
SELECT message FROM ark.drop_entity('visit');
SELECT * FROM ark.drop_entity('visit');
SELECT message FROM ark.drop_entity('customer');
