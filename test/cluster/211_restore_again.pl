# Restores onto what is there: damaged directories made whole with little traffic, interrupted restores that go on, and what is refused.
# What comes out is what pg_verifybackup expects.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
my $spaces = PostgreSQL::Test::Utils::tempdir();
mkdir $_ or die "$_: $!" for "$store/ark", "$spaces/fast", "$spaces/outside";
PostgreSQL::Test::Utils::append_to_file("$store/key", unpack('H*', join '', map { chr int rand 256 } 1 .. 32) . "\n");
chmod 0600, "$store/key";
my @where = ("--store=file://$store/ark", "--encryption-key=file:$store/key");

# Its configuration remembers a recovery of long ago.
my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--data-checksums', '--wal-segsize=4', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nlog_statement = none\n"
	  . "recovery_target_time = '2001-01-01 00:00:00+00'\nrecovery_target_action = shutdown\nrestore_command = 'false'\nrecovery_min_apply_delay = '1h'\n");
$node->start;
$node->load_sample('app');
$node->safe_psql('postgres', "CREATE TABLESPACE fast LOCATION '$spaces/fast'");
$node->safe_psql('app', q{
	CREATE TABLE in_space TABLESPACE fast AS SELECT i AS id, repeat('x', 200) AS fill FROM generate_series(1, 5000) AS i;
	CREATE TABLE large AS SELECT i AS id, md5(i::text) || md5((-i)::text) AS fill FROM generate_series(1, 150000) AS i;
	CREATE TABLE small AS SELECT i AS id FROM generate_series(1, 20000) AS i});
$node->safe_psql('app', 'VACUUM (FREEZE)');    # so that reading changes no page
my $system = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
sub backup
{
	my $result = $node->engine([ 'backup', '--kind=physical', '--quiet', @where, @_ ]);
	return is("$result->{exit}$result->{err}", '0', "a base backup, @_");
}
backup('--label=one');
my $rows = $node->digests('app');
my %path = map { $_ => $node->safe_psql('app', "SELECT pg_relation_filepath('$_')") } qw(large small in_space);

# One command, again and again.
my $copies = 0;
sub copy { return ArkCluster->new('copy' . ++$copies) }
sub restore { my ($copy, @arguments) = @_; return $node->engine([ command($copy), @arguments ]); }
sub command
{
	my $copy = shift;
	return ('restore', @where, "--cluster=primary.$system", '--pgdata', $copy->data_dir, "--tablespace-map=$spaces/fast=" . $copy->basedir . '/fast');
}
sub succeeds
{
	my ($result, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is("$result->{exit}$result->{err}", '0', $name) || diag($result->{out});
}
sub numbers { my $result = shift; return { $result->{out} =~ /"(\w+)": (\d+)/g }; }
sub accepted
{
	my ($copy, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $copy->command_ok([ 'pg_verifybackup', '-n', $copy->data_dir ], $name);
}
sub runs
{
	my ($copy, $name, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	$copy->same_rows('app', $expected // $rows, $name, without => qr/^sequence|session_cache/);
	$copy->stop;
	return $copy->command_ok([ 'pg_checksums', '--check', '-D', $copy->data_dir ], 'every page has its checksum');
}
sub refused
{
	my ($result, $exit, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($result->{exit}, $exit, $name);
	return like($result->{err}, $expected, 'and is told why');
}
sub change_file
{
	my ($file, $at, $bytes) = @_;
	open my $handle, '+<:raw', $file or die "$file: $!";
	seek $handle, $at, 0;
	print $handle $bytes;
	close $handle or die;
	return;
}

# Into nothing.
my $copy = copy();
succeeds(restore($copy), 'a restore');
accepted($copy, 'pg_verifybackup accepts it');
runs($copy, 'it recovers, whatever postgresql.conf remembers of another recovery');

# Onto a directory that was run and damaged in every way.
my $data = $copy->data_dir;
change_file("$data/$path{large}", 8192 * 700 + 100, 'damage');
truncate "$data/$path{small}", 8192 * 3 or die $!;
unlink "$data/$path{in_space}" or die "$path{in_space}: $!";
PostgreSQL::Test::Utils::append_to_file("$data/$_", 'x') for 'extra', 'base/extra', 'global/9999999', 'standby.signal';
mkdir "$data/extra.d" or die;
PostgreSQL::Test::Utils::append_to_file("$data/extra.d/below", 'x');
PostgreSQL::Test::Utils::append_to_file("$spaces/outside/kept", 'x');
symlink "$spaces/outside", "$data/link" or die;
symlink "$spaces/outside", "$data/pg_tblspc/4444444" or die;
PostgreSQL::Test::Utils::append_to_file($copy->basedir . '/fast/of somebody else', 'x');
link "$data/PG_VERSION", "$spaces/outside/PG_VERSION" or die;
refused(restore($copy), 7, qr/is not empty.*--delta/s, 'a directory that is not empty');
my $dry = restore($copy, '--delta', '--dry-run', '--json');
my $planned = numbers($dry);
ok(-e "$data/extra", 'a dry run leaves it as it is');
my $delta = restore($copy, '--delta', '--json');
is($delta->{exit}, 0, 'made whole by --delta') or diag($delta->{err});
like($delta->{out}, qr/outside.* is a tablespace of what was in/, 'a tablespace that the backup has not is told');
my $done = numbers($delta);
is(join(' ', map { "$_ $planned->{$_}" } qw(read_bytes written_bytes fetched_bytes removed_files)),
	join(' ', map { "$_ $done->{$_}" } qw(read_bytes written_bytes fetched_bytes removed_files)), 'the dry run had said what it would do');
cmp_ok($done->{written_bytes}, '<', $done->{bytes} / 4, "it wrote little: $done->{written_bytes} of $done->{bytes}");
cmp_ok($done->{written_bytes}, '>', 0, 'but something');
ok(-e $_, "$_ is left") for "$spaces/outside/kept", "$spaces/outside/PG_VERSION", $copy->basedir . '/fast/of somebody else';
unlink $copy->basedir . '/fast/of somebody else' or die;
accepted($copy, 'pg_verifybackup accepts it again');
ok(!-e "$data/$_" && !-l "$data/$_", "$_ is gone") for 'extra', 'base/extra', 'global/9999999', 'extra.d', 'link', 'pg_tblspc/4444444', 'standby.signal', 'pg_ark_restore';
runs($copy, 'and it has every row');

# What --delta refuses.
$copy->start;
refused(restore($copy, '--delta'), 7, qr/a server runs on.*pg_ctl/s, 'a directory with a server');
$copy->stop;
my $other = ArkCluster->new('other');
$other->init;
refused(restore($other, '--delta'), 7, qr/is the data directory of another cluster/, "another cluster's directory");
ok(-e $other->data_dir . '/global/pg_control', 'which is left as it is');
refused($node->engine([ 'restore', @where, "--cluster=primary.$system", '--pgdata', "$spaces/outside", '--delta' ]), 2, qr/is no data directory/, 'one that is none');
refused($node->engine([ 'restore', @where, "--cluster=primary.$system", '--pgdata', $copy->data_dir, '--delta' ]), 7, qr/fast" is not empty.*--tablespace-map/s,
	"the tablespace of the original");

# Interrupted, and again; meanwhile there is a newer backup.
sub interrupted
{
	my ($to, $rate, $far_enough, @arguments) = @_;
	my ($out, $err) = ('', '');
	my $slow = IPC::Run::start([ $engine, command($to), '--quiet', '--jobs=1', "--max-rate=$rate", @arguments ], '<', '/dev/null', '>', \$out, '2>', \$err);
	my $began = time;
	sleep 0.05 until (-e $to->data_dir . '/backup_manifest.unfinished' && $far_enough->()) || time > $began + 60;
	refused(restore($to, @arguments), 7, qr/another pg_ark restore writes into/, 'a second one at the same time');
	$slow->signal('KILL');
	eval { $slow->finish };
	ok(-e $to->data_dir . '/pg_ark_restore', 'it was interrupted') or diag("$out\n$err");
	ok(!-e $to->data_dir . '/global/pg_control', 'no server starts on it');
	return;
}
sub megabytes_on_disk { return (split /\s/, `du -sm "$_[0]"`)[0] }
my $half = copy();
interrupted($half, '1MB', sub { megabytes_on_disk($half->data_dir) > 4 });
$node->safe_psql('app', 'CREATE TABLE newer AS SELECT 1 AS id');
backup('--label=two');
$rows = $node->digests('app');
refused(restore($half, '--restore-point=two'), 7, qr/unfinished restore of another backup.*--restore-point.*--delta/s, 'another backup');
my $again = restore($half, '--json');
is("$again->{exit}$again->{err}", '0', 'the same command goes on') or diag($again->{out});
$done = numbers($again);
like($again->{out}, qr/"goes_on": true/, 'and says so');
cmp_ok($done->{written_bytes}, '<', $done->{bytes}, "it wrote what was missing: $done->{written_bytes} of $done->{bytes}");
accepted($half, 'pg_verifybackup accepts it');
runs($half, 'and it has every row');

# An interrupted --delta.
unlink glob "$data/base/*/2*";
interrupted($copy, '200kB', sub { 1 }, '--delta', '--restore-point=two');
succeeds(restore($copy, '--delta', '--restore-point=one'), 'goes on, also with another backup');
accepted($copy, 'which pg_verifybackup accepts');
runs($copy, 'and which has every row');

# To a position, although postgresql.conf names a time; and a dry run.
my $lsn = $node->safe_psql('app', 'INSERT INTO newer VALUES (2); SELECT pg_current_wal_flush_lsn()');
$node->safe_psql('app', 'INSERT INTO newer VALUES (3)');
my $last = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die 'not archived';
my $there = copy();
my $plan = restore($there, '--dry-run', "--target-lsn=$lsn");
succeeds($plan, 'a dry run');
like($plan->{out}, qr/takes .* are free.*would take about .* a second just now.*recovery_target_lsn/s, 'says what it takes');
ok(!-e $there->data_dir, 'and does nothing');
succeeds(restore($there, "--target-lsn=$lsn"), 'to a position');
$there->append_conf('postgresql.conf', 'port = ' . $there->port . "\narchive_mode = off\nunix_socket_directories = '" . $there->host . "'\n");
$there->start;
$there->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
is($there->safe_psql('app', 'SELECT max(id) FROM newer'), '2', 'which it has reached, and not passed');
$there->stop;
$node->stop;
done_testing();
