# Base backups that copy a standby: begun and ended on its primary, or of the standby only; clusters made from them; and what must not
# become a backup.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;
use Time::HiRes qw(time sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/ark" or die $!;
my @where = ("--store=file://$store/ark");

my $primary = ArkCluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--data-checksums', '--wal-segsize=4', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$primary->append_conf('postgresql.conf',
	"archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nautovacuum_naptime = 1\nmax_wal_size = 64MB\nlog_statement = none\n");
$primary->start;
$primary->engine_ok([ 'init', @where ], 'a store for its WAL');
$primary->backup('base');
my $standby = ArkCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->load_sample('app');
$primary->safe_psql('app', q{CREATE UNLOGGED TABLE forgotten AS SELECT 1 AS id; CREATE TABLE shrinks AS SELECT i AS id, repeat('y', 500) FROM generate_series(1, 20000) AS i});
$primary->command_ok([ 'pgbench', '-i', '-q', '-s', '2', '-d', $primary->connstr('postgres') ], 'pgbench');
my $system = $primary->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
chomp(my $host = `uname -n`);

sub fields { my ($json) = @_; my %result; $result{$1} = $2 while $json =~ /"(\w+)": "?([^",\n]*)/g; return \%result; }
sub backup
{
	my ($node, $name, @arguments) = @_;
	my $taken = $node->engine([ 'backup', '--kind=physical', '--quiet', '--json', @where, @arguments ], timeout => 120);
	is($taken->{exit}, 0, $name) or die("$taken->{out}\n$taken->{err}");
	return fields($taken->{out});
}
sub count { my @all = $primary->engine([ 'list', '--kind=physical', @where ])->{out} =~ /physical/g; return scalar @all; }
sub refused
{
	my ($node, $arguments, $expected, $name) = @_;
	my $before = count();
	my $result = $node->engine([ 'backup', '--kind=physical', '--quiet', @where, @$arguments ], timeout => 120);
	ok($result->{exit} != 0 && $result->{err} =~ $expected, $name) or diag("exit $result->{exit}\n$result->{out}\n$result->{err}");
	is(count(), $before, 'and no backup counts');
	return;
}
my $restored = 0;
sub restore
{
	my ($name, @arguments) = @_;
	my $copy = ArkCluster->new('restored' . ++$restored);
	my $result = $copy->engine([ 'restore', @where, '--pgdata', $copy->data_dir, "--cluster=primary.$system", @arguments ]);
	is($result->{exit}, 0, $name) or diag("$result->{out}\n$result->{err}");
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	is($copy->safe_psql('postgres', 'SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts'), 't', 'the books balance');
	return $copy;
}
sub sound
{
	my ($copy) = @_;
	$copy->command_ok([ 'pg_amcheck', '--heapallindexed', '-h', $copy->host, '-p', $copy->port, '--all', '--install-missing' ], 'it is sound');
	$copy->stop;
	$copy->command_ok([ 'pg_checksums', '--check', '-D', $copy->data_dir ], 'every page has its checksum');
	return;
}
sub caught_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush')); return; }

# Who is copied.
caught_up();
refused($standby, [], qr/this server is a standby.*--standby=prefer/s, 'a standby is not copied unawares');
refused($primary, ['--standby=require'], qr/copied from a standby, and this server is none/, 'nor a primary where a standby is required');

# Under load, with things that move files about.
my %load;
sub start_load
{
	my ($name, @command) = @_;
	my $load = $load{$name} = { out => '', err => '' };
	$load->{run} = IPC::Run::start([@command], '<', '/dev/null', '>', \$load->{out}, '2>', \$load->{err});
	return;
}
sub still_loaded { my @ended = grep { !$load{$_}{run}->pumpable } sort keys %load; is("@ended", '', 'the load goes on') or diag(map { "$_: $load{$_}{out}\n$load{$_}{err}" } @ended); return; }
my $maps = "$store/maps.sql";
PostgreSQL::Test::Utils::append_to_file($maps, "VACUUM FULL pg_class;\n\\sleep 300 ms\n");
start_load('transactions', 'pgbench', '-n', '-c', '3', '-T', '120', '-d', $primary->connstr('postgres'));
start_load('relation maps', 'pgbench', '-n', '-T', '120', '-f', $maps, '-d', $primary->connstr('app'));
start_load('files', 'psql', '-XAtq', '-d', $primary->connstr('app'), '-c', q{
	DO $$ BEGIN FOR i IN 1..100000 LOOP
		DELETE FROM shrinks WHERE id % 7 = i % 7; COMMIT;
		EXECUTE format('CREATE TABLE comes_%s AS SELECT generate_series(1, 3000) AS id', i); COMMIT;
		IF i > 2 THEN EXECUTE format('DROP TABLE comes_%s', i - 2); END IF; COMMIT;
	END LOOP; END $$});
sleep 1;
my $first = backup($standby, 'a base backup of a standby under load', '--standby=require', '--max-rate=20MB', '--label=of standby');
is($first->{copied_from}, "standby $host", 'says whose files were copied');
is($first->{bad_pages}, '0', 'no page is taken for damaged');
like($primary->engine([ 'list', '--kind=physical', @where ])->{out}, qr/standby \Q$host\E/, 'and so does pg_ark list');
my $only = backup($standby, 'one of the standby only', '--standby=only', '--standby-deadline=1min', '--label=only standby');
is($only->{bad_pages}, '0', 'no page of that is taken for damaged');
sleep 1;
my ($at, $history) = split /\|/, $primary->safe_psql('postgres', 'SELECT clock_timestamp(), (SELECT count(*) FROM pgbench_history)');
sleep 1;
still_loaded();
# Not by SIGINT: a test that was started in the background hands on that it is ignored, and the load would go on to its end.
$primary->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()});
eval { $_->{run}->finish } for values %load;
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->safe_psql($_, 'VACUUM (FREEZE)') for qw(postgres app);    # so that reading changes no page
my $last = $primary->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
$primary->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die 'not archived';
my %whole = map { $_ => $primary->digests($_) } qw(app postgres);
for my $label ('of standby', 'only standby')
{
	my $copy = restore("a cluster from '$label'", "--restore-point=$label");
	$copy->same_rows('app', $whole{app}, 'every row is there', without => qr/^sequence|forgotten|session_cache/);
	$copy->same_rows('postgres', $whole{postgres}, 'and every account', without => qr/^sequence/);
	is($copy->safe_psql('app', 'SELECT count(*) FROM forgotten'), '0', 'an unlogged table is empty');
	sound($copy);
}
my $copy = restore('one of a moment after it', '--restore-point=of standby', "--target-time=$at");
cmp_ok(abs($copy->safe_psql('postgres', 'SELECT count(*) FROM pgbench_history') - $history), '<', 50, 'is of that moment');
$copy->stop;

# Later backups: what is the same is referenced, and only files of the same directory are left unread.
caught_up();
sleep 2.5;    # what was changed later may not be believed to be unchanged
my @as_it_is = ('--standby=prefer', '--rewrite-share=0');    # what is stored again to tidy the store is another matter
my $second = backup($standby, 'another one', @as_it_is);
my $third = backup($standby, 'and another', @as_it_is, '--label=third');
cmp_ok($third->{bytes_stored}, '<', $first->{bytes_stored} / 5, "stores little: $third->{bytes_stored} after $first->{bytes_stored}");
cmp_ok($third->{bytes_unread}, '>', 0, "and leaves unread what did not change: $third->{bytes_unread}");
my $own = backup($primary, 'one of the primary', @as_it_is);
is($own->{copied_from}, "primary $host", 'says so');
is($own->{bytes_unread}, '0', 'reads everything, since these are other files');
# The pages of a standby differ in hints from the primary's, the more the longer the load ran, which made the cluster larger, too.
cmp_ok($own->{bytes_stored}, '<', $own->{stored_bytes} / 5, "and stores little: $own->{bytes_stored} of $own->{stored_bytes}");
cmp_ok($own->{bytes_reused}, '>', $own->{bytes_read} / 2, "and references what the standby's has: $own->{bytes_reused} of $own->{bytes_read}");
is(backup($standby, 'one of the standby after it', '--standby=require', '--max-rate=100MB')->{bytes_unread}, '0', 'reads everything too');
$copy = restore('a cluster from a later one', '--restore-point=third');
$copy->same_rows('app', $whole{app}, 'has every row', without => qr/^sequence|forgotten|session_cache/);
$copy->stop;

# The primary's catalog learns of them by itself, and of those that are taken or deleted from now on, whoever does it.
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\nark.store = 'file://$store/ark'\nark.wal_ship_interval = 0\nark.catalog_refresh_interval = '1s'\n");
$primary->restart;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_ark');
sub in_catalog
{
	my ($where, $expected, $name) = @_;
	ok($primary->poll_query_until('postgres', "SELECT string_agg(copied_from, ' ' ORDER BY copied_from) FROM ark.backups WHERE $where", $expected), $name);
	return;
}
in_catalog('ended_at IS NULL', join(' ', "primary $host", ("standby $host") x 5), 'the catalog knows what was taken before it was made');
is($primary->safe_psql('postgres', "SELECT count(*) > 0 FROM ark.list_restore_points(kind => 'window') WHERE restorable"), 't', 'and the windows');
backup($primary, 'one by the program, beside the server', '--label=by hand');
in_catalog(q{label = 'by hand'}, "primary $host", 'is in it soon');
is($primary->engine([ 'delete', '--reason=test', @where, $primary->safe_psql('postgres', q{SELECT backup_id FROM ark.backups WHERE label = 'by hand'}) ])->{exit}, 0, 'one that is deleted by the program');
in_catalog(q{label = 'by hand' AND ended_at IS NULL}, '', 'leaves it soon');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM ark.job_history WHERE action = 'refresh_catalog' AND (state <> 'done' OR message LIKE '0 backups came and 0 went%')}), '0', 'a look that finds nothing is no history');

# What is in the way is said.
refused($standby, [ '--standby=prefer', '--primary-conninfo=host=/nowhere' ], qr/the primary of this standby cannot be asked.*--standby=only/s, 'a primary that is out of reach');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$primary->safe_psql('app', 'INSERT INTO shrinks SELECT 100000, repeat(md5(random()::text), 1000) FROM generate_series(1, 100)');
refused($standby, [ '--standby=prefer', '--standby-max-lag=500ms' ], qr/lags too far behind its primary.*kB behind.*replay is paused.*standby_max_lag/s, 'a standby that lags is not copied, and how far it lags is said');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');

# A quiet primary does not finish its segment by itself.
caught_up();
refused($standby, [ '--standby=only', '--standby-deadline=1s' ], qr/did not receive the rest of WAL segment.*SELECT pg_switch_wal\(\)/s, 'a standby only has to wait for its primary');
my $waits = IPC::Run::start([ $engine, 'backup', '--kind=physical', '--quiet', '--standby=only', '--label=waited', @where, '--conninfo', 'host=' . $standby->host . ' port=' . $standby->port . ' user=' . getpwuid($<) ], '>', \my $waits_out, '2>', \my $waits_err);
my $counted = count();
while ($waits->pumpable)
{
	$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('something to write'), pg_switch_wal()});
	last unless eval { $waits->pump_nb; 1 };
	sleep 0.3;
}
$waits->finish;
is($waits->full_result(0), 0, 'and ends when WAL was switched') or diag("$waits_out\n$waits_err");
is(count(), $counted + 1, 'and counts');
in_catalog(q{label = 'waited'}, "standby $host", 'and the primary knows it, although nobody told it');

# A standby that is fed by the store alone gets to what its primary has when that finishes a segment, which it is asked to.
caught_up();
$standby->safe_psql('postgres', "ALTER SYSTEM SET $_") for "restore_command = '$engine wal-fetch --quiet @where %f %p'", q{primary_conninfo = ''}, q{wal_retrieve_retry_interval = '200ms'};
$standby->reload;
$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die 'it still streams';
$primary->safe_psql('app', q{INSERT INTO shrinks VALUES (200000, 'the last row')});
my $fed = backup($standby, 'a standby that is fed by the store', '--standby=prefer', '--label=fed', '--primary-conninfo=host=' . $primary->host . ' port=' . $primary->port . ' user=' . getpwuid($<));
is($standby->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_wal_receiver'), '0', 'is copied without streaming');
$copy = restore('a cluster from it', '--restore-point=fed');
is($copy->safe_psql('app', 'SELECT repeat FROM shrinks WHERE id = 200000'), 'the last row', 'has what was written before it');
$copy->stop;
$standby->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$standby->reload;
caught_up();

# A promotion in the middle of it. The primary lives on, so that nothing else ends the backup.
backup($primary, 'after one of the primary all files of the standby are read');
my $before = count();
my $slow = IPC::Run::start([ $engine, 'backup', '--kind=physical', '--standby=prefer', '--max-rate=1MB', @where, '--conninfo', 'host=' . $standby->host . ' port=' . $standby->port . ' user=' . getpwuid($<) ], '>', \my $slow_out, '2>', \my $slow_err);
my $packs = sub { my @files = glob "$store/ark/*/packs/* $store/ark/*/backups/*/begin"; return scalar @files; };
my $began = $packs->();
sleep 0.1 until $packs->() > $began || !$slow->pumpable;
sleep 1;
$standby->promote;
eval { $slow->finish };
isnt($slow->full_result(0), 0, 'a promotion ends a backup');
like($slow_err, qr/the standby was promoted during the base backup.*Nothing of this backup counts/s, 'and it is said');
is(count(), $before, 'it does not count');
done_testing();
