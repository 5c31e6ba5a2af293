# Backups leave nothing in the server's log that somebody could be woken by.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $node = ArkCluster->make('primary', conf => "log_min_messages = warning\nlog_statement = none\nlog_connections = off\n");
$node->load_sample('app');
# More than fits into a pipe, so that pg_dump is in the middle of it when its table of contents has been read.
ask($node, q{CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 100) AS text FROM generate_series(1, 4000) AS i}, 'app');
my $base = 'host=' . $node->host . ' port=' . $node->port;

# What the server logs meanwhile, without what tells of connections, checkpoints and reloads.
sub logged
{
	my $action = shift;
	my $from = -s $node->logfile;
	$action->();
	# A session that was ended writes its line a moment after its client has gone.
	until_true($node, q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())});
	open my $log, '<', $node->logfile or die;
	seek $log, $from, 0;
	return grep { !/received SIGHUP|parameter ".*" changed|checkpoint/ } <$log>;
}
my $backup = sub { $node->ark_ok(q{SELECT * FROM ark.backup_now(database => 'app')}, 'a backup') };
is(join('', logged($backup)), '', 'as a superuser: not a line') for 1 .. 3;
is(join('', logged(sub { $node->engine_ok([ 'backup', '--database', 'app', '--quiet' ], 'the engine by hand') })), '', 'nor from the engine by hand');

ask($node, 'CREATE ROLE backup LOGIN BYPASSRLS IN ROLE pg_read_all_data, pg_read_all_settings');
set_option($node, 'ark.conninfo', "$base user=backup");
my @lines = grep { !/STATEMENT:/ } logged($backup);    # which comes with it if pg_dump was in mid-COPY
is(scalar @lines, 1, 'as another role: one message') or diag(@lines);
like($lines[0], qr/pg_ark definitions \d+ FATAL:\s+terminating connection due to administrator command/, 'which names whose session was ended');

ask($node, 'GRANT SET ON PARAMETER log_min_messages, log_min_error_statement TO backup');
is(join('', logged($backup)), '', 'none for a role that may keep its session out of the log');
$node->stop;
done_testing();
