# ark.wal_sync: commits wait until the store has their WAL. Whatever dies, what was acknowledged comes back from the store alone; a store that
# does not get ahead is not waited for without end; and nobody waits for what does not ship.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my ($upstream) = ($ENV{ARK_TEST_S3_ENDPOINT} // '') =~ /:(\d+)$/ or die 'needs the gateway of test/support/start_ceph_rgw';
# ARK_KILL_POINTS says how often everything is killed, before it is once more.
my $points = $ENV{ARK_KILL_POINTS} // 1;
my $seed = srand($ENV{ARK_KILL_SEED} // time);
diag("ARK_KILL_SEED=$seed");
my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
mkdir $node->store or die $!;
$node->append_conf('postgresql.conf', "ark.store = 'file://" . $node->store . "'\n" . <<'CONF');
shared_preload_libraries = 'pg_ark'
archive_mode = on
archive_command = ''
archive_library = 'pg_ark'
ark.allow_same_disk_wal = on
ark.wal_ship_interval = '1s'
ark.wal_sync_timeout = 0
autovacuum = off
max_wal_senders = 5
synchronous_standby_names = ''
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_ark; CREATE TABLE log (run int, client int, n int, fill text, PRIMARY KEY (run, client, n))');
my @where = ('--store=file://' . $node->store);
is($node->engine([ 'backup', '--kind=physical', '--quiet', @where ])->{exit}, 0, 'a base backup') or die;
my $cluster = 'primary.' . $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');

sub names { my $names = shift; return until_true($node, "SELECT current_setting('synchronous_standby_names') = '$names'"); }
sub log_of { return PostgreSQL::Test::Utils::slurp_file($node->logfile); }
sub problem { return ask($node, q{SELECT coalesce(string_agg(severity || ': ' || problem, E'\n'), '') FROM ark_private.problems() WHERE problem LIKE 'commits do not wait%'}); }
sub engine_of_shipper
{
	my ($worker) = grep { my $args = `ps -o args= -p $_`; $args =~ /pg_ark wal-ship/ } descendants($node->{_pid});
	my ($engine) = $worker ? descendants($worker) : ();
	return $engine // die 'nothing ships';
}
# A node is what it is in this process; the server may have another number by now.
sub start_again
{
	for (1 .. 100) { $node->{_pid} = undef; return if $node->start(fail_ok => 1); sleep 0.1; }
	die 'it does not start again';
}

# Clients that note what was acknowledged: psql prints a row when its COMMIT was answered.
my $notes = PostgreSQL::Test::Utils::tempdir();
sub clients
{
	my ($run, $rows) = @_;
	my @clients;
	for my $client (1 .. 3)
	{
		open my $script, '>', "$notes/script$client" or die $!;
		print $script "INSERT INTO log VALUES ($run, $client, $_, repeat('x', 1500)) RETURNING n;\n" for 1 .. $rows;
		close $script;
		my $said = '';
		push @clients, { said => \$said, run => IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$notes/script$client" ], '<', '/dev/null', '>', "$notes/run$run.$client", '2>', \$said) };
	}
	return @clients;
}
sub acknowledged
{
	my $run = shift;
	my %last;
	for my $client (1 .. 3)
	{
		my @rows = PostgreSQL::Test::Utils::slurp_file("$notes/run$run.$client") =~ /^(\d+)$/mg;
		$last{$client} = @rows ? $rows[-1] : 0;
	}
	return %last;
}

is(names(''), 1, 'commits wait for nobody at first');
# A server that may not alter its settings (17 and later).
if ($node->safe_psql('postgres', 'SHOW server_version_num') >= 170000)
{
	$node->append_conf('postgresql.conf', "allow_alter_system = off\nark.wal_sync = on\n");
	$node->reload;
	until_true($node, q{SELECT count(*) = 1 FROM ark_private.problems() WHERE severity = 'critical' AND problem ~ '^commits do not wait for the store since .*synchronous_standby_names could not be set: ALTER SYSTEM is not allowed in this environment'});
	pass('where the server allows no ALTER SYSTEM commits do not wait for the store, and that is told');
	$node->adjust_conf('postgresql.conf', 'allow_alter_system', 'on');
	$node->adjust_conf('postgresql.conf', 'ark.wal_sync', 'off');
	$node->reload;
	until_true($node, q{SELECT phase = 'off' FROM ark_private.wal_sync_state()});
}
set_option($node, 'ark.wal_sync', 'on');
names('pg_ark_wal_sync');
is(ask($node, q{SELECT sync_state FROM pg_stat_replication WHERE application_name = 'pg_ark_wal_sync'}), 'sync', 'with ark.wal_sync they wait for the shipper');
is(problem(), '', 'and nothing is to be said');

# kill -9 of everything while clients commit.
my $and_then;
sub killed
{
	my ($run, @from) = @_;
	my @clients = clients($run, 20_000);
	$node->poll_query_until('postgres', "SELECT count(*) > 50 FROM log WHERE run = $run") or die 'no rows';
	sleep rand 0.7;
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()') if rand() < 0.5;
	sleep rand 0.3;
	kill 'KILL', $node->{_pid}, descendants($node->{_pid});
	eval { $_->{run}->finish } for @clients;
	$and_then->() if $and_then;
	my %acknowledged = acknowledged($run);
	my $copy = ArkCluster->new("copy$run");
	my $made = $copy->engine([ 'restore', '--quiet', @from, "--cluster=$cluster", '--pgdata', $copy->data_dir ]);
	is($made->{exit}, 0, "run $run: from the store alone the cluster comes back") or diag($made->{err});
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	my %there = split /[|\n]/, $copy->safe_psql('postgres', "SELECT client, max(n) FROM log WHERE run = $run GROUP BY client");
	is(join(' ', grep { $acknowledged{$_} > ($there{$_} // 0) } sort keys %acknowledged), '', "with every commit that was acknowledged ($acknowledged{1} $acknowledged{2} $acknowledged{3})");
	cmp_ok($acknowledged{1}, '>', 0, 'of which there were some');
	is($copy->safe_psql('postgres', 'SHOW synchronous_standby_names'), '', 'its commits wait for nobody');
	$copy->safe_psql('postgres', 'INSERT INTO log VALUES (0, 0, 1)');
	start_again();
	is($node->safe_psql('postgres', 'SHOW synchronous_standby_names'), 'pg_ark_wal_sync', 'the server waits for the store from its start on');
	$node->safe_psql('postgres', "INSERT INTO log VALUES ($run, 0, 0)");
	return $copy;
}
killed($_, @where)->stop('immediate') for 101 .. 100 + $points;

# The same, then the directory is moved, it takes its path over, and is killed again as soon as it ships anything.
$and_then = sub {
	my $directory = $node->data_dir;
	rename $directory, "$directory.gone" or die $!;
	PostgreSQL::Test::Utils::system_or_bail('cp', '-a', "$directory.gone", $directory);
	start_again();
	for (1 .. 300) { last if log_of() =~ /pg_ark ships no WAL: this server may not write to/; sleep 0.1; }
	like(log_of(), qr/pg_ark ships no WAL: this server may not write to .*\n.*\n.*HINT: .*ark.take_over/, 'a moved directory ships nothing');
	is(ask($node, q{SELECT state FROM ark.adopt_cluster('it was moved')}), 'done', 'until it is adopted, which waits for nothing');
	is(ask($node, q{SELECT state FROM ark.take_over('it was moved')}), 'done', 'and takes its path over');
	my $until = time + 50;    # a minute after it was refused it would be tried again
	my @shipped;
	until (@shipped = glob $node->store . '/*/tail/0000000002/*/*') { die 'it ships nothing' if time > $until; sleep 0.002; }
	kill 'KILL', $node->{_pid}, descendants($node->{_pid});
};
killed(201, @where)->stop('immediate');
undef $and_then;
set_option($node, 'ark.wal_sync_timeout', '4s');

# Another store, in S3, over a line that breaks.
my $dir = $node->basedir . '/proxy';
mkdir $dir or die $!;
my $said;
IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext), 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/ca.pem" ], '<', \undef, '>&', \$said) or die $said;
IPC::Run::run([ 'cat', "$dir/key.pem", "$dir/ca.pem" ], '>', "$dir/proxy.pem") or die;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $proxy = IPC::Run::start([ ArkCluster::tree() . '/test/support/fault_proxy', $port, $upstream, $dir ], '<', \undef, '>', "$dir/out", '2>&1');
END { my $status = $?; $proxy->kill_kill if $proxy; $? = $status; }
IPC::Run::run([ 'curl', '-s', '--retry', '20', '--retry-connrefused', '--retry-delay', '1', '--cacert', "$dir/ca.pem", "https://127.0.0.1:$port/" ], '>', \my $answer);
sub line
{
	open my $file, '>', "$dir/faults.new" or die $!;
	print $file "@_\n";
	close $file;
	rename "$dir/faults.new", "$dir/faults" or die $!;
	return;
}
my $s3 = "s3://$ENV{ARK_TEST_S3_BUCKET}/wal_sync-$$?endpoint=https://127.0.0.1:$port&ca_file=$dir/ca.pem&region=us-east-1";
sub another_ships { my $than = shift; return until_true($node, "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'pg_ark_wal_sync' AND sync_state = 'sync' AND pid <> $than"); }
sub ships { return ask($node, q{SELECT coalesce(max(pid), 0) FROM pg_stat_replication WHERE application_name = 'pg_ark_wal_sync'}); }
is($node->engine([ 'init', '--quiet', "--store=$s3" ])->{exit}, 0, 'a repository in S3');
my $of_before = ships();
set_option($node, 'ark.store', $s3);
another_ships($of_before);
is($node->engine([ 'backup', '--kind=physical', '--quiet', "--store=$s3" ])->{exit}, 0, 'and a base backup') or die;
ask($node, 'INSERT INTO log VALUES (2, 0, 0)');
pass('a commit waits for that store');

# A server without the extension, from which a program started by hand ships with a slot, and whose commits wait for it. Three sessions are
# all that there is room for, but for superusers.
my $other = ArkCluster->new('other');
$other->init(allows_streaming => 1, extra => ['--wal-segsize=1']);
$other->append_conf('postgresql.conf', "wal_sender_timeout = 0\nmax_slot_wal_keep_size = '100MB'\nmax_connections = 6\nsuperuser_reserved_connections = 3\n");
$other->start;
$other->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS id, NULL AS fill; ALTER TABLE t ALTER fill SET STORAGE EXTERNAL; CREATE ROLE shipper LOGIN REPLICATION IN ROLE pg_monitor');
my @by_hand = ("--store=" . $s3 =~ s/wal_sync/by_hand/r);
is($other->engine([ 'init', '--quiet', @by_hand ])->{exit}, 0, 'a repository for another server');
my ($said_by_hand, $ship) = ('');
my $as_shipper = 'host=' . $other->host . ' port=' . $other->port . ' user=shipper';
sub ship_by_hand
{
	local $ENV{ARK_CONNINFO} = $as_shipper;
	$ship = IPC::Run::start([ $other->config_data('--bindir') . '/pg_ark', 'wal-ship', @by_hand, '--interval=200ms', '--slot=ark', '--wal-sync=on' ], '<', \'', '>', \my $nothing, '2>', \$said_by_hand);
	return;
}
ship_by_hand();
END { my $status = $?; $ship->kill_kill if $ship; $? = $status; }
my $shipped = q{SELECT restart_lsn >= pg_current_wal_flush_lsn() FROM pg_replication_slots WHERE slot_name = 'ark'};
$other->poll_query_until('postgres', $shipped) or diag($said_by_hand);
$other->append_conf('postgresql.conf', "synchronous_standby_names = 'pg_ark_wal_sync'\n");
$other->reload;
sub waiting { my $count = shift; return $other->poll_query_until('postgres', "SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event = 'SyncRep'"); }
my $looks = $other->background_psql('postgres');

# It is away for longer than the limit of time.
line('down');
my $waits = background($node, 'INSERT INTO log VALUES (2, 0, 1)');
until_true($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
pass('while the store takes nothing commits wait');
my $in_smart_shutdown = background($other, q{INSERT INTO t SELECT i, repeat('x', 1000000) FROM generate_series(1, 20) AS i}, 'postgres');
waiting(1);
PostgreSQL::Test::Utils::system_or_bail('pg_ctl', '-D', $other->data_dir, '-m', 'smart', '-W', 'stop');
my $stops_since = time;
is(finished($waits)->{exit}, 0, 'until the time is over');
names('');
like(problem(), qr/^critical: commits do not wait for the store since .* although ark.wal_sync is on: .*attempts? since/, 'which is critical, and told why');
like(ask($node, 'SELECT overall FROM ark.status'), qr/critical/, 'in ark.status too');
like(log_of(), qr/WARNING:  pg_ark: commits do not wait for the store any more\n.*DETAIL:  It has been behind for \d+ seconds: /, 'and in the log');
ask($node, "INSERT INTO log SELECT 2, 0, n FROM generate_series(2, 500) AS n");
sleep 8 - (time - $stops_since) if time < $stops_since + 8;    # it would be let go after 5 seconds
is($looks->query_safe(q{SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'}), '1', 'in a smart shutdown nobody is let go whose clients may still wait for the store');
$other->stop('fast');
pass('nor does one that was started by hand hold up the shutdown of its server');
eval { $_->() } for sub { $looks->quit }, sub { finished($in_smart_shutdown) };
$other->start;
line('');
ok($other->poll_query_until('postgres', $shipped), 'it goes on when both are back');
is($other->safe_psql('postgres', 'SELECT count(*) FROM t'), '21', 'with what was committed and not confirmed');
$ship->signal('TERM');
eval { $ship->finish };
is($ship->full_result(0), 0, 'and ends when it is told') or diag($said_by_hand);
like($said_by_hand, qr/warning: the store takes no WAL, and the server stops: it is not held up any longer/i, 'it has said that it let the server go');

# All sessions wait for a shipper, and it is not a superuser's.
my @sessions = map { background($other, "INSERT INTO t VALUES ($_)", 'postgres') } 1 .. 3;
waiting(3);
IPC::Run::run([ 'psql', '-Xc', 'SELECT 1', "$as_shipper dbname=postgres" ], '<', \undef, '>', \$said, '2>', \my $refused);
like($refused, qr/remaining connection slots are reserved/, 'where the sessions that wait for the store are all that there may be');
ship_by_hand();
is(join(' ', map { finished($_)->{exit} } @sessions), '0 0 0', 'a shipper takes the room of a standby, and they go on') or diag($said_by_hand);
$ship->signal('TERM');
eval { $ship->finish };
undef $ship;
$other->stop;
names('pg_ark_wal_sync');
until_true($node, q{SELECT NOT EXISTS (SELECT FROM ark_private.problems() WHERE problem LIKE 'commits do not wait%')});
pass('once the store is back and has caught up commits wait for it again');
my $copy = killed(102 + $points, "--store=$s3");
is($copy->safe_psql('postgres', 'SELECT count(*) FROM log WHERE run = 2'), '501', 'and all that was committed before, and while it was away');
$copy->stop('immediate');
$of_before = ships();
set_option($node, 'ark.store', undef);
another_ships($of_before);

# The same without a limit of time. What pg_ark itself commits waits for nothing.
set_option($node, 'ark.wal_sync_timeout', '0');
another_ships(0);
my $engine = engine_of_shipper();
kill 'STOP', $engine;
$waits = background($node, 'INSERT INTO log VALUES (3, 0, 2)');
until_true($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
like(ask($node, q{SET synchronous_commit = local; SELECT state FROM ark.verify_backup('latest', 'exists')}), qr/done/, 'while a commit waits for ever, a job does its work');
is(ask($node, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), '1', 'it still waits');
kill 'CONT', $engine;
is(finished($waits)->{exit}, 0, 'until the store has it');
set_option($node, 'ark.wal_sync_timeout', '4s');

# The shipper dies.
kill 'KILL', engine_of_shipper();
ask($node, 'INSERT INTO log VALUES (3, 0, 3)');
pass('a commit waits for the next engine');

# The next one does not know by itself that the store has all before what it ships: the archiver does.
set_option($node, 'ark.allow_same_disk_wal', 'off');
ask($node, 'SELECT pg_switch_wal()');
ask($node, 'INSERT INTO log VALUES (3, 0, 4)');
kill 'KILL', engine_of_shipper();
ask($node, 'INSERT INTO log VALUES (3, 0, 5)');
names('');
like(problem(), qr/WAL before segment \w{24} waits for the archiver, from \w{24}.ready on/, 'behind segments that are not archived nothing is confirmed');
set_option($node, 'ark.allow_same_disk_wal', 'on');
names('pg_ark_wal_sync');

# Others that are waited for.
sub conf { my $line = shift; $node->adjust_conf('postgresql.conf', 'synchronous_standby_names', $line); $node->reload; return; }
conf("'a'");
names('FIRST 2 (pg_ark_wal_sync, "a")');
pass(q{the DBA's own standby is waited for beside the store});
conf("'a, b'");
names('a, b');
until_true($node, q{SELECT count(*) = 1 FROM ark_private.problems() WHERE severity = 'critical' AND problem ~ 'cannot be made to wait for the store too. It waits for 1 of 2 standbys'});
pass('where one of them could answer in its place, the store is not named, and that is told');
conf("''");
names('pg_ark_wal_sync');
ask($node, q{ALTER SYSTEM SET synchronous_standby_names = 'b'});
$node->reload;
until_true($node, q{SELECT count(*) = 1 FROM ark_private.problems() WHERE severity = 'critical' AND problem ~ 'was set to .b. with ALTER SYSTEM'});
is(ask($node, 'SHOW synchronous_standby_names'), 'b', 'what the DBA alters stays');
ask($node, 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;
names('pg_ark_wal_sync');

# A restored cluster has an entry that names nobody, over the standbys of the original. It is nobody's wish not to wait for the store, and it
# is given back as it was: those standbys are waited for by nobody.
conf("'s1'");
names('FIRST 2 (pg_ark_wal_sync, "s1")');
ask($node, q{ALTER SYSTEM SET synchronous_standby_names = ''});
$node->reload;
names('FIRST 1 (pg_ark_wal_sync)');
until_true($node, q{SELECT NOT EXISTS (SELECT FROM ark_private.problems() WHERE problem LIKE 'commits do not wait%')});
ask($node, 'INSERT INTO log VALUES (3, 0, 6)');
pass('an empty entry is taken over, and the names under it stay out');
$node->restart;
is($node->safe_psql('postgres', 'SHOW synchronous_standby_names'), 'FIRST 1 (pg_ark_wal_sync)', 'over a restart too');
set_option($node, 'ark.wal_sync', 'off');
names('');
like(PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/^synchronous_standby_names = ''$/m, 'and given back');
set_option($node, 'ark.wal_sync', 'on');
names('FIRST 1 (pg_ark_wal_sync)');
$node->stop('fast');
like(PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/^synchronous_standby_names = ''$/m, 'by a server that stops, too');
$node->start;
ask($node, 'ALTER SYSTEM RESET synchronous_standby_names');
conf("''");
names('pg_ark_wal_sync');

# Switched off under load, and on again.
my @clients = clients(4, 300);
$node->poll_query_until('postgres', 'SELECT count(*) > 30 FROM log WHERE run = 4') or die 'no rows';
set_option($node, 'ark.wal_sync', 'off');
names('');
$_->{run}->finish for @clients;
is(join('', map { ${ $_->{said} } } @clients), '', 'switched off under load, every commit goes on');
is(ask($node, 'SELECT count(*) FROM log WHERE run = 4'), '900', 'and is there');
set_option($node, 'ark.wal_sync', 'on');
names('pg_ark_wal_sync');

# Over a stop and a start, with the library and without.
@clients = clients(5, 20_000);
$node->poll_query_until('postgres', 'SELECT count(*) > 30 FROM log WHERE run = 5') or die 'no rows';
my $began = time;
$node->stop('fast');
took_less($began, 60, 'a fast shutdown does not wait for the store');
eval { $_->{run}->finish } for @clients;
unlike(PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/synchronous_standby_names/, 'a server that stopped waits for nobody at its next start');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;
$node->safe_psql('postgres', 'INSERT INTO log VALUES (6, 0, 0)');
pass('so commits go on without the library');
$node->stop('fast');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_ark'");
$node->start;
is($node->safe_psql('postgres', 'SHOW synchronous_standby_names'), 'pg_ark_wal_sync', 'with it they wait again from the first on');
ask($node, 'INSERT INTO log VALUES (6, 0, 1)');
$node->stop('smart');

# Named by hand, and nothing ships.
$node->start;
conf("'pg_ark_wal_sync'");
until_true($node, q{SELECT count(*) = 1 FROM ark_private.problems() WHERE severity = 'critical' AND problem ~ 'the configuration file names pg_ark_wal_sync itself'});
set_option($node, 'ark.wal_sync', 'off');
until_true($node, q{SELECT count(*) = 1 FROM ark_private.problems() WHERE severity = 'critical' AND problem = 'commits wait for pg_ark_wal_sync for ever: nothing is shipped'});
pass('a name that is not ours to remove is told');
conf("''");
set_option($node, 'ark.wal_sync', 'on');
names('pg_ark_wal_sync');

# Dropped, and switched off.
ask($node, 'DROP EXTENSION pg_ark');
ask($node, 'INSERT INTO log VALUES (6, 0, 2)');
pass('without the extension it goes on');
$node->safe_psql('postgres', q{ALTER SYSTEM SET ark.enabled = off});
$node->reload;
names('');
ask($node, 'INSERT INTO log VALUES (6, 0, 3)');
pass('ark.enabled = off ends it');
$node->stop('fast');
done_testing();
