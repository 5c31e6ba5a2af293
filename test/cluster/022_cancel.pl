# The end of a job before its time: cancelled by its number, by its waiting session, by a shutdown, by a database that is dropped under
# it; and what must go on beside a job that runs. Measured times are told; what is asserted is only that nothing hangs.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = ArkCluster->make('primary', conf => "max_prepared_transactions = 4\n");
$node->load_sample('app');
ask($node, q{
	CREATE TABLE big AS SELECT i AS id, decode(string_agg(md5(i::text || j), ''), 'hex') AS data
	  FROM generate_series(1, 4000) AS i, generate_series(1, 100) AS j GROUP BY i;
	ALTER TABLE big ADD PRIMARY KEY (id);
	CREATE FUNCTION may_write() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN true; END';
	ALTER TABLE big ADD CHECK (may_write());
	CREATE VIEW beside AS SELECT 1 AS one}, 'app');
my $rows = $node->digests('app');

# Nothing is backed up yet, so that every try has everything to send.
sub slow { set_option($node, 'ark.max_rate', '128kB'); return; }
sub fast { set_option($node, 'ark.max_rate', undef); return; }
my $submit = q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)};
sub waiting_pid { return ask($node, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%$_[0]%' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"); }

# By its number, with pg_dump at work beside the copying.
slow();
hold_lock($node, 'app', 'ALTER VIEW beside SET (security_barrier = true)');
my $job = start_job($node, $submit, 'copy');
until_true($node, q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted)});
$job->{others} = [ descendants($job->{engine}) ];
my $began = time;
ask($node, "SELECT * FROM ark.cancel_job($job->{id}, 'the test says so')");
my $end = outcome($node, $job->{id});
took_less($began, 10, 'a backup in mid-copy is cancelled');
is($end->{state}, 'cancelled', 'its state');
like($end->{detail}, qr/^cancelled by \S+: the test says so; nothing changed$/, 'who and why');
all_gone([ $job->{worker}, $job->{engine}, @{ $job->{others} } ], 'no process is left');
until_true($node, q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_ark%' AND backend_type = 'client backend')});
pass('nor a session');
release_lock($node, 'app');

# By its waiting session.
my $session = background($node, q{SELECT * FROM ark.backup_now(database => 'app')});
until_true($node, q{SELECT EXISTS (SELECT FROM ark.progress WHERE phase IN ('copy', 'upload'))});
my $id = ask($node, 'SELECT job_id FROM ark.progress');
$began = time;
ask($node, 'SELECT pg_cancel_backend(' . waiting_pid('ark.backup_now') . ')');
my $said = finished($session);
took_less($began, 10, 'a waiting session is cancelled');
like($said->{err}, qr/canceling statement due to user request.*DETAIL:\s+Job $id was cancelled: nothing changed/s, 'which says that nothing changed');
is(outcome($node, $id)->{state}, 'cancelled', 'and its job is cancelled');

# A lost client and a timeout end the wait and not the job.
hold_lock($node, 'app', 'ALTER VIEW beside SET (security_barrier = true)');
$session = background($node, q{SET statement_timeout = '1s'; SELECT * FROM ark.backup_now(database => 'app')});
$said = finished($session);
like($said->{err}, qr/job (\d+) goes on.*canceling statement due to statement timeout/s, 'a timeout ends the wait');
$id = ask($node, 'SELECT job_id FROM ark.progress');
is(ask($node, "SELECT state FROM ark.progress WHERE job_id = $id"), 'running', 'and not the job');

# What goes on beside it.
ask($node, 'CREATE DATABASE other');
$began = time;
ask($node, 'DROP DATABASE other');
took_less($began, 10, 'DROP DATABASE of another database beside a job');
my ($code, undef, $refused) = $node->psql('postgres', 'DROP DATABASE app');
isnt($code, 0, 'DROP DATABASE of the one being backed up is refused');
like($refused, qr/being accessed by other users.*other session\(s\) and 1 prepared transaction/s, 'as it is under pg_dump');
$session = background($node, 'ALTER TABLE clients SET (fillfactor = 90)', 'app');
is(finished($session)->{exit}, 0, 'an ALTER TABLE gets through');
like(ask($node, "SELECT state FROM ark.job_history WHERE job_id = $id"), qr/^(running|done)$/, 'and the job goes on');
ask($node, "SELECT * FROM ark.cancel_job($id)") if ask($node, "SELECT state FROM ark.job_history WHERE job_id = $id") eq 'running';
outcome($node, $id);
release_lock($node, 'app');

# A database whose rows are read can go: its backup only has to be sent.
ask($node, 'CREATE DATABASE read TEMPLATE app');
set_option($node, 'ark.max_rate', '1MB');
$job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'read', wait => false)}, 'upload');
ask($node, 'DROP DATABASE read');
is(ask($node, "SELECT state FROM ark.progress WHERE job_id = $job->{id}"), 'running', 'a database that was read is dropped beside its backup');
$end = outcome($node, $job->{id});
is($end->{state}, 'done', 'which is taken') or diag("$end->{message} $end->{detail}");
is(restored_beside($node, $end->{backup_id}, 'read'), '', 'and gives the database back');
$node->same_rows('read', $rows, 'as it was');
slow();

# A database that is dropped by force takes its backup with it.
ask($node, 'CREATE DATABASE doomed TEMPLATE app');
my $holder = background($node, 'BEGIN; ALTER VIEW beside SET (security_barrier = true); SELECT pg_sleep(170)', 'doomed');
until_true($node, q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'doomed' AND wait_event = 'PgSleep')});
$job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'doomed', wait => false)}, 'copy');
until_true($node, q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted)});    # pg_dump is at work
$job->{others} = [ descendants($job->{engine}) ];
$began = time;
ask($node, 'DROP DATABASE doomed WITH (FORCE)');
$end = outcome($node, $job->{id});
finished($holder);
took_less($began, 30, 'DROP DATABASE WITH (FORCE) of the one being backed up');
is($end->{state}, 'failed', 'its backup failed');
like("$end->{message} $end->{detail}", qr/terminat|connection|doomed/, 'and says what was lost: ' . $end->{message});
all_gone([ $job->{worker}, $job->{engine}, @{ $job->{others} } ], 'nothing of it is left');

# The switch, and a fast shutdown.
$job = start_job($node, $submit, 'copy');
$began = time;
set_option($node, 'ark.enabled', 'off');
like(outcome($node, $job->{id})->{detail}, qr/switched off \(ark\.enabled\); nothing changed/, 'ark.enabled = off ends what runs');
took_less($began, 10, 'switching off');
$node->ark_fails(q{SELECT * FROM ark.backup_now(database => 'app')}, qr/pg_ark is switched off/, 'and nothing new begins');
set_option($node, 'ark.enabled', undef);
$job = start_job($node, $submit, 'copy');
$began = time;
$node->stop('fast');
took_less($began, 30, 'a fast shutdown beside a backup');
all_gone([ $job->{worker}, $job->{engine}, @{ $job->{others} } ], 'it left nothing behind');
$node->start;
$end = outcome($node, $job->{id});
like("$end->{state} $end->{detail}", qr/^cancelled .*asked to stop; nothing changed/, 'the backup is recorded as cancelled');
fast();
works($node, 'app', 'every way to end one');
$node->same_rows('app', $rows, 'live data is what it was');

my $first = ask($node, q{SELECT backup_id FROM ark.backup_now(database => 'app', label => 'first')});

# A restore: before it writes, while it writes, and too late.
ask($node, 'DELETE FROM big WHERE id % 2 = 0', 'app');
$rows = $node->digests('app');
my $restore = q{SELECT * FROM ark.restore_entities('big', restore_point => 'first', database => 'app')};
sub start_restore
{
	my $phase = shift;
	my $started = background($node, $restore);
	until_true($node, "SELECT EXISTS (SELECT FROM ark.progress WHERE phase = '$phase')");
	return ($started, ask($node, 'SELECT job_id FROM ark.progress'));
}
slow();
($session, $id) = start_restore('stage');
$began = time;
ask($node, 'SELECT pg_cancel_backend(' . waiting_pid('restore_entities') . ')');
$said = finished($session);
took_less($began, 10, 'a restore that stages is cancelled');
like($said->{err}, qr/Job $id was cancelled: nothing changed/, 'nothing changed');
fast();
hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
($session, $id) = start_restore('merge');
$began = time;
ask($node, "SELECT * FROM ark.cancel_job($id)");
$said = finished($session);
took_less($began, 10, 'a restore that writes is cancelled');
$end = outcome($node, $id);
like("$end->{state} $end->{detail}", qr/^cancelled .*; nothing changed/, 'and says so');
release_lock($node, 'app');
$node->same_rows('app', $rows, 'which is so');
copy_is_free($node, $end->{restore_id}, 'the copy that it had taken is not held');

hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
($session, $id) = start_restore('merge');
my $behind = lock_behind($node, 'app', 'big');
release_lock($node, 'app');
until_true($node, 'SELECT count(*) = 4000 FROM big', 'app');    # committed; what is left waits for the session behind
$began = time;
ask($node, 'SELECT pg_cancel_backend(' . waiting_pid('restore_entities') . ')');
$said = finished($session);
took_less($began, 10, 'a cancel that comes too late');
my $restore_id = ask($node, 'SELECT max(restore_id) FROM ark.restores');
like($said->{err}, qr/canceling statement due to user request.*DETAIL:\s+Too late: restore $restore_id was committed\..*HINT:\s+SELECT \* FROM ark\.undo_restore\($restore_id\);/s,
	'says that it is too late, and how to undo it');
$behind->();
$end = outcome($node, $id);
is($end->{state}, 'done', 'the restore is done');
is(ask($node, "SELECT committed FROM ark.restores WHERE restore_id = $restore_id"), 't', 'and known to be committed');
$node->ark_ok("SELECT * FROM ark.undo_restore($restore_id)", 'it can be undone');
$node->same_rows('app', $rows, 'which gives back what was there before');

# A shutdown in that moment: committed is committed.
hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
($session, $id) = start_restore('merge');
$behind = lock_behind($node, 'app', 'big');
release_lock($node, 'app');
until_true($node, 'SELECT count(*) = 4000 FROM big', 'app');
$began = time;
$node->stop('fast');
took_less($began, 30, 'a fast shutdown beside a restore that is committed');
finished($session);
$node->start;
$end = outcome($node, $id);
$restore_id = $end->{restore_id};
is(ask($node, "SELECT committed FROM ark.restores WHERE restore_id = $restore_id"), 't', 'after a shutdown it is known too');
$node->ark_ok("SELECT * FROM ark.undo_restore($restore_id)", 'and can be undone');
$node->same_rows('app', $rows, 'which gives back what was there before');
is(ask($node, 'SELECT count(*) FROM ark.check_audit_log()'), '0', 'the audit log is whole');
$node->stop;
done_testing();
