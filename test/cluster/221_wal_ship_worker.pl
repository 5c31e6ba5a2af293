# The server ships its WAL by itself: while the settings say so, over deaths of the engine and of the worker; it ends with the server, and a copy
# of the cluster is quiet.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;
use Time::HiRes qw(sleep);

$ENV{AWS_ACCESS_KEY_ID} = $ENV{AWS_SECRET_ACCESS_KEY} = 'nobody';
my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $node = ArkCluster->make('primary', allows_streaming => 1, start => 0, conf => "ark.wal_ship_interval = 0\narchive_mode = on\nrestart_after_crash = on\n");
$node->append_conf('postgresql.conf', "archive_command = '$engine wal-push --quiet --store=file://" . $node->store . " %p'\n");
$node->start;
is($node->engine([ 'init', '--quiet' ])->{exit}, 0, 'a repository');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_ark; CREATE TABLE t (id int)');
ok(!processes($node), 'an interval of 0 ships nothing');
$node->append_conf('postgresql.conf', "ark.wal_ship_interval = '300ms'\n");
$node->reload;

sub lsn { my ($high, $low) = split m{/}, shift; return hex($high) * 2**32 + hex $low; }
sub shipped
{
	my $lsn = $node->safe_psql('postgres', 'INSERT INTO t VALUES (1); SELECT pg_current_wal_flush_lsn()');
	for (1 .. 900)
	{
		return 1 if grep { m{-(\w{16})$} && hex($1) >= lsn($lsn) } glob $node->store . '/*/tail/*/*/*';
		sleep 0.1;
	}
	diag(PostgreSQL::Test::Utils::slurp_file($node->logfile));
	return 0;
}
# The worker's process and its engine's, or nothing.
sub processes
{
	my ($of) = @_;
	my ($postmaster) = split /\n/, PostgreSQL::Test::Utils::slurp_file($of->data_dir . '/postmaster.pid');
	my ($worker, $child);
	for (map { [ split ' ', $_, 3 ] } split /\n/, `ps -eo pid,ppid,args`) { $worker = $_->[0] if $_->[1] eq $postmaster && $_->[2] =~ /pg_ark wal-ship/; }
	return () if !$worker;
	for (map { [ split ' ', $_, 3 ] } split /\n/, `ps -eo pid,ppid,args`) { $child = $_->[0] if $_->[1] eq $worker; }
	return ($worker, $child // 0);
}
sub until_gone
{
	my $pid = shift;
	for (1 .. 300) { return 1 if !kill 0, $pid; sleep 0.1; }
	return 0;
}
sub told { my ($of, $what) = @_; my $count = () = PostgreSQL::Test::Utils::slurp_file($of->logfile) =~ /$what/g; return $count; }

ok(shipped(), 'the server ships by itself');
my ($worker, $child) = processes($node);
ok($worker && $child, 'by a worker and its engine') or die;
kill 'KILL', $child;
ok(until_gone($child), 'the engine is killed');
ok(shipped(), 'and another goes on');

($worker, $child) = processes($node);
kill 'KILL', $worker;
ok(until_gone($child), 'an engine dies with its worker');
$node->poll_query_until('postgres', 'SELECT true');
ok(shipped(), 'after the crash that this is for the server, another goes on');

($worker, $child) = processes($node);
$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.wal_ship_interval = 0});
$node->reload;
ok(until_gone($child), 'an interval of 0 ends it');
$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.wal_ship_interval = '200ms'});
$node->reload;
ok(shipped(), 'another begins it');
my ($of_before) = (processes($node))[1];
$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.wal_compression = 'zstd:3'});
$node->reload;
ok(until_gone($of_before), 'other settings are for another engine');
ok(shipped(), 'which goes on');
is(told($node, 'pg_ark ships no WAL'), 0, 'no fault was told') or diag(PostgreSQL::Test::Utils::slurp_file($node->logfile));

# A shutdown: what was committed and never shipped, and the checkpoint behind it, is in the store when the server is down.
for my $mode ('fast', 'smart')
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.wal_ship_interval = '1h'});
	($worker, $child) = processes($node);
	$node->reload;
	ok(until_gone($child), 'another engine, which ships once an hour');
	my $of_before = $worker;
	for (1 .. 600) { ($worker, $child) = processes($node); last if $child && $worker ne $of_before; sleep 0.1; }
	ok($node->poll_query_until('postgres', 'SELECT bool_or(shipped_at IS NOT NULL) FROM ark.wal_archive'), 'and once at its beginning');
	my $committed = $node->safe_psql('postgres', q{INSERT INTO t VALUES (4711); SELECT pg_current_wal_flush_lsn()});
	ok(!(grep { m{-(\w{16})$} && hex($1) >= lsn($committed) } glob $node->store . '/*/tail/*/*/*'), 'a commit that is not shipped');
	$node->stop($mode);
	my ($checkpoint) = `pg_controldata @{[ $node->data_dir ]}` =~ /Latest checkpoint location: +(\S+)/ or die 'no checkpoint';
	ok((grep { m{-(\w{16})$} && hex($1) > lsn($checkpoint) } glob $node->store . '/*/tail/*/*/*'), "after a $mode shutdown all is in the store");
	ok(until_gone($child), 'the engine ends with the server');
	ok(!-e $node->data_dir . '/postmaster.pid', 'which is down');
	$node->start;
	$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.wal_ship_interval = '200ms'});
	$node->reload;
	ok(shipped(), 'after the next start it goes on');
}
is(told($node, 'pg_ark ships no WAL'), 0, 'no fault was told') or diag(PostgreSQL::Test::Utils::slurp_file($node->logfile));

# Nobody answers at the store's address: the shutdown does not wait for it.
$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.store = 's3://nobody/nothing?endpoint=https://127.0.0.1:1&region=us-east-1'});
($worker, $child) = processes($node);
$node->reload;
ok(until_gone($child), 'a store out of reach');
for (1 .. 300) { ($worker, $child) = processes($node); last if $child; sleep 0.1; }
ok($child, 'is tried');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
$node->stop('fast');
ok(until_gone($child), 'the engine ends with the server');
$node->append_conf('postgresql.auto.conf', q{ark.store = 'file://} . $node->store . "'\n");
$node->start;
ok(shipped(), 'and with the store back it goes on');
($worker, $child) = processes($node);
$node->stop('fast');
ok(until_gone($child), 'it ends with the server');

# A copy of the cluster, with the same settings.
my $copy = ArkCluster->new('copy');
PostgreSQL::Test::Utils::system_or_bail('cp', '-a', $node->data_dir, $copy->data_dir);
$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\nunix_socket_directories = '" . $copy->host . "'\n");
my @before = sort glob $node->store . '/*/tail/*/*/*';
$copy->start;
for (1 .. 300) { last if told($copy, 'pg_ark ships no WAL'); sleep 0.1; }
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
like(PostgreSQL::Test::Utils::slurp_file($copy->logfile), qr/pg_ark ships no WAL: this server may not write to/, 'a copy is told why it ships nothing');
is_deeply([ sort glob $node->store . '/*/tail/*/*/*' ], \@before, 'and ships nothing');
$copy->stop;
done_testing();
