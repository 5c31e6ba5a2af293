-- Schedules are checked when they are set, not when they are due.
\set SHOW_CONTEXT never
SELECT action, message FROM ark.set_schedule('nightly', '0 3 * * *', database => current_database(), enabled => false);
SELECT * FROM ark.set_schedule('', '0 3 * * *');
SELECT * FROM ark.set_schedule('bad', '0 25 * * *', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 0 30 2 *', database => current_database());
SELECT * FROM ark.set_schedule('bad', '@often', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', timezone => 'Mars/Olympus', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', 'drill', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', 'dance', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', database => 'nowhere');
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', database => current_database(), options => '{"lable": "x"}');
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', database => current_database(), options => '{"kind": "physical"}');
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', options => '{"kind": "files"}', database => current_database());
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', database => current_database(), policy => 'keep');
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', 'expire', policy => 'nowhere');
SELECT * FROM ark.set_schedule('bad', '0 3 * * *', 'verify', database => current_database(), options => '{"level": "hope"}');
SELECT name, cron, timezone, action, database = current_database() AS this_one, enabled, next_run IS NULL AS never FROM ark.schedules;

-- Changed by the same call; next run in its own zone.
SELECT message ~ 'runs next at .* 03:00 \(Europe/Vienna\)' AS told FROM ark.set_schedule('nightly', '0 3 * * *', database => current_database(), timezone => 'Europe/Vienna');
SELECT name, timezone, enabled, next_run > now() AS coming, next_run < now() + '25 hours' AS soon FROM ark.schedules;
SELECT state, schedules, next_schedule FROM ark.scheduler_status();
SELECT message FROM ark.pause_scheduler('maintenance');
SELECT state, reason, until FROM ark.scheduler_status();
SELECT * FROM ark.pause_scheduler('past', until => '2001-01-01');
SELECT message FROM ark.resume_scheduler();
SELECT message FROM ark.resume_scheduler();
SELECT state FROM ark.scheduler_status();

-- A decision goes with its transaction.
BEGIN;
SELECT message FROM ark.drop_schedule('nightly');
ROLLBACK;
SELECT name FROM ark.schedules;
SELECT message FROM ark.drop_schedule('nightly');
SELECT * FROM ark.drop_schedule('nightly');
