# pg_cron runs the actions: what succeeds is recorded as such, what fails fails there with our words, and its timeout ends the wait only.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $node = ArkCluster->make('primary', conf => q{
shared_preload_libraries = 'pg_ark, pg_cron'
cron.database_name = 'postgres'
max_worker_processes = 20
max_prepared_transactions = 4
});
# It connects as a client does; the server has a socket only.
$node->append_conf('postgresql.conf', "cron.host = '" . $node->host . "'\n");
$node->restart;
$node->load_sample('app');
ask($node, 'CREATE EXTENSION pg_cron');
my $rows = $node->digests('app');

# pg_cron runs once a minute; several at the same time.
my %jobs = (
	backup => q{SELECT * FROM ark.backup_now(database => 'app', label => 'by cron')},
	expire => q{SELECT * FROM ark.expire_now()},
	wrong => q{SELECT * FROM ark.backup_now(database => 'no such database')},
	plan => q{SELECT * FROM ark.restore_entities('clients', restore_point => 'latest', database => 'app', dry_run => true)},
	impatient => q{SET statement_timeout = '1s'; SELECT * FROM ark.backup_now(database => 'blocked')});
my $first = ask($node, q{SELECT backup_id FROM ark.backup_now(database => 'app')});
ask($node, q{SELECT * FROM ark.set_policy('keep_all', keep_last => 100)});
ask($node, 'CREATE DATABASE blocked');
ask($node, 'CREATE TABLE locked (id integer)', 'blocked');
hold_lock($node, 'blocked', 'LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
ask($node, "SELECT cron.schedule('$_', '* * * * *', \$job\$$jobs{$_}\$job\$)") for sort keys %jobs;
until_true($node, q{SELECT count(DISTINCT command) = 5 FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')});
ask($node, 'SELECT cron.unschedule(jobname) FROM cron.job');
sub run_of
{
	my $name = shift;
	my $row = ask($node, "SELECT status, return_message FROM cron.job_run_details WHERE command = \$job\$$jobs{$name}\$job\$ AND status IN ('succeeded', 'failed') ORDER BY runid LIMIT 1");
	return split /\|/, $row, 2;
}
my ($status, $message);
for my $name (qw(backup expire plan))
{
	($status, $message) = run_of($name);
	is($status, 'succeeded', "$name from pg_cron succeeds") or diag($message);
}
my $backup = ask($node, q{SELECT backup_id FROM ark.backups WHERE label = 'by cron' ORDER BY backup_id LIMIT 1});
is(restored_beside($node, $backup, 'copy'), '', 'its backup comes back');
$node->same_rows('copy', $rows, 'to the same rows');
is(ask($node, q{SELECT count(*) > 0 FROM ark.job_history WHERE action = 'restore' AND state = 'done' AND message LIKE 'dry run%'}), 't', 'the plan is in the history');
($status, $message) = run_of('wrong');
is($status, 'failed', 'what fails is failed for pg_cron too');
like($message, qr/no such database/, 'with our words') and diag($message);
($status, $message) = run_of('impatient');
is($status, 'failed', 'a timeout fails the statement');
like($message, qr/statement timeout/, 'as a timeout');
is(ask($node, q{SELECT state FROM ark.progress WHERE database = 'blocked' ORDER BY job_id LIMIT 1}), 'running', 'and the job goes on');
my $job = ask($node, q{SELECT min(job_id) FROM ark.progress WHERE database = 'blocked'});
release_lock($node, 'blocked');
is(outcome($node, $job)->{state}, 'done', 'to its end');
$node->stop;
done_testing();
