# The server, a backup or the archiving dies at a random moment under load. A cluster made elsewhere from the store alone is sound, its books
# balance, of every client it has the commits up to a point, and every commit that was acknowledged once the WAL could be archived.
# ARK_KILL_POINTS says how many moments (3; before a release 50 and more), ARK_KILL_SEED which.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $points = $ENV{ARK_KILL_POINTS} // 3;
my $seed = srand($ENV{ARK_KILL_SEED} // time);
diag("ARK_KILL_SEED=$seed");
my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
my $notes = PostgreSQL::Test::Utils::tempdir();
my ($clients, $seconds) = (4, 3);
my @where = ("--store=file://$store");

my $node = ArkCluster->new('primary');
$node->init(extra => [ '--data-checksums', '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$node->append_conf('postgresql.conf', "wal_level = replica\narchive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nautovacuum_naptime = 1\nmax_wal_size = 32MB\n");
$node->start;
my $cluster = 'primary.' . $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
my $conninfo = 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<);
$node->command_ok([ 'pgbench', '-i', '-q', '-s', '2', '-d', $node->connstr('postgres') ], 'pgbench');
$node->safe_psql('postgres', 'CREATE TABLE commits (run int, client int, n int, PRIMARY KEY (run, client, n))');
open my $script, '>', "$notes/script" or die $!;
print $script <<'SQL';
\set n :n + 1
\set aid random(1, 200000)
\set tid random(1, 20)
\set bid random(1, 2)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
INSERT INTO commits VALUES (:run, :client_id, :n);
COMMIT;
SQL
close $script;
is($node->engine([ 'init', '--quiet', @where ])->{exit}, 0, 'init');
is($node->engine([ 'backup', '--kind=physical', '--quiet', @where ])->{exit}, 0, 'a first base backup');

# What pgbench noted: of each client the last transaction whose COMMIT was answered.
sub acknowledged
{
	my $run = shift;
	my %last;
	for my $log (glob "$notes/run$run.*")
	{
		open my $file, '<', $log or die $!;
		while (<$file>) { $last{$1} = $2 if /^(\d+) (\d+) \d+ \d+ \d+ \d+\n/ && $2 > ($last{$1} // 0); }
	}
	return \%last;
}
sub engines_of { my $shell = shift; return descendants($shell); }
sub start_again
{
	for (1 .. 100) { $node->{_pid} = undef; return if $node->start(fail_ok => 1); sleep 0.1; }
	die 'it does not start again';
}
sub archived
{
	$node->safe_psql('postgres', q{SELECT pg_create_restore_point('something to write')});
	my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die 'not archived';
	return;
}

# Kills one of them; says whether the server is gone.
my %kill = (
	server => sub { kill 'KILL', $_[0], descendants($_[0]); return 1; },
	postmaster => sub { kill 'KILL', $_[0]; return 1; },
	backup => sub { kill 'KILL', descendants($_[1]); return 0; },
	archiving => sub { kill 'KILL', grep { command_of($_) =~ /wal-push/ } descendants($_[0]); return 0; });
sub command_of { open my $file, '<', "/proc/$_[0]/cmdline" or return ''; my $line = <$file> // ''; return $line; }

my %acknowledged;
my $copies = 0;
# Of a cluster made from the store. `whole` says whether the last run has to be there to its last acknowledged commit.
sub check_elsewhere
{
	my ($run, $whole, $name) = @_;
	my $copy = ArkCluster->new('copy' . ++$copies);
	my $made = $copy->engine([ 'restore', '--quiet', @where, "--cluster=$cluster", '--pgdata', $copy->data_dir ]);
	is($made->{exit}, 0, "$name: it comes back") or diag($made->{err});
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nfsync = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	is($copy->safe_psql('postgres', q{SELECT count(DISTINCT s) FROM (SELECT sum(abalance) FROM pgbench_accounts UNION ALL SELECT sum(tbalance) FROM pgbench_tellers
		UNION ALL SELECT sum(bbalance) FROM pgbench_branches UNION ALL SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS of (s)}), '1', 'the books balance');
	is($copy->safe_psql('postgres', 'SELECT count(*) FROM (SELECT FROM commits GROUP BY run, client HAVING max(n) <> count(*)) AS gap'), '0', 'no commit is there without those before it');
	my %there = map { split /=/ } split /\n/, $copy->safe_psql('postgres', q{SELECT run || ':' || client || '=' || max(n) FROM commits GROUP BY run, client});
	my @lost;
	for my $of (grep { $whole || $_ < $run } keys %acknowledged)
	{
		push @lost, "run $of client $_: $acknowledged{$of}{$_} acknowledged, " . ($there{"$of:$_"} // 0) . ' there'
		  for grep { $acknowledged{$of}{$_} > ($there{"$of:$_"} // 0) } keys %{ $acknowledged{$of} };
	}
	is(join("\n", @lost), '', $whole ? 'no acknowledged commit is lost' : 'none that was archived before is lost');
	$copy->command_ok([ 'pg_amcheck', '--heapallindexed', '-h', $copy->host, '-p', $copy->port, '-d', 'postgres', '--install-missing' ], 'it is sound');
	$copy->stop('immediate');
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $copy->data_dir);
	return;
}

my @victims = sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } sort keys %kill;
for my $run (1 .. $points)
{
	my $victim = $victims[ $run % @victims ][1];
	my $load = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-T', $seconds, '-D', "run=$run", '-D', 'n=0', '-l', "--log-prefix=$notes/run$run", '-f', "$notes/script", '-d', $node->connstr('postgres') ],
		'<', \undef, '>', \my $printed, '2>', \my $told);
	my $backups = IPC::Run::start([ 'sh', '-c', "while :; do $engine backup --kind=physical --quiet @where --conninfo='$conninfo' || sleep 0.1; done" ], '<', \undef, '>', \my $out, '2>', \my $err);
	my $shell = $backups->{KIDS}[0]{PID};
	my $moment = 0.2 + rand($seconds - 0.5);
	sleep $moment;
	my $gone = $kill{$victim}->($node->{_pid}, $shell);
	$load->finish;
	my @engines = engines_of($shell);
	kill 'TERM', $shell;
	$backups->finish;
	all_gone(\@engines, "$run: what backed up has ended", 60);
	$acknowledged{$run} = acknowledged($run);
	my $commits = 0;
	$commits += $_ for values %{ $acknowledged{$run} };
	my $name = sprintf '%d: %s killed after %.2f s and %d commits', $run, $victim, $moment, $commits;
	check_elsewhere($run, 0, "$name, as the store was left") if $gone && rand() < 0.5;
	start_again() if $gone;
	archived();
	check_elsewhere($run, 1, $name);
	is($node->engine([ 'backup', '--kind=physical', '--quiet', @where ])->{exit}, 0, 'the next backup works');
}
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM commits'), '>', 0, 'there was load');
my $verified = $node->engine([ 'verify', '--quiet', @where, '--level=decode' ]);
is("$verified->{exit}$verified->{err}", '0', 'the newest backup is what its digests say');
$node->stop;
done_testing();
