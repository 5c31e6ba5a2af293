# Restores onto what is there: damaged directories made whole with little traffic, interrupted restores that go on, and what is refused.
# What comes out is what pg_verifybackup expects, and leaves the cluster that it came from alone.
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
	  . "recovery_target_time = '2001-01-01 00:00:00+00'\nrecovery_target_action = shutdown\nrestore_command = 'false'\nrecovery_min_apply_delay = '1h'\n"
	  . "shared_preload_libraries = 'pg_ark'\nark.store = 'file://$store/ark'\nark.encryption_key = 'file:$store/key'\n");
open my $read_only, '>', $node->data_dir . '/server.key' or die $!;    # as PostgreSQL wants it
print $read_only "not a key\n";
close $read_only;
chmod 0400, $node->data_dir . '/server.key';
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION pg_ark});
$node->load_sample('app');
ask($node, q{SELECT * FROM ark.pause_scheduler('the test')});
ask($node, q{SELECT * FROM ark.set_schedule('often', '* * * * *', 'backup', database => 'app')});
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
sub starts
{
	my ($copy, @settings) = @_;
	$copy->append_conf('postgresql.conf', join "\n", 'port = ' . $copy->port, "unix_socket_directories = '" . $copy->host . "'", @settings, '');
	$copy->start;
	return $copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') || die 'recovery did not end';
}
sub runs
{
	my ($copy, $name, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	starts($copy, 'archive_mode = off');
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
	my ($to, $signal, $rate, $far_enough, @arguments) = @_;
	my ($out, $err) = ('', '');
	my $slow = IPC::Run::start([ $engine, command($to), '--quiet', '--jobs=1', "--max-rate=$rate", @arguments ], '<', '/dev/null', '>', \$out, '2>', \$err);
	my $began = time;
	sleep 0.05 until (-e $to->data_dir . '/backup_manifest.unfinished' && $far_enough->()) || time > $began + 60;
	refused(restore($to, @arguments), 7, qr/another pg_ark restore writes into/, 'a second one at the same time');
	$slow->signal($signal);
	eval { $slow->finish };
	like($err, qr/hint: .*the same command again goes on/, 'it says how to go on') if $signal ne 'KILL';
	ok(-e $to->data_dir . '/pg_ark_restore', 'it was interrupted') or diag("$out\n$err");
	ok(!-e $to->data_dir . '/global/pg_control', 'no server starts on it');
	return;
}
# Files whose first bytes are there: they have their length before they have content.
sub files_begun
{
	my $begun = 0;
	for my $name (glob "$_[0]/base/*/*")
	{
		open my $file, '<:raw', $name or next;
		my $read = read $file, my $front, 64;
		$begun++ if $read && $front =~ /[^\0]/;
	}
	return $begun;
}
my $half = copy();
interrupted($half, 'KILL', '1MB', sub { files_begun($half->data_dir) > 250 });
$node->safe_psql('app', 'CREATE TABLE newer AS SELECT 1 AS id');
backup('--label=two');
$rows = $node->digests('app');
refused(restore($half, '--target-lsn=FF/0'), 3, qr/no recovery window.*hint: ".*" holds an unfinished restore of backup \S+, and the same command goes on with that\..*--delta/s, 'a target that it does not reach');
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
interrupted($copy, 'TERM', '200kB', sub { 1 }, '--delta', '--restore-point=two');
succeeds(restore($copy, '--delta', '--restore-point=one'), 'goes on, also with another backup');
accepted($copy, 'which pg_verifybackup accepts');
runs($copy, 'and which has every row');

# Killed at moments of chance, each time going on.
my $killed = copy();
my $kills = 0;
for (1 .. 8)
{
	my $run = IPC::Run::start([ $engine, command($killed), '--quiet' ], '<', '/dev/null', '>', \my $out, '2>', \my $err);
	sleep rand 0.8;
	$run->signal('KILL');
	eval { $run->finish };
	last if -e $killed->data_dir . '/global/pg_control';
	$kills++;
}
note("killed $kills times before it was whole");
succeeds(restore($killed), 'it becomes whole') unless -e $killed->data_dir . '/global/pg_control';
accepted($killed, 'pg_verifybackup accepts it');
runs($killed, 'and it has every row');

# Too little room, on the file system of a tablespace alone.
SKIP:
{
	my ($may) = PostgreSQL::Test::Utils::run_log([ 'unshare', '-Urm', 'true' ]);
	skip 'no user namespaces here', 4 unless $may;
	mkdir "$spaces/tiny" or die;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs -o size=512k none "$0" && exec "$@"', "$spaces/tiny", $engine, 'restore', @where, "--cluster=primary.$system",
		'--pgdata', "$spaces/roomy", "--tablespace-map=$spaces/fast=$spaces/tiny/fast" ], '<', '/dev/null', '>', \$out, '2>', \$err);
	refused({ exit => ArkCluster::exit_status(), err => $err }, 5, qr/too little space for the cluster at "$spaces\/tiny\/fast".* are free/s, 'a tablespace on a full disk');
	ok(!-e "$spaces/roomy", 'nothing was written');
	IPC::Run::run([ 'unshare', '-Ur', $engine, command(copy()), '--dry-run' ], '<', '/dev/null', '>', \$out, '2>', \$err);
	is(ArkCluster::exit_status(), 0, 'as root it works') or diag($err);
	like($err, qr/^warning: run by root, .*\(chown -R\) before the start/m, 'and says whose the files are');
}

# To a position, although postgresql.conf names a time; and a dry run.
my $lsn = $node->safe_psql('app', 'INSERT INTO newer VALUES (2); SELECT pg_current_wal_flush_lsn()');
$node->safe_psql('app', 'INSERT INTO newer VALUES (3)');
my $last = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die 'not archived';
my $there = copy();
my $plan = restore($there, '--dry-run', "--target-lsn=$lsn");
succeeds($plan, 'a dry run');
like($plan->{out}, qr/takes .* are free.*would take about .* a second just now.*recovery_target_lsn/s, 'says what it takes');
ok(!-e $there->data_dir, 'and does nothing');
succeeds(restore($there, "--target-lsn=$lsn"), 'to a position');
starts($there);
is($there->safe_psql('app', 'SELECT max(id) FROM newer'), '2', 'which it has reached, and not passed');

# A restored cluster runs no job and archives nothing, and its catalog says what it is.
# What the original ships of its timeline comes and goes.
sub in_store { my @found = grep { !m{/tail/\d+/00000001/} } sort split /\n/, `cd "$store/ark" && find . -type f`; return join "\n", @found }
sub is_quiet
{
	my ($copy, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $in_store = in_store();
	until_true($copy, q{SELECT launcher_pid IS NOT NULL FROM ark.scheduler_status()});
	like(ask($copy, 'SELECT state, reason FROM ark.scheduler_status()'), qr/^copy\|it was restored from a base backup of the cluster in \S+ \(backup \S+ of primary\.$system, up to [0-9A-F]+\/[0-9A-F]+ of timeline 1\)$/, "$name says what it is");
	like(ask($copy, 'SELECT problems::text FROM ark.status'), qr/this cluster looks like a copy: it was restored/, 'in its status too');
	my $jobs = ask($copy, 'SELECT count(*) FROM ark.job_history');
	# A run that is due: a launcher that took this for the original would start it.
	my $since = ask($copy, q{
		DELETE FROM ark_private.pause;
		UPDATE ark_private.schedule SET decided_until = clock_timestamp() - interval '10 minutes';
		SELECT clock_timestamp()});
	ask($copy, 'SELECT ark_private.wake_launcher()');
	until_true($copy, "SELECT state = 'idle' AND state_change > '$since' FROM pg_stat_activity WHERE backend_type = 'pg_ark launcher'");
	is(ask($copy, 'SELECT count(*) FROM ark.job_history'), $jobs, 'it runs no job');
	$copy->ark_fails(q{SELECT * FROM ark.expire_now()}, qr/this cluster looks like a copy/, 'and expires nothing');
	ask($copy, q{SELECT pg_switch_wal()});
	until_true($copy, 'SELECT failed_count > 0 FROM pg_stat_archiver');
	is(ask($copy, 'SELECT archived_count FROM pg_stat_archiver'), '0', 'it archives nothing');
	is(in_store(), $in_store, 'the store is as it was');
	return;
}
is_quiet($there, 'a restored cluster');
mkdir "$spaces/own" or die;
$there->engine_ok([ 'init', '--quiet', "--store=file://$spaces/own" ], 'it may have a path of its own elsewhere');
like($there->engine_ok([ 'lease', "--store=file://$spaces/own" ], 'whose owner'), qr/\(epoch 1\); it was restored from backup \S+ of primary\.$system, up to \S+ of timeline 1$/, 'says there too what it came from');
$there->stop;

# In place, over the original, which had WAL that it did not archive yet.
$node->safe_psql('postgres', q{ALTER SYSTEM SET archive_command = 'false'});
$node->reload;
my $lost = $node->safe_psql('app', q{INSERT INTO newer VALUES (4); SELECT pg_walfile_name(pg_switch_wal() - 1)});
$rows = $node->digests('app', without => qr/^newer/);
$node->stop;
my @in_place = ('restore', @where, "--cluster=primary.$system", '--pgdata', $node->data_dir);
my $in_place = $node->engine([ @in_place, '--delta' ]);
is($in_place->{exit}, 0, 'in place') or diag($in_place->{err});
like($in_place->{out} . $in_place->{err}, qr/WAL files that this server had not archived are in/, 'WAL that the store has not is kept');
ok(-e $node->data_dir . "/pg_wal/before_restore/$lost", 'beside');
accepted($node, 'pg_verifybackup accepts it');
starts($node);
$node->same_rows('app', $rows, 'it has every row', without => qr/^sequence|session_cache|newer/);
is($node->safe_psql('app', 'SELECT max(id) FROM newer'), '3', 'to the end of the archive');
is_quiet($node, 'a cluster restored in place');
is(ask($node, q{SELECT state FROM ark.adopt_cluster('restored')}), 'done', 'it is adopted');
ask($node, q{SELECT * FROM ark.pause_scheduler('the test')});
is(ask($node, q{SELECT state FROM ark.take_over('restored')}), 'done', 'takes over');
my ($origin) = PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/pg_wal/00000002.history') =~ /^1\t(\S+)/;
like($node->engine_ok([ 'lease', @where ], 'pg_ark lease'), qr/\(epoch 2\); it was restored from backup \S+ of primary\.$system, up to $origin of timeline 1$/, 'says from where it came');
like(ask($node, q{SELECT reason FROM ark.audit_log WHERE operation = 'adopt_cluster'}), qr/^restored \(before: it was restored from a base backup .* of timeline 1\)\)$/, 'which the audit log keeps too');
is(ask($node, q{SELECT count(*) FROM ark.backups WHERE label IN ('one', 'two')}), '2', 'its catalog knows what the store has');
ask($node, q{SELECT pg_switch_wal()});
until_true($node, 'SELECT archived_count > 0 FROM pg_stat_archiver');
is(ask($node, q{SELECT recoverable_until_lsn <= pg_current_wal_flush_lsn() FROM ark.wal_archive}), 't', 'and of the timeline that was left no more than it has of it');
unlike(ask($node, 'SELECT problems::text FROM ark.status'), qr/looks like a copy/, 'and is no copy any more');
backup('--label=after');
$node->stop;
done_testing();
