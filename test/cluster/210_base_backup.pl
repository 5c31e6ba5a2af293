# Base backups of a server at work, and clusters made from them: to the end and to any moment, with tablespaces, from later backups that
# store what changed; and what must not become a backup.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
my $spaces = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/$_" or die "$store/$_: $!" for qw(ark other);
mkdir "$spaces/$_" or die for qw(fast moved);
my $key = "$store/key";
open my $file, '>', $key or die $!;
print $file unpack('H*', join '', map { chr int rand 256 } 1 .. 32), "\n";
close $file;
chmod 0600, $key;
my @where = ("--store=file://$store/ark", "--encryption-key=file:$key");

my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--data-checksums', '--wal-segsize=4', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nautovacuum_naptime = 1\nmax_wal_size = 64MB\nlog_statement = none\n");
my $summarizes = $node->pg_version >= 17;
$node->append_conf('postgresql.conf', "summarize_wal = on\n") if $summarizes;
$node->start;
sub ark { my ($verb, @arguments) = @_; return $node->engine([ $verb, '--quiet', @where, @arguments ], timeout => 120); }
sub backup
{
	my ($name, @arguments) = @_;
	my $taken = ark('backup', '--kind=physical', '--json', @arguments);
	is("$taken->{exit}", '0', $name) or diag("$taken->{out}\n$taken->{err}");
	my %result;
	$result{$1} = $2 while $taken->{out} =~ /"(\w+)": "?([^",\n]*)/g;
	return \%result;
}

# A cluster from the store alone. Options: moved (tablespaces), fails => 1.
my $restored = 0;
sub restore
{
	my ($name, $arguments, %options) = @_;
	my $copy = ArkCluster->new('restored' . ++$restored);
	my $result = $copy->engine([ 'restore', @where, '--pgdata', $copy->data_dir, "--cluster=primary." . system_identifier(), @$arguments ]);
	is($result->{exit}, 0, $name) or diag("$result->{out}\n$result->{err}");
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return $copy;
}
my $system;
sub system_identifier { return $system //= $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'); }
sub sound
{
	my ($copy, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$copy->stop;
	$copy->command_ok([ 'pg_checksums', '--check', '-D', $copy->data_dir ], "every page of $name has its checksum");
	$copy->start;
	$copy->command_ok([ 'pg_amcheck', '--heapallindexed', '-h', $copy->host, '-p', $copy->port, '--all', '--install-missing' ], "$name is sound");
	return;
}

# What makes base backups hard: tablespaces, unlogged tables, a database that comes and goes, tables that grow and are cut.
$node->load_sample('app');
$node->safe_psql('postgres', "CREATE TABLESPACE fast LOCATION '$spaces/fast'");
$node->safe_psql('app', q{
	CREATE TABLE in_space (id int PRIMARY KEY, fill text) TABLESPACE fast;
	INSERT INTO in_space SELECT i, repeat('x', 200) FROM generate_series(1, 5000) AS i;
	CREATE UNLOGGED TABLE forgotten AS SELECT 1 AS id;
	CREATE TABLE "odd name #1/2%" AS SELECT 1 AS id;
	CREATE TABLE grows (id int); CREATE TABLE shrinks AS SELECT i AS id, repeat('y', 500) FROM generate_series(1, 20000) AS i});
$node->command_ok([ 'pgbench', '-i', '-q', '-s', '2', '-d', $node->connstr('postgres') ], 'pgbench');

$node->safe_psql($_, 'VACUUM (FREEZE)') for qw(postgres app template1);    # so that reading changes no page
sleep 2.5;    # what was changed later may not be believed to be unchanged
my $first = backup('a base backup of an idle server', '--label=first');
my $whole = $node->digests('app');
my $copy = restore('comes back', [ '--restore-point=first', "--tablespace-map=$spaces/fast=$spaces/moved" ]);
$copy->same_rows('app', $whole, 'with every row', without => qr/^sequence|forgotten|session_cache/);
is($copy->safe_psql('app', 'SELECT count(*) FROM forgotten'), '0', 'an unlogged table is empty');
is($copy->safe_psql('app', q{SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'}), "$spaces/moved", 'its tablespace is where it was told');
is($copy->safe_psql('postgres', 'SELECT timeline_id FROM pg_control_checkpoint()') > 0, 1, 'it is a cluster of its own');
# The summaries of WAL are the server's own affair: they are left out, and it goes on to write them.
$copy->safe_psql('postgres', 'CHECKPOINT');
ok($copy->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_available_wal_summaries()'), 'it summarizes its WAL') if $summarizes;
sound($copy, 'a restored cluster');
$copy->stop;
my $listed = ark('list', '--kind=physical');
like($listed->{out}, qr/physical/, 'pg_ark list shows it') or diag("$listed->{out} $listed->{err}");

# Nothing changed, and then a little.
my $second = backup('a second backup');
cmp_ok($second->{bytes_stored}, '<', $first->{bytes_stored} / 10, "stores little: $second->{bytes_stored} after $first->{bytes_stored}");
cmp_ok($second->{bytes_unread}, '>', 0, "and leaves unread what did not change: $second->{bytes_unread}");

my $verified = ark('verify', '--level=decode');
is("$verified->{exit}$verified->{err}", '0', 'every unit of it is what its digest says');

# Under load, with the things that move files about, again and again.
my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '60', '-d', $node->connstr('postgres') ], '>', \my $bench_out, '2>', \my $bench_err);
my $churn = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('app'), '-c', q{
	DO $$ BEGIN FOR i IN 1..100000 LOOP
		INSERT INTO grows SELECT generate_series(1, 20000); DELETE FROM shrinks WHERE id % 7 = i % 7; COMMIT;
		EXECUTE format('CREATE TABLE comes_%s AS SELECT generate_series(1, 3000) AS id', i); COMMIT;
		IF i > 2 THEN EXECUTE format('DROP TABLE comes_%s', i - 2); END IF; COMMIT;
		IF i % 5 = 0 THEN TRUNCATE grows; END IF; COMMIT;
	END LOOP; END $$} ], '>', \my $churn_out, '2>', \my $churn_err);
my @taken;
for my $round (1 .. 3)
{
	sleep 1;
	$node->safe_psql('postgres', "CREATE DATABASE during_$round");
	push @taken, backup("a backup under load, number $round", "--label=load $round");
	$node->safe_psql('postgres', "DROP DATABASE during_$round");
}
is($_->{bad_pages}, '0', 'no page is taken for damaged') for @taken;
sleep 1;
my ($at, $lsn, $history) = split /\|/, $node->safe_psql('postgres', 'SELECT clock_timestamp(), pg_current_wal_lsn(), (SELECT count(*) FROM pgbench_history)');
sleep 1;

# kill -9 of everything in the middle of it.
$bench->signal('KILL');
$node->kill9;
$churn->finish;
eval { $bench->finish };
for (1 .. 100) { $node->{_pid} = undef; last if $node->start(fail_ok => 1); sleep 0.1; }
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $last = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die 'not archived';
$whole = $node->digests('app');
my $accounts = $node->digests('postgres');
for my $label ('load 1', 'load 3', 'first')
{
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$spaces/moved");
	$copy = restore("from backup '$label' to the end", [ "--restore-point=$label", "--tablespace-map=$spaces/fast=$spaces/moved" ]);
	$copy->same_rows('app', $whole, 'every row is there', without => qr/^sequence|forgotten|session_cache/);
	$copy->same_rows('postgres', $accounts, 'and every account', without => qr/^sequence/);
	sound($copy, "what came of '$label'");
	is($copy->safe_psql('postgres', 'SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts'), 't', 'the books balance');
	$copy->stop;
}
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$spaces/moved");
$copy = restore('to a moment', [ "--target-time=$at", "--tablespace-map=$spaces/fast=$spaces/moved" ]);
cmp_ok(abs($copy->safe_psql('postgres', 'SELECT count(*) FROM pgbench_history') - $history), '<', 50, 'of that moment');
is($copy->safe_psql('postgres', 'SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts'), 't', 'whose books balance');
$copy->stop;

# What a restore refuses, before it writes anything.
my $empty = "$store/empty";
sub refused
{
	my ($arguments, $expected, $exit, $name) = @_;
	my $result = $node->engine([ 'restore', @where, "--cluster=primary." . system_identifier(), '--pgdata', $empty, @$arguments ]);
	is($result->{exit}, $exit, $name);
	like($result->{err}, $expected, 'and says so');
	ok(!-e $empty, 'it left nothing');
}
refused([ '--target-lsn=0/1' ], qr/no recovery window.*it ended at.*The windows are:/s, 3, 'a position before all backups');
refused([ '--target-lsn=0/1', '--restore-point=first' ], qr/no recovery window.*it ended at/s, 3, 'a position before the backup');
refused([ '--target-time=2001-01-01T00:00:00Z' ], qr/no recovery window.*it ended at/s, 3, 'a time before all backups');
refused([ '--target-time=2026-01-01T00:00:00Z', '--target-name=x' ], qr/one target/, 2, 'two targets');
refused([ '--tablespace-map=/no/such=/tmp/x' ], qr/has no tablespace "\/no\/such"/, 2, 'a tablespace that there is not');
my $occupied = $node->engine([ 'restore', @where, "--cluster=primary." . system_identifier(), '--pgdata', $node->data_dir ]);
is($occupied->{exit}, 7, 'a directory that is not empty');
my $dry = $node->engine([ 'restore', @where, "--cluster=primary." . system_identifier(), '--pgdata', $empty, '--dry-run', "--tablespace-map=$spaces/fast=$store/space" ]);
is("$dry->{exit}$dry->{err}", '0', 'a dry run');
like($dry->{out}, qr/would be restored into.*restore_command = .*wal-fetch.*%f %p/s, 'says what it would do');
ok(!-e $empty, 'and does nothing');

# By SQL.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\nark.store = 'file://$store/ark'\nark.encryption_key = 'file:$key'\n");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_ark');
my $job = $node->safe_psql('postgres', q{SELECT job_id FROM ark.backup_now(kind => 'physical', label => 'by SQL')});
is(outcome($node, $job)->{state}, 'done', 'ark.backup_now(kind => physical)') or diag($node->safe_psql('postgres', 'SELECT message, detail FROM ark.job_history'));
like($node->safe_psql('postgres', q{SELECT kind, restorable, copied_from FROM ark.backups WHERE label = 'by SQL'}), qr/^physical\|t\|primary \S+$/, 'is in the catalog');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ark.list_restore_points(kind => 'backup') WHERE label = 'by SQL'}), '1', 'and a restore point');
my ($wrong, undef, $told) = $node->psql('postgres', q{SELECT * FROM ark.backup_now(kind => 'physical', database => 'app')});
like($told, qr/a physical backup is of the whole cluster/, 'a database is refused');
($wrong, undef, $told) = $node->psql('postgres', q{SELECT * FROM ark.restore_entities('clients', restore_point => 'by SQL', database => 'app')});
like($told, qr/no backup|whole cluster/, 'and rows are not looked for in it');
like($node->safe_psql('postgres', q{SELECT message FROM ark.set_schedule('base', '0 2 * * *', options => '{"kind": "physical"}')}), qr/runs next/, 'it can be scheduled');
is($node->safe_psql('postgres', q{SELECT state FROM ark.verify_backup('by SQL')}), 'done', 'and verified');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$spaces/moved");
$copy = restore('it comes back', [ '--restore-point=by SQL', "--tablespace-map=$spaces/fast=$spaces/moved" ]);
is($copy->safe_psql('postgres', 'SELECT count(*) FROM pgbench_accounts'), $node->safe_psql('postgres', 'SELECT count(*) FROM pgbench_accounts'), 'with its rows');
ok(!$copy->safe_psql('postgres', q{SELECT count(*) FROM ark.progress}), 'and does nothing by itself');
$copy->stop;

# Damage: a bad page is told, and stored as it is.
my $path = $node->data_dir . '/' . $node->safe_psql('app', q{SELECT pg_relation_filepath('shrinks')});
$node->stop;
open my $pages, '+<:raw', $path or die $!;
seek $pages, 8192 + 4000, 0;
print $pages 'damage';
close $pages;
$node->start;
my $bad = ark('backup', '--kind=physical');
is($bad->{exit}, 0, 'a cluster with a damaged page is backed up');
like($bad->{err}, qr/1 page has a wrong checksum.*block 1/, 'and the page is named');

# Without its WAL a backup does not count.
$node->safe_psql('postgres', q{ALTER SYSTEM SET archive_command = 'false'});
$node->reload;
my $before = () = ark('list', '--kind=physical')->{out} =~ /physical/g;
my $waits = IPC::Run::start([ $engine, 'backup', '--kind=physical', '--quiet', @where, '--conninfo', 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<) ], '>', \my $waits_out, '2>', \my $waits_err);
$node->poll_query_until('postgres', q{SELECT failed_count > 0 AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_ark base backup') FROM pg_stat_archiver}) or die;
sleep 2;
$waits->signal('TERM');
eval { $waits->finish };
is($waits->full_result(0) >> 8, 130, 'one that waits for its WAL can be cancelled');
my $after = () = ark('list', '--kind=physical')->{out} =~ /physical/g;
is($after, $before, 'and is no backup');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET archive_command; ALTER SYSTEM SET archive_mode = off});
$node->restart;
my $off = ark('backup', '--kind=physical');
is($off->{exit}, 2, 'a server that does not archive');
like($off->{err}, qr/archive_mode is off.*wal-push/s, 'is told how to');
done_testing();
