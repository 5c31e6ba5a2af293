# Processes that die in mid-job: nothing that was reported done is lost, the outcome is recorded, the next run works.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = ArkCluster->make('primary', conf => "max_prepared_transactions = 4\nrestart_after_crash = on\n");
$node->load_sample('app');
my %but = (without => qr/session_cache/);    # a crash empties unlogged tables
$node->safe_psql('app', 'CHECKPOINT');    # lest sequences jump in a recovery
my $rows = $node->digests('app', %but);

sub block { $node->safe_psql('app', q{BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'block'}); }
sub unblock { $node->safe_psql('app', q{ROLLBACK PREPARED 'block'}); }
sub ask { return $node->safe_psql('postgres', $_[0]); }
sub row { return ask("SELECT state, message, detail FROM ark.job_history WHERE job_id = $_[0]"); }

# A zombie has ended: its parent, init, has only not looked yet.
sub is_alive
{
	open my $file, '<', "/proc/$_[0]/stat" or return 0;
	my $stat = <$file> // '';
	return $stat =~ /\) ([A-Z])/ && $1 ne 'Z';
}
sub start_blocked
{
	my $job = ask(q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)});
	$node->poll_query_until('postgres', "SELECT engine_pid IS NOT NULL FROM ark.progress WHERE job_id = $job") or die;
	return ($job, split /\|/, ask("SELECT worker_pid, engine_pid FROM ark.progress WHERE job_id = $job"));
}
sub wait_until_ended { my $job = shift; return $node->poll_query_until('postgres', "SELECT state NOT IN ('queued', 'running') FROM ark.job_history WHERE job_id = $job"); }
sub works { my $why = shift; is(ask(q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', "the next backup works after $why"); }

is(ask(q{SELECT state FROM ark.backup_now(database => 'app', label => 'reported')}), 'done', 'a backup that was reported done');

block();
my ($job, $worker, $engine) = start_blocked();
kill 'KILL', $engine;
wait_until_ended($job);
like(row($job), qr/^failed\|the engine ended without telling an outcome\|The engine was ended by signal 9/, 'the engine was killed: the job failed, and says how');
unblock();
works('the death of an engine');

block();
($job, $worker, $engine) = start_blocked();
my $began = time;
ask("SELECT pg_terminate_backend($worker)");
wait_until_ended($job);
like(row($job), qr/^cancelled\|.*asked to stop; nothing changed/, 'the worker was terminated: the job is cancelled');
cmp_ok(time - $began, '<', 2, 'at once');
ok(!is_alive($engine), 'and its engine is gone');
unblock();
works('the end of a worker');

block();
($job, $worker, $engine) = start_blocked();
kill 'KILL', $worker;    # the postmaster restarts all processes
for (1 .. 50) { last unless is_alive($engine); sleep 0.1; }
ok(!is_alive($engine), 'the worker was killed: its engine dies with it');
$node->poll_query_until('postgres', 'SELECT true');
$node->poll_query_until('postgres', "SELECT state = 'interrupted' FROM ark.job_history WHERE job_id = $job");
like(row($job), qr/^interrupted\|the server stopped while the job ran/, 'and the job is interrupted');
unblock();
works('a crash of the server');

block();
($job, $worker, $engine) = start_blocked();
my $queued = ask(q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)});
$node->stop('immediate');
for (1 .. 50) { last unless is_alive($engine); sleep 0.1; }
ok(!is_alive($engine), 'the server was stopped at once: no engine is left behind');
$node->start;
$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM ark.job_history WHERE job_id IN ($job, $queued) AND state = 'interrupted'");
like(row($queued), qr/^interrupted\|the server stopped before the job began/, 'a job that waited did not begin');
unblock();
works('a stop');

block();
($job, $worker, $engine) = start_blocked();
$began = time;
$node->stop('fast');
my $took = time - $began;
cmp_ok($took, '<', 5, sprintf('a fast shutdown does not wait for a job (%.1f s)', $took));
ok(!is_alive($engine), 'nor leaves its engine');
$node->start;
like(row($job), qr/^cancelled\|/, 'the job is recorded as cancelled');
unblock();
works('a shutdown');

ask('SELECT pg_terminate_backend(launcher_pid) FROM ark.scheduler_status()');
works('the end of the launcher, which is started again');

# Nothing reported done is lost, and the data was never touched.
like($node->engine_ok([ 'list', '--json' ], 'the store can be listed'), qr/"label": "reported"/, 'and has the first backup');
is(ask(q{SELECT state FROM ark.verify_backup('reported')}), 'done', 'which is whole');
$node->same_rows('app', $rows, 'and the live data is what it was', %but);
$node->stop;

done_testing();
