# Processes that die in the middle of the work, at a moment the test chooses: kill -9 of the engine, of the job's worker, of the
# launcher and of the postmaster, while a backup copies, while a restore stages, and while it writes. Each time: no process is
# left behind, the job's row says what happened, live data is what it was, and the next run works.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(sleep);

my $node = ArkCluster->make('primary', conf => "max_prepared_transactions = 4\nrestart_after_crash = on\n");
$node->load_sample('app');
# Rows that hardly compress, so that ark.max_rate makes the window wide; and a CHECK that waits while the test holds lock 42.
ask($node, q{
	CREATE TABLE big AS SELECT i AS id, decode(string_agg(md5(i::text || j), ''), 'hex') AS data
	  FROM generate_series(1, 4000) AS i, generate_series(1, 100) AS j GROUP BY i;
	ALTER TABLE big ADD PRIMARY KEY (id);
	CREATE FUNCTION may_write() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN true; END';
	ALTER TABLE big ADD CHECK (may_write());
	CREATE VIEW beside AS SELECT 1 AS one}, 'app');
# A crash empties unlogged tables: that is what they are for.
my %but = (without => qr/session_cache/);
$node->safe_psql('app', 'CHECKPOINT');    # lest sequences jump in a recovery
my $rows = $node->digests('app', %but);
my $reported = ask($node, q{SELECT backup_id FROM ark.backup_now(database => 'app', label => 'reported')});

sub slow { set_option($node, 'ark.max_rate', '512kB'); return; }
sub fast { set_option($node, 'ark.max_rate', undef); return; }

sub start_again
{
	for (1 .. 100)    # the last of the old processes may hold its memory for a moment
	{
		$node->{_pid} = undef;
		last if $node->start(fail_ok => 1);
		sleep 0.1;
	}
	until_true($node, 'SELECT launcher_pid IS NOT NULL FROM ark.scheduler_status()');
	return;
}

my %victims = (
	engine => sub { my $job = shift; kill 'KILL', $job->{engine}; },
	worker => sub { my $job = shift; kill 'KILL', $job->{worker}; $node->poll_query_until('postgres', 'SELECT true'); },
	launcher => sub { kill 'KILL', ask($node, 'SELECT launcher_pid FROM ark.scheduler_status()'); $node->poll_query_until('postgres', 'SELECT true'); },
	postmaster => sub { $node->kill9; start_again(); });
my %expected = (
	engine => qr/^failed\|the engine ended without telling an outcome\|The engine was ended by signal 9/,
	map { $_ => qr/^interrupted\|the server stopped while the job ran/ } qw(worker launcher postmaster));

sub check_end
{
	my ($job, $victim, $what) = @_;
	all_gone([ $job->{engine}, $job->{worker}, @{ $job->{others} } ], "$victim killed in mid-$what: nothing is left behind");
	my $end = outcome($node, $job->{id});
	like("$end->{state}|$end->{message}|$end->{detail}", $expected{$victim}, 'the job says what happened');
	$node->same_rows('app', $rows, 'live data is what it was', %but);
	return $end;
}

for my $victim (qw(engine worker launcher postmaster))
{
	slow();
	hold_lock($node, 'app', 'ALTER VIEW beside SET (security_barrier = true)');    # pg_dump waits for it
	my $job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)}, 'copy');
	until_true($node, q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted)});
	$job->{others} = [ descendants($job->{engine}) ];
	is(scalar @{ $job->{others} }, 1, 'the engine copies, and has pg_dump beside it');
	$victims{$victim}->($job);
	check_end($job, $victim, 'backup');
	release_lock($node, 'app');
	fast();
}
works($node, 'app', 'four killed backups');

# What a restore would bring back, so that it has something to write.
ask($node, 'DELETE FROM big WHERE id % 2 = 0', 'app');
$rows = $node->digests('app', %but);
# A restore always waits: a session in the background does that.
sub start_restore
{
	my $phase = shift;
	my $session = background($node, q{SELECT * FROM ark.restore_entities('big', restore_point => 'reported', database => 'app')});
	my $live = q{ark.progress JOIN ark.job_history USING (job_id) WHERE progress.action = 'restore' AND job_history.state IN ('queued', 'running')};
	until_true($node, "SELECT EXISTS (SELECT FROM $live)");
	my $job = ArkJobs::job_in_phase($node, ask($node, "SELECT job_id FROM $live"), $phase);
	$job->{session} = $session;
	return $job;
}

for my $victim (qw(engine worker launcher postmaster))
{
	slow();
	my $job = start_restore('stage');
	$victims{$victim}->($job);
	my $said = finished($job->{session});
	isnt($said->{exit}, 0, 'whoever waited is told');
	check_end($job, $victim, 'restore, while it stages');
	fast();

	# In the middle of its INSERT, which waits for the test.
	hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
	$job = start_restore('merge');
	until_true($node, q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)});
	$victims{$victim}->($job);
	finished($job->{session});
	my $end = check_end($job, $victim, 'restore, while it writes');
	like($end->{detail}, qr/Nothing changed/, 'and that nothing changed');
	until_true($node, q{SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)});
	pass('the server does not go on with the statement of a restore that is gone');
	release_lock($node, 'app');
	is(ask($node, "SELECT committed, safety_backup_id FROM ark.restores WHERE restore_id = $end->{restore_id}"), 'f|', 'and its row agrees');
	copy_is_free($node, $end->{restore_id}, 'the copy that it had taken is not held');
	is(ask($node, "SELECT string_agg(state, ' ') FROM ark.job_history WHERE action = 'release' AND arguments->>'reason' = 'restore $end->{restore_id} was rolled back'"),
		'done', 'a job has released it');
}

# Committed a moment before the crash: the row says so, and it can be undone.
hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
my $job = start_restore('merge');
my $behind = lock_behind($node, 'app', 'big');
release_lock($node, 'app');
until_true($node, q{SELECT count(*) = 4000 FROM big}, 'app');    # committed; ANALYZE waits for the session behind
$victims{postmaster}->($job);
finished($job->{session});
my $end = outcome($node, $job->{id});
is("$end->{state}|$end->{detail}", "interrupted|Restore $end->{restore_id} was committed.", 'a restore that was committed before a crash is known to be');
is($end->{hint}, "To undo: SELECT * FROM ark.undo_restore($end->{restore_id});", 'with the way back');
$node->ark_ok("SELECT * FROM ark.undo_restore($end->{restore_id})", 'which works');
$node->same_rows('app', $rows, 'and gives back what was there before', %but);

# The same with the engine alone.
hold_lock($node, 'app', 'SELECT pg_advisory_xact_lock(42)');
$job = start_restore('merge');
$behind = lock_behind($node, 'app', 'big');
release_lock($node, 'app');
until_true($node, q{SELECT count(*) = 4000 FROM big}, 'app');
kill 'KILL', $job->{engine};
my $said = finished($job->{session});
like($said->{err}, qr/the engine ended before it could tell an outcome.*DETAIL:\s+Restore \d+ was committed/s, 'whoever waited learns that it was committed');
$behind->();
$end = outcome($node, $job->{id});
$node->ark_ok("SELECT * FROM ark.undo_restore($end->{restore_id})", 'and can undo it');
$node->same_rows('app', $rows, 'which gives back what was there before', %but);

# Nothing that was reported done is lost.
$node->ark_ok(q{SELECT * FROM ark.restore_entities('big', restore_point => 'reported', database => 'app')}, 'the first backup restores');
is(ask($node, 'SELECT count(*) FROM big', 'app'), '4000', 'every row');
works($node, 'app', 'all of it');
is(ask($node, 'SELECT count(*) FROM ark.check_audit_log()'), '0', 'the audit log is whole');
$node->stop;
done_testing();
